// SPDX-License-Identifier: GPL-2.0
/*
 * The trigger: packets of ULID pairs without a context are counted, and the
 * daemon is asked for one when a pair has proved to be worth it (RFC 5533
 * section 4.2 leaves the heuristic to us).
 *
 * Only packets that this host sends make an entry. But others can make this host
 * answer, so the table is bounded. When it is full, the entry goes that has been
 * silent longest (a clock: an entry that was used since it was last looked at
 * gets a second chance). All memory is allocated at once, when a daemon registers
 * or somebody sets the size, and charged to that process: packets take no memory.
 */
#include <linux/generic-radix-tree.h>
#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat.h"
#include "event.h"
#include "flow.h"
#include "header.h"
#include "policy.h"
#include "state.h"
#include "stats.h"

/* Silence after which an exchange is a new one, and so is the counting. */
#define SHIM6_FLOW_GAP		(30 * HZ)
/* After this time at the earliest, the daemon is asked again for a pair. */
#define SHIM6_FLOW_HOLD		(10 * HZ)
/* How many entries get a second chance before one has to go. */
#define SHIM6_FLOW_CHANCES	8

/*
 * Packets write the counters without a lock: one packet more or less now and then
 * does not matter. An entry may also become another pair's while a packet counts
 * in it; that does not matter either.
 * node, ulids, filled: under the table's lock
 * packets: since first
 * trigger_packets, trigger_time: what the rules have said of the last packet sent;
 *	only to be told
 * first, last, asked: jiffies of the first and last packet, and of the last
 *	question to the daemon, or 0
 * heard: the peer has sent as well
 * used: for the clock
 */
struct shim6_flow {
	struct hlist_node node;
	struct shim6_ulids ulids;
	u32 packets;
	u32 trigger_packets;
	u32 trigger_time;
	unsigned long first;
	unsigned long last;
	unsigned long asked;
	bool heard;
	bool used;
	bool filled;
};

/**
 * struct shim6_flow_table - as many entries as the configuration says
 * @flow: the entries, page by page: a large table needs no large piece
 * @id: not 0, and most likely another one than that of the table before; never
 *	changes
 * @lock: of @hand, of the buckets and of the entries' places; readers of the
 *	buckets use RCU
 * @seed: of the hash; never changes
 * @mask: number of buckets less one; never changes
 * @size: number of entries; never changes
 * @hand: of the clock: the index where the next entry to go is looked for
 * @bucket: entries by a hash of the pair
 */
struct shim6_flow_table {
	GENRADIX(struct shim6_flow)
		flow;
	spinlock_t lock; /* of the entries' places */
	u32 id;
	u32 seed;
	u32 mask;
	u32 size;
	u32 hand;
	struct hlist_head bucket[];
};

static struct hlist_head *shim6_flow_bucket(struct shim6_flow_table *t,
					    const struct shim6_ulids *ulids)
{
	BUILD_BUG_ON(sizeof(*ulids) % sizeof(u32));
	return &t->bucket[jhash2((const u32 *)ulids,
				 sizeof(*ulids) / sizeof(u32), t->seed) &
			  t->mask];
}

/*
 * The caller is in an RCU section. An entry that becomes another pair's during the
 * search can lead into that pair's bucket, or be missed: shim6_flow_new() looks
 * again.
 */
static struct shim6_flow *shim6_flow_find(struct shim6_flow_table *t,
					  const struct shim6_ulids *ulids)
{
	struct shim6_flow *flow;

	hlist_for_each_entry_rcu(flow, shim6_flow_bucket(t, ulids), node)
		if (ipv6_addr_equal(&flow->ulids.peer, &ulids->peer) &&
		    ipv6_addr_equal(&flow->ulids.local, &ulids->local) &&
		    flow->ulids.fii == ulids->fii)
			return flow;
	return NULL;
}

static void shim6_flow_reset(struct shim6_flow *flow)
{
	WRITE_ONCE(flow->packets, 0);
	WRITE_ONCE(flow->first, jiffies);
	WRITE_ONCE(flow->heard, false);
}

static void shim6_flow_touch(struct shim6_flow *flow)
{
	const unsigned long now = jiffies;

	if (now - READ_ONCE(flow->last) > SHIM6_FLOW_GAP)
		shim6_flow_reset(flow);
	if (READ_ONCE(flow->last) != now)
		WRITE_ONCE(flow->last, now);
	/* One packet does not count as use: answers to a flood would stay. */
	if (!READ_ONCE(flow->used) && READ_ONCE(flow->packets))
		WRITE_ONCE(flow->used, true);
	WRITE_ONCE(flow->packets, READ_ONCE(flow->packets) + 1);
}

