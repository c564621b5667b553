// SPDX-License-Identifier: GPL-2.0
/*
 * The trigger: packets of ULID pairs without a context are counted, and the
 * daemon is asked for one when a pair has proved to be worth it (RFC 5533
 * section 4.2 leaves the heuristic to us).
 *
 * Only what this host sends makes an entry. Others can make it answer, so the
 * table is bounded, and full it drops what has been silent longest
 * (a clock: an entry that was used since it was last looked at gets a second
 * chance).
 */
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat.h"
#include "context.h"
#include "daemon.h"
#include "flow.h"
#include "header.h"
#include "netns.h"
#include "policy.h"
#include "stats.h"

/* Silence after which an exchange is a new one, and so is the counting. */
#define SHIM6_FLOW_GAP		(30 * HZ)
/* The daemon is not asked again for a pair sooner than this. */
#define SHIM6_FLOW_HOLD		(10 * HZ)
/* Entries that get a second chance before one has to go. */
#define SHIM6_FLOW_CHANCES	8

/* Entries that one packet evicts at the most. */
#define SHIM6_FLOW_EVICTIONS	16

/*
 * The counters are written by packets without a lock: now and then one packet
 * more or less does not matter.
 */
struct shim6_flow {
	struct rhash_head node;
	struct shim6_ulids ulids;
	struct list_head lru;
	u64 packets;
	unsigned long first;
	unsigned long last;
	unsigned long asked;
	bool heard;
	bool used;
	struct rcu_head rcu;
};

static const struct rhashtable_params shim6_flow_params = {
	.head_offset = offsetof(struct shim6_flow, node),
	.key_offset = offsetof(struct shim6_flow, ulids),
	.key_len = sizeof(struct shim6_ulids),
	.automatic_shrinking = true,
};

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
	/* One packet is no use: answers to a flood would stay then. */
	if (!READ_ONCE(flow->used) && READ_ONCE(flow->packets))
		WRITE_ONCE(flow->used, true);
	WRITE_ONCE(flow->packets, READ_ONCE(flow->packets) + 1);
}

/* Caller holds the lock. Takes out the one that goes, if one has to. */
static void shim6_flow_make_room(struct shim6_net *sn)
{
	struct shim6_flows *flows = &sn->flows;
	struct shim6_flow *flow;
	int chances = SHIM6_FLOW_CHANCES, gone = 0;

	/* If the limit was lowered, more packets than this one make the room. */
	while (flows->count && gone < SHIM6_FLOW_EVICTIONS &&
	       flows->count >= READ_ONCE(sn->config.max_flows)) {
		flow = list_first_entry(&flows->lru, struct shim6_flow, lru);
		if (READ_ONCE(flow->used) && chances-- > 0) {
			WRITE_ONCE(flow->used, false);
			list_move_tail(&flow->lru, &flows->lru);
			continue;
		}
		list_del(&flow->lru);
		flows->count--;
		gone++;
		rhashtable_remove_fast(&flows->table, &flow->node,
				       shim6_flow_params);
		kfree_rcu(flow, rcu);
		shim6_count(sn, SHIM6_A_STATS_FLOW_EVICTIONS);
	}
}

static struct shim6_flow *shim6_flow_new(struct shim6_net *sn,
					 const struct shim6_ulids *ulids)
{
	struct shim6_flows *flows = &sn->flows;
	struct shim6_flow *flow;

	flow = kzalloc(sizeof(*flow), GFP_ATOMIC | __GFP_ACCOUNT |
				     __GFP_NOWARN);
	if (!flow)
		return NULL;
	flow->ulids = *ulids;
	flow->first = jiffies;
	flow->last = jiffies;

	spin_lock_bh(&flows->lock);
	shim6_flow_make_room(sn);
	if (rhashtable_lookup_insert_fast(&flows->table, &flow->node,
					  shim6_flow_params)) {
		spin_unlock_bh(&flows->lock);
		kfree(flow);
		return NULL;
	}
	list_add_tail(&flow->lru, &flows->lru);
	flows->count++;
	spin_unlock_bh(&flows->lock);
	return flow;
}

static bool shim6_flow_due(const struct shim6_flow *flow,
			   const struct shim6_policy_verdict *v)
{
	const unsigned long now = jiffies;

	if (flow->asked && now - flow->asked < SHIM6_FLOW_HOLD)
		return false;
	if (v->trigger_packets && flow->packets >= v->trigger_packets)
		return true;
	return v->trigger_time && flow->heard &&
	       time_after_eq(now, flow->first +
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
	struct shim6_flow *flow;

	if (!shim6_has_daemon(sn) ||
	    ((ipv6_addr_type(&ulids->peer) | ipv6_addr_type(&ulids->local)) &
	     never) || ipv6_addr_any(&ulids->local))
		return;
	shim6_policy_match(sn, skb, ulids, place, true, &verdict);
	if (verdict.action != SHIM6_POLICY_ACTION_SHIM)
		return;
	flow = rhashtable_lookup(&sn->flows.table, ulids, shim6_flow_params);
	if (!flow)
		flow = shim6_flow_new(sn, ulids);
	if (!flow)
		return;
	shim6_flow_touch(flow);
	if (!shim6_flow_due(flow, &verdict))
		return;
	WRITE_ONCE(flow->asked, jiffies ?: 1);
	if (shim6_event_acquire(sn, ulids, flow->packets))
		shim6_count(sn, SHIM6_A_STATS_ACQUIRES);
}

/**
 * shim6_flow_in - a packet without a context has arrived
 * @sn: the namespace's state
 * @ulids: its pair, as the sender of an answer would look it up
 */
void shim6_flow_in(struct shim6_net *sn, const struct shim6_ulids *ulids)
{
	struct shim6_flow *flow;

	if (!READ_ONCE(sn->flows.count))
		return;
	flow = rhashtable_lookup(&sn->flows.table, ulids, shim6_flow_params);
	if (!flow)
		return;
	shim6_flow_touch(flow);
	if (!READ_ONCE(flow->heard))
		WRITE_ONCE(flow->heard, true);
}

/**
 * shim6_flow_net_init - nothing is counted yet
 * @sn: the namespace's state
 *
 * Return: 0 or a negative errno.
 */
int shim6_flow_net_init(struct shim6_net *sn)
{
	spin_lock_init(&sn->flows.lock);
	INIT_LIST_HEAD(&sn->flows.lru);
	return rhashtable_init(&sn->flows.table, &shim6_flow_params);
}

static void shim6_flow_gone(void *ptr, void *arg)
{
	kfree(ptr);
}

/**
 * shim6_flow_net_exit - forget all
 * @sn: the namespace's state, which no packet reaches any more
 */
void shim6_flow_net_exit(struct shim6_net *sn)
{
	rhashtable_free_and_destroy(&sn->flows.table, shim6_flow_gone, NULL);
}
