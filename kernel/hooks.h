/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_HOOKS_H
#define _SHIM6_HOOKS_H

#include <linux/netfilter.h>

struct shim6_net;

/* At PRE_ROUTING the first and the last one, and at LOCAL_OUT. */
#define SHIM6_HOOKS	3
#define SHIM6_HOOKS_PRE_ROUTING	2

/**
 * struct shim6_hooks - the netfilter hooks of a namespace
 * @ops: the hooks; their priv is the namespace's state
 * @users: how many contexts and daemons need the hooks; changed under the table's
 *	lock, and read without
 * @gone: the namespace is on its way out and has lost its hooks; under the
 *	table's lock
 */
struct shim6_hooks {
	struct nf_hook_ops ops[SHIM6_HOOKS];
	u32 users;
	bool gone;
};

void shim6_hooks_net_init(struct shim6_net *sn,
			  const struct nf_hook_ops ops[SHIM6_HOOKS]);
int shim6_hooks_get(struct shim6_net *sn);
void shim6_hooks_put(struct shim6_net *sn);
bool shim6_hooks_used(const struct shim6_net *sn);
void shim6_hooks_net_pre_exit(struct shim6_net *sn);

#endif /* _SHIM6_HOOKS_H */