/* A free entry, or one that has to go. */
static struct shim6_flow *shim6_flow_take(struct shim6_net *sn,
					  struct shim6_flow_table *t)
{
	int chances = SHIM6_FLOW_CHANCES;
	struct shim6_flow *flow;

	lockdep_assert_held(&t->lock);
	for (;;) {
		flow = genradix_ptr(&t->flow, t->hand);
		t->hand = t->hand + 1 < t->size ? t->hand + 1 : 0;
		if (!flow->filled)
			return flow;
		if (!READ_ONCE(flow->used) || chances-- <= 0)
			break;
		WRITE_ONCE(flow->used, false);
	}
	hlist_del_rcu(&flow->node);
	shim6_count(sn, SHIM6_A_STATS_FLOW_EVICTIONS);
	return flow;
}

static struct shim6_flow *shim6_flow_new(struct shim6_net *sn,
					 struct shim6_flow_table *t,
					 const struct shim6_ulids *ulids)
{
	struct shim6_flow *flow;

	spin_lock_bh(&t->lock);
	flow = shim6_flow_find(t, ulids);
	if (!flow) {
		flow = shim6_flow_take(sn, t);
		flow->ulids = *ulids;
		WRITE_ONCE(flow->filled, true);
		shim6_flow_reset(flow);
		WRITE_ONCE(flow->last, jiffies);
		WRITE_ONCE(flow->asked, 0);
		WRITE_ONCE(flow->used, false);
		hlist_add_head_rcu(&flow->node, shim6_flow_bucket(t, ulids));
	}
	spin_unlock_bh(&t->lock);
	return flow;
}

/* Keep what the rules say of a packet, which mostly is what they said before. */
static void shim6_flow_wanted(struct shim6_flow *flow,
			      const struct shim6_policy_verdict *v)
{
	if (READ_ONCE(flow->trigger_packets) != v->trigger_packets)
		WRITE_ONCE(flow->trigger_packets, v->trigger_packets);
	if (READ_ONCE(flow->trigger_time) != v->trigger_time)
		WRITE_ONCE(flow->trigger_time, v->trigger_time);
}

static bool shim6_flow_due(const struct shim6_flow *flow,
			   const struct shim6_policy_verdict *v)
{
	const unsigned long asked = READ_ONCE(flow->asked);
	const unsigned long now = jiffies;

	if (asked && now - asked < SHIM6_FLOW_HOLD)
		return false;
	if (v->trigger_packets &&
	    READ_ONCE(flow->packets) >= v->trigger_packets)
		return true;
	return v->trigger_time && READ_ONCE(flow->heard) &&
	       time_after_eq(now, READ_ONCE(flow->first) +
				  msecs_to_jiffies(v->trigger_time));
}

/**
 * shim6_flow_out - a packet without a context is being sent
 * @net: the namespace
 * @sn: its state
 * @skb: the packet
 * @ulids: its pair
 * @place: where its routing headers end
 */
void shim6_flow_out(struct net *net, struct shim6_net *sn, struct sk_buff *skb,
		    const struct shim6_ulids *ulids,
		    const struct shim6_place *place)
{
	const int never = IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK |
			  IPV6_ADDR_MULTICAST;
	struct shim6_policy_verdict verdict;
	struct shim6_flow_table *t;
	struct shim6_flow *flow;

	if (!shim6_has_daemon(sn) ||
	    ((ipv6_addr_type(&ulids->peer) | ipv6_addr_type(&ulids->local)) &
	     never) || ipv6_addr_any(&ulids->local))
		return;
	shim6_policy_match(sn, skb, ulids, place, true, &verdict);
	if (verdict.action != SHIM6_POLICY_ACTION_SHIM)
		return;
	t = rcu_dereference(sn->flows);
	if (!t)
		return;
	flow = shim6_flow_find(t, ulids);
	if (!flow)
		flow = shim6_flow_new(sn, t, ulids);
	shim6_flow_touch(flow);
	shim6_flow_wanted(flow, &verdict);
	if (!shim6_flow_due(flow, &verdict))
		return;
	WRITE_ONCE(flow->asked, jiffies ?: 1);
	if (shim6_event_acquire(sn, ulids, READ_ONCE(flow->packets)))
		shim6_count(sn, SHIM6_A_STATS_ACQUIRES);
}

/**
 * shim6_flow_in - a packet without a context has arrived
 * @sn: the namespace's state
 * @ulids: its pair, as the sender of an answer would look it up: the peer is its
 *	source
 */
