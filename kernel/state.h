/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of the module: one struct shim6_net a network namespace, with its
 * contexts. This header has data only, apart from the way to a namespace's
 * state. The functions are in the file of their concept.
 */
#ifndef _SHIM6_STATE_H
#define _SHIM6_STATE_H

#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/timer.h>
#include <net/net_namespace.h>

#include <uapi/linux/shim6.h>

#include "config.h"
#include "daemon.h"
#include "hooks.h"
#include "policy.h"
#include "stats.h"
#include "table.h"
#include "tcp.h"

struct shim6_fair;
struct shim6_flow_table;
struct shim6_net;
struct shim6_octets;
struct shim6_path;
struct shim6_recent;
struct socket;

/**
 * struct shim6_ulids - the key by which a sender finds a context
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
 * @peers: how many of @addr follow that are the peer's
 * @rcu: frees it
 * @addr: the locators
 *
 * Replaced as a whole, under the table's lock.
 */
struct shim6_locators {
	u16 locals;
	u16 peers;
	struct rcu_head rcu;
	struct in6_addr addr[];
};

/**
 * struct shim6_peer_tag - CT(peer) of a context; two peers may use the same tag
 * @node: in the table of peer tags
 * @tag: the key, in host order; it never changes: another tag is another object
 * @ctx: the context that has this tag
 * @rcu: frees it
 */
struct shim6_peer_tag {
	struct rhlist_head node;
	u64 tag;
	struct shim6_context *ctx;
	struct rcu_head rcu;
};

/**
 * struct shim6_hints - how often the daemon was told of a hint
 * @since: low 32 bits of the jiffies from when on @count is counted down
 * @count: how often lately
 */
struct shim6_hints {
	u32 since;
	u32 count;
};

