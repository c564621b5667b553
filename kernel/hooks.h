/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_HOOKS_H
#define _SHIM6_HOOKS_H

#include <linux/netfilter.h>
#include <linux/workqueue.h>

struct shim6_net;

/* At PRE_ROUTING, at LOCAL_OUT, and the last one at PRE_ROUTING. */
enum {
	SHIM6_HOOK_INPUT,
	SHIM6_HOOK_OUTPUT,
	SHIM6_HOOK_LAST,
	SHIM6_HOOKS
};

/**
 * struct shim6_hooks - the netfilter hooks of a namespace
 * @ops: the hooks by SHIM6_HOOK_x; their priv is the namespace's state
 * @users: how many contexts and daemons need the hooks; changed under the table's
 *	lock, and read without
 * @last: the last hook is registered as well; changed under the table's lock, and
 *	read without
 * @last_work: registers it
 * @gone: the namespace is on its way out and has lost its hooks; under the
 *	table's lock
 */
struct shim6_hooks {
	struct nf_hook_ops ops[SHIM6_HOOKS];
	u32 users;
	bool last;
	struct work_struct last_work;
	bool gone;
};

void shim6_hooks_net_init(struct shim6_net *sn,
			  const struct nf_hook_ops ops[SHIM6_HOOKS]);
int shim6_hooks_get(struct shim6_net *sn);
void shim6_hooks_put(struct shim6_net *sn);
void shim6_hooks_look(struct shim6_net *sn);
bool shim6_hooks_used(const struct shim6_net *sn);
void shim6_hooks_net_pre_exit(struct shim6_net *sn);
void shim6_hooks_net_exit(struct shim6_net *sn);

#endif /* _SHIM6_HOOKS_H */