void shim6_flow_in(struct shim6_net *sn, const struct shim6_ulids *ulids)
{
	struct shim6_flow_table *t = rcu_dereference(sn->flows);
	struct shim6_flow *flow;

	if (!t)
		return;
	flow = shim6_flow_find(t, ulids);
	if (!flow)
		return;
	shim6_flow_touch(flow);
	if (!READ_ONCE(flow->heard))
		WRITE_ONCE(flow->heard, true);
}

/* Is a pair counted in an entry? Then @told has it, as it is at one moment. */
static bool shim6_flow_tell(struct shim6_flow_table *t, struct shim6_flow *flow,
			    struct shim6_flow_told *told)
{
	/* Without the lock for the many places that never had a pair. */
	if (!READ_ONCE(flow->filled))
		return false;
	spin_lock_bh(&t->lock);
	told->ulids = flow->ulids;
	told->packets = READ_ONCE(flow->packets);
	told->trigger_packets = READ_ONCE(flow->trigger_packets);
	told->trigger_time = READ_ONCE(flow->trigger_time);
	told->first = READ_ONCE(flow->first);
	told->last = READ_ONCE(flow->last);
	told->asked = READ_ONCE(flow->asked);
	told->heard = READ_ONCE(flow->heard);
	spin_unlock_bh(&t->lock);
	return jiffies - told->last <= SHIM6_FLOW_GAP;
}

/**
 * shim6_flow_next - look for the next pair that is counted
 * @t: the table; the caller is in an RCU section
 * @place: where to begin, at first 0; becomes the place behind the pair
 * @looks: how many places may still be looked at in this section
 * @told: the pair, if there is one
 *
 * Pairs take places as they come, and the oldest may have to go: so a pair that
 * comes during a walk may be missed, and one that went and came back is told twice.
 *
 * Return: 1 if there is a pair, 0 if there is none any more, -EAGAIN if it is time
 * to leave the section.
 */
int shim6_flow_next(struct shim6_flow_table *t, unsigned long *place,
		    unsigned int *looks, struct shim6_flow_told *told)
{
	while (*place < t->size) {
		if (!*looks)
			return -EAGAIN;
		(*looks)--;
		if (shim6_flow_tell(t, genradix_ptr(&t->flow, (*place)++), told))
			return 1;
	}
	return 0;
}

/**
 * shim6_flow_table_id - tell a table from the one before it
 * @t: the table
 *
 * Return: a number that is not 0.
 */
u32 shim6_flow_table_id(const struct shim6_flow_table *t)
{
	return t->id;
}

/**
 * shim6_flow_table_new - make an empty table
 * @size: number of entries
 *
 * Return: the table or NULL.
 */
struct shim6_flow_table *shim6_flow_table_new(u32 size)
{
	const u32 buckets = roundup_pow_of_two(size);
	struct shim6_flow_table *t;

	t = kvzalloc(struct_size(t, bucket, buckets), GFP_KERNEL_ACCOUNT);
	if (!t)
		return NULL;
	genradix_init(&t->flow);
	if (genradix_prealloc(&t->flow, size, GFP_KERNEL_ACCOUNT)) {
		shim6_flow_table_free(t);
		return NULL;
	}
	spin_lock_init(&t->lock);
	t->id = get_random_u32() | 1;
	t->seed = get_random_u32();
	t->mask = buckets - 1;
	t->size = size;
	return t;
}

/**
 * shim6_flow_table_free - free a table that no packet sees: it was never used, or
 *	a grace period has passed since its use ended
 * @t: the table or NULL
 */
void shim6_flow_table_free(struct shim6_flow_table *t)
{
	if (!t)
		return;
	genradix_free(&t->flow);
	kvfree(t);
}

/**
 * shim6_flow_use - count in another table from now on, or, with NULL, nowhere
 * @sn: the namespace's state; the caller holds the table's lock
 * @t: the table, taken over
 *
 * Tables are large, so they are not left to kvfree_rcu(): somebody who sets sizes
 * in a loop could have many of them wait there.
 *
 * Return: the table that was in use, or NULL. The caller frees it after a grace
 * period, which is better not waited for under the lock of the contexts' table.
 */
struct shim6_flow_table *shim6_flow_use(struct shim6_net *sn,
					struct shim6_flow_table *t)
{
	struct shim6_flow_table *was = shim6_table_get(sn, sn->flows);

	rcu_assign_pointer(sn->flows, t);
	return was;
}