/**
 * struct shim6_context - a ULID-pair context (RFC 5533 section 6.1)
 *
 * Packets find it under RCU by three hash tables. Requests change it under the
 * table's lock; fields that packets write say so. Fields that packets write are
 * in other cache lines than fields that they only read.
 *
 * @by_ulids: in the table of ULID pairs and FIIs
 * @by_tag: in the table of local tags
 * @peer_tag: in the table of peer tags; NULL while CT(peer) is not known
 * @ulids: the key of @by_ulids; never changes
 * @reap_state: enum shim6_reap_state. Packets change it as well, by a cmpxchg()
 *	that not every architecture has for an octet
 * @state: enum shim6_context_state
 * @dead: taken out of the tables; the timer must not start again
 * @header: payload bears the header on the ULID pair as well; packets write it,
 *	home.c
 * @tag_local: CT(local), the key of @by_tag, in host order; never changes
 * @path: the current locator pair, with the header. NULL on the ULID pair, or
 *	that pair's own path if payload has borne the header there, or if control
 *	messages go in UDP there. home.c replaces NULL without the table's lock
 * @octets: how much was sent and heard; octets.h
 * @locators: Ls(local) and Ls(peer), NULL if both are empty
 * @inbound_local: destination of the pair by which the peer sends, as the daemon
 *	says; kept only to be shown
 * @inbound_peer: source of that pair, likewise
 * @inbound_encapsulation: how that pair carries, likewise; enum
 *	shim6_encapsulation
 * @send_timeout: Send Timeout (RFC 5534), in milliseconds
 * @keepalive_timeout: Keepalive Timeout (RFC 5534), in milliseconds
 * @id: its place in the order of dumps
 * @switches: how often the current locator pair has changed
 * @device: index of the device that has ULID(local), or had it before that moved
 *	to the loopback device; 0 if unknown
 * @sn: the namespace's state, which outlives its contexts
 * @created: jiffies when the context was made
 * @restart: the round of restarts of TCP sockets that serves it; tcp.c
 * @messages: the rate of the peer's control messages; packets write it, event.c
 * @last_event: low 32 bits of the jiffies of the last event of those that come
 *	at most once a second, or 0; packets write it, event.c
 * @last_stuck: as @last_event, for events about a TCP connection that is stuck
 * @last_feedback: as @last_event, for what programs say; sockopt.c writes it
 * @rcu: frees it
 * @clock: which of the two timers of RFC 5534 runs, and since when; packets
 *	write it and all that follow, unless they say otherwise; reap.c
 * @last_sent: jiffies of the last payload sent, or 0
 * @last_heard: jiffies of the last payload heard, or 0
 * @gap: the longest time in jiffies between two payload packets heard, since
 *	rhythm.c looked last
 * @rhythm: watches the stream that is heard, or NULL
 * @asked: jiffies when payload was sent that has no answer yet, after a time
 *	without a packet, or 0; answer.c
 * @silences: how often lately the daemon was told that a stream has stopped;
 *	rhythm.c writes it and the two below
 * @pause: jiffies for which a stream has been silent though its pair works, and a
 *	quarter more; 0 if it never was
 * @beats: how many packets have come in step, up to a few
 * @answers: how many questions in succession were answered soon, up to a few;
 *	answer.c, as the four below
 * @answer_time: the longest time in jiffies that an answer has taken of late
 * @answer_late: jiffies after which an answer has come that was missed, and a
 *	quarter more; 0 if none was
 * @answer_state: whether the answer to @asked is missed
 * @misses: how often lately the daemon was told that an answer is missed
 * @last_probed: jiffies when the daemon last told what Probes have shown, or a
 *	Keepalive was heard that was waited for, or 0
 * @reminded: jiffies when the timer last sent a Keepalive, which routers see; the
 *	timer writes it
 * @expired: jiffies when the daemon was last told that the context is quiescent;
 *	the timer writes it
 * @plain_next: the next packet goes without the header, though @header is set;
 *	home.c
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
	struct shim6_octets __percpu *octets;
	struct shim6_locators __rcu *locators;
	struct in6_addr inbound_local;
	struct in6_addr inbound_peer;
	u32 inbound_encapsulation;
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
	u32 last_feedback;
	struct rcu_head rcu;

	unsigned long clock ____cacheline_aligned;
	unsigned long last_sent;
	unsigned long last_heard;
	unsigned long gap;
	struct shim6_rhythm *rhythm;
	unsigned long asked;
	struct shim6_hints silences;
	u32 pause;
	u8 beats;
	u8 answers;
	u32 answer_time;
	u32 answer_late;
	u32 answer_state;
	struct shim6_hints misses;
	unsigned long last_probed;
	unsigned long reminded;
	unsigned long expired;
	bool plain_next;
	unsigned long last_progress;
	struct timer_list timer;
};

/**
 * struct shim6_net - the module's state in a network namespace that uses Shim6
 * @net: the namespace
 * @config_lock: held to change @config or to copy all of it; taken before the
 *	table's lock
 * @config: the configuration; READ_ONCE() reads a single field without the lock
 * @table: the contexts
 * @flows: counts packets without a context, while there is a daemon; changed
 *	under the table's lock
 * @policies: the rules
 * @mib: the counters
 * @recent: the contexts of the last packets of each CPU
 * @deleted: how many contexts were deleted, written under the table's lock, for
 *	@recent
 * @hooks: the netfilter hooks; under the table's lock
 * @udp: the UDP socket, or NULL; under @config_lock
 * @daemon: the daemon's socket
 * @outside: the daemon's socket for events that others can cause at will
 * @fair: which outside source is served first, while there is a daemon; changed
 *	under the table's lock
 * @tcp: restarts TCP sockets after a switch
 * @told_lock: of the four fields below, and of the told routes in paths; mtu.c
 * @told: the paths that have a told route
 * @tells: the TCP connections that are still to be told
 * @n_tells: length of @tells
 * @tell_work: tells them
 */
struct shim6_net {
	struct net *net;
	struct mutex config_lock; /* of config as a whole */
	struct shim6_config config;
	struct shim6_table table;
	struct shim6_flow_table __rcu *flows;
	struct shim6_policies policies;
	struct shim6_mib __percpu *mib;
	struct shim6_recent __percpu *recent;
	unsigned long deleted;
	struct shim6_hooks hooks;
	struct socket *udp; /* under config_lock */
	struct shim6_socket daemon;
	struct shim6_socket outside;
	struct shim6_fair __rcu *fair;
	struct shim6_tcp tcp;
	spinlock_t told_lock; /* of what follows, and of told in paths */
	struct list_head told;
	struct list_head tells;
	unsigned int n_tells;
	struct delayed_work tell_work;
};

extern unsigned int shim6_net_id;

struct shim6_net *shim6_pernet(const struct net *net);
struct shim6_net *shim6_pernet_set(const struct net *net, struct shim6_net *sn);

#endif /* _SHIM6_STATE_H */
