/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONTEXT_H
#define _SHIM6_CONTEXT_H

#include <linux/bits.h>
#include <linux/in6.h>

#include <uapi/linux/shim6.h>

#include "state.h"

struct netlink_ext_ack;

/**
 * struct shim6_context_change - the values of a context that a request names
 * @ulids: which context
 * @has: bit SHIM6_A_CONTEXT_x for each value that is named; all others below are
 *	0 and mean nothing
 * @tag_local: this and the members that follow: as in struct shim6_context
 * @locals: Ls(local), if named
 * @peers: Ls(peer), if named
 */
struct shim6_context_change {
	struct shim6_ulids ulids;
	unsigned long has;
	u64 tag_local;
	u64 tag_peer;
	u32 state;
	u32 reap_state;
	u32 reap_timer;
	u32 header;
	u32 encapsulation;
	u32 inbound_encapsulation;
	u32 send_timeout;
	u32 keepalive_timeout;
	struct in6_addr locator_local;
	struct in6_addr locator_peer;
	struct in6_addr inbound_local;
	struct in6_addr inbound_peer;
	u16 n_locals;
	u16 n_peers;
	struct in6_addr locals[SHIM6_LOCATORS_LIMIT];
	struct in6_addr peers[SHIM6_LOCATORS_LIMIT];
};

/* Does a request name a value? @attr: SHIM6_A_CONTEXT_x. */
static inline bool shim6_change_has(const struct shim6_context_change *c,
				    int attr)
{
	return c->has & BIT(attr);
}

/* A change of a context, for the tracepoint. */
enum shim6_trace_change {
	SHIM6_TRACE_NEW,
	SHIM6_TRACE_SET,
	SHIM6_TRACE_DEL,
};

struct shim6_context *
shim6_context_new(struct shim6_net *sn, const struct shim6_context_change *c,
		  struct netlink_ext_ack *extack);
int shim6_context_set(struct shim6_net *sn, struct shim6_context *ctx,
		      const struct shim6_context_change *c,
		      struct netlink_ext_ack *extack);
void shim6_context_del(struct shim6_net *sn, struct shim6_context *ctx);

void shim6_context_net_exit(struct shim6_net *sn);
int shim6_context_init(void);
void shim6_context_exit(void);

#endif /* _SHIM6_CONTEXT_H */
