/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONTEXT_H
#define _SHIM6_CONTEXT_H

#include <linux/in6.h>
#include <linux/rhashtable.h>
#include <linux/timer.h>

#include <uapi/linux/shim6.h>

struct netlink_ext_ack;
struct shim6_net;
struct shim6_path;

/**
 * struct shim6_ulids - what a sender finds a context by
 * @local: ULID(local)
 * @peer: ULID(peer)
 * @fii: Forked Instance Identifier, 0 for the default context
 */
struct shim6_ulids {
	struct in6_addr local;
	struct in6_addr peer;
	u32 fii;
};

/**
 * struct shim6_locators - Ls(local), then Ls(peer), both without the ULIDs
 * @locals: how many of @addr are local
 * @peers: how many follow that are the peer's
 * @rcu: frees it
 * @addr: the locators
 */
struct shim6_locators {
	u16 locals;
	u16 peers;
	struct rcu_head rcu;
	struct in6_addr addr[];
};

/**
 * struct shim6_context - a ULID-pair context (RFC 5533 section 6.1)
 *
 * Found under RCU by three hash tables; changed under the table's lock. What
 * packets write is apart from what they read.
 *
 * @by_ulids: in the table of ULID pairs and FIIs
 * @by_tag: in the table of local tags
 * @by_peer_tag: in the table of peer tags, of which two peers may use the same;
 *	only if @has_peer_tag
 * @ulids: the key of the first
 * @state: enum shim6_context_state
 * @reap_state: enum shim6_reap_state; packets change it as well
 * @has_peer_tag: @tag_peer is known
 * @dead: taken out of the tables; the timer must not start again
 * @tag_local: the key of the second, CT(local)
 * @tag_peer: the key of the third, CT(peer)
 * @path: the current locator pair, NULL if it is the ULID pair
 * @locators: Ls(local) and Ls(peer), NULL if both are empty
 * @inbound_local: see the specification
 * @inbound_peer: see the specification
 * @send_timeout: in milliseconds
 * @keepalive_timeout: in milliseconds
 * @id: its place in the order of dumps
 * @switches: changes of the current locator pair
 * @sn: the namespace, which outlives its contexts
 * @created: jiffies when it was made
 * @restart: the pair has changed, and TCP sockets are to be restarted; tcp.h
 * @last_event: low 32 bits of the jiffies of the last event of those that come
 *	at most once a second, or 0
 * @rcu: frees it
 * @clock: which of the two timers of RFC 5534 runs, and since when; reap.c
 * @last_sent: jiffies of the last payload sent, or 0
 * @last_heard: jiffies of the last payload heard, or 0
 * @timer: stands for the Send Timer, the Keepalive Timer and quiescence
 */
struct shim6_context {
	struct rhash_head by_ulids;
	struct rhash_head by_tag;
	struct rhlist_head by_peer_tag;
	struct shim6_ulids ulids;
	u8 state;
	u8 reap_state;
	bool has_peer_tag;
	bool dead;
	u64 tag_local;
	u64 tag_peer;
	struct shim6_path __rcu *path;
	struct shim6_locators __rcu *locators;
	struct in6_addr inbound_local;
	struct in6_addr inbound_peer;
	u32 send_timeout;
	u32 keepalive_timeout;
	u32 id;
	u32 switches;
	struct shim6_net *sn;
	unsigned long created;
	u8 restart;
	u32 last_event;
	struct rcu_head rcu;

	unsigned long clock ____cacheline_aligned;
	unsigned long last_sent;
	unsigned long last_heard;
	struct timer_list timer;
};

/**
 * struct shim6_context_change - what a request names of a context
 * @ulids: which context
 * @has: bit SHIM6_A_CONTEXT_x for each value that is named
 * @tag_local: and the others: as in struct shim6_context
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

/* What has been done to a context, for the tracepoint. */
enum shim6_trace_change {
	SHIM6_TRACE_NEW,
	SHIM6_TRACE_SET,
	SHIM6_TRACE_DEL,
};

bool shim6_context_address(const struct in6_addr *addr);
bool shim6_context_is_local(const struct shim6_context *ctx,
			    const struct in6_addr *addr);
bool shim6_context_is_here(const struct shim6_context *ctx, struct net *net,
			   const struct in6_addr *addr);
bool shim6_context_is_peer(const struct shim6_context *ctx,
			   const struct in6_addr *addr);

struct shim6_context *
shim6_context_new(struct shim6_net *sn, const struct shim6_context_change *c,
		  struct netlink_ext_ack *extack);
int shim6_context_set(struct shim6_net *sn, struct shim6_context *ctx,
		      const struct shim6_context_change *c,
		      struct netlink_ext_ack *extack);
void shim6_context_del(struct shim6_net *sn, struct shim6_context *ctx);

void shim6_context_gone(struct shim6_context *ctx);
int shim6_context_init(void);
void shim6_context_exit(void);

#endif /* _SHIM6_CONTEXT_H */
