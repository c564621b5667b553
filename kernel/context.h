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
 * struct shim6_peer_tag - CT(peer) of a context, of which two peers may use the
 * same
 * @node: in the table of peer tags
 * @tag: the key, which never changes: another tag is another object
 * @ctx: whose it is
 * @rcu: frees it
 */
struct shim6_peer_tag {
	struct rhlist_head node;
	u64 tag;
	struct shim6_context *ctx;
	struct rcu_head rcu;
};

/**
 * struct shim6_context - a ULID-pair context (RFC 5533 section 6.1)
 *
 * Found under RCU by three hash tables; changed under the table's lock. What
 * packets write is apart from what they read.
 *
 * @by_ulids: in the table of ULID pairs and FIIs
 * @by_tag: in the table of local tags
 * @peer_tag: in the table of peer tags, NULL if CT(peer) is not known
 * @ulids: the key of the first
 * @state: enum shim6_context_state
 * @reap_state: enum shim6_reap_state; packets change it as well, by a cmpxchg()
 *	that not every architecture has for an octet
 * @dead: taken out of the tables; the timer must not start again
 * @header: payload bears the header on the ULID pair as well; home.c
 * @tag_local: the key of the second, CT(local)
 * @path: the current locator pair, with the header; NULL if it is the ULID pair,
 *	or the path of that if payload has borne the header there; home.c sets
 *	what was NULL without the table's lock
 * @locators: Ls(local) and Ls(peer), NULL if both are empty
 * @inbound_local: see the specification
 * @inbound_peer: see the specification
 * @send_timeout: in milliseconds
 * @keepalive_timeout: in milliseconds
 * @id: its place in the order of dumps
 * @switches: changes of the current locator pair
 * @device: index of the device that has ULID(local), or had it before it was
 *	kept on the loopback; 0 if unknown
 * @sn: the namespace, which outlives its contexts
 * @created: jiffies when it was made
 * @restart: the round of restarts of TCP sockets that serves it; tcp.c
 * @messages: the rate of control messages of the peer; event.c
 * @last_event: low 32 bits of the jiffies of the last event of those that come
 *	at most once a second, or 0
 * @last_stuck: the same of those that tell of a TCP connection that is stuck
 * @rcu: frees it
 * @clock: which of the two timers of RFC 5534 runs, and since when; reap.c
 * @last_sent: jiffies of the last payload sent, or 0
 * @last_heard: jiffies of the last payload heard, or 0
 * @last_probed: jiffies when the daemon last told what Probes have shown, or 0
 * @plain_next: the next packet of a context with @header goes without; home.c
 * @reminded: jiffies when the timer sent a Keepalive of an idle context
 * @last_progress: jiffies when a TCP connection was last seen to get on, or 0
 * @timer: stands for the Send Timer, the Keepalive Timer and quiescence
 */
struct shim6_context {
	struct rhash_head by_ulids;
	struct rhash_head by_tag;
	struct shim6_peer_tag __rcu *peer_tag;
	struct shim6_ulids ulids;
	u32 reap_state;
	u8 state;
	bool dead;
	bool header;
	u64 tag_local;
	struct shim6_path __rcu *path;
	struct shim6_locators __rcu *locators;
	struct in6_addr inbound_local;
	struct in6_addr inbound_peer;
	u32 send_timeout;
	u32 keepalive_timeout;
	u32 id;
	u32 switches;
	int device;
	struct shim6_net *sn;
	unsigned long created;
	u32 restart;
	u32 messages;
	u32 last_event;
	u32 last_stuck;
	struct rcu_head rcu;

	unsigned long clock ____cacheline_aligned;
	unsigned long last_sent;
	unsigned long last_heard;
	unsigned long last_probed;
	unsigned long reminded;
	bool plain_next;
	unsigned long last_progress;
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
	u32 header;
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

/* Is a value named, by its SHIM6_A_CONTEXT_x? */
static inline bool shim6_change_has(const struct shim6_context_change *c,
				    int attr)
{
	return c->has & BIT(attr);
}

/* What has been done to a context, for the tracepoint. */
enum shim6_trace_change {
	SHIM6_TRACE_NEW,
	SHIM6_TRACE_SET,
	SHIM6_TRACE_DEL,
};

bool shim6_context_tag_peer(const struct shim6_context *ctx, u64 *tag);
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
