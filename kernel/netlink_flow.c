// SPDX-License-Identifier: GPL-2.0
/*
 * The pairs that are counted before they have a context, over netlink. The dump
 * takes no lock for longer than it takes to copy one entry: packets take the same
 * lock, and there may be a million entries.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "flow.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "state.h"

/* How many places a dump looks at before others may run. */
#define SHIM6_NL_FLOW_LOOKS	1024

/* Put how many milliseconds ago @stamp was (jiffies). */
static int shim6_nl_fill_ago(struct sk_buff *msg, int attr, unsigned long stamp)
{
	const u64 ms = jiffies64_to_msecs(jiffies - stamp);

	return nla_put_u32(msg, attr, min_t(u64, ms, U32_MAX));
}

static int shim6_nl_flow_put(struct sk_buff *msg,
			     const struct shim6_flow_told *flow)
{
	if (nla_put_in6_addr(msg, SHIM6_A_FLOW_ULID_LOCAL,
			     &flow->ulids.local) ||
	    nla_put_in6_addr(msg, SHIM6_A_FLOW_ULID_PEER, &flow->ulids.peer) ||
	    nla_put_u32(msg, SHIM6_A_FLOW_PACKETS, flow->packets) ||
	    nla_put_u32(msg, SHIM6_A_FLOW_TRIGGER_PACKETS,
			flow->trigger_packets) ||
	    nla_put_u32(msg, SHIM6_A_FLOW_TRIGGER_TIME, flow->trigger_time) ||
	    shim6_nl_fill_ago(msg, SHIM6_A_FLOW_AGE, flow->first) ||
	    shim6_nl_fill_ago(msg, SHIM6_A_FLOW_IDLE, flow->last))
		return -EMSGSIZE;
	if (flow->heard && nla_put_flag(msg, SHIM6_A_FLOW_HEARD))
		return -EMSGSIZE;
	if (flow->asked &&
	    shim6_nl_fill_ago(msg, SHIM6_A_FLOW_ASKED, flow->asked))
		return -EMSGSIZE;
	return 0;
}

static int shim6_nl_flow_fill(struct sk_buff *skb, struct netlink_callback *cb,
			      const struct shim6_flow_told *flow)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &shim6_nl_family,
				NLM_F_MULTI, SHIM6_CMD_FLOW_GET);

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (shim6_nl_flow_put(skb, flow)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * Put pairs into a dump, until it is full, all are told, or it is time that others
 * run: then the answer is -EAGAIN. A pair that has a context by now is not counted
 * any more.
 */
static int shim6_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb,
			      struct shim6_net *sn)
{
	struct shim6_flow_table *t = rcu_dereference(sn->flows);
	unsigned int looks = SHIM6_NL_FLOW_LOOKS;
	unsigned long place = cb->args[0];
	struct shim6_flow_told flow;
	int err;

	/* Without a daemon nothing is counted. */
	cb->seq = t ? shim6_flow_table_id(t) : 0;
	if (!t)
		return 0;
	for (;;) {
		err = shim6_flow_next(t, &place, &looks, &flow);
		if (err > 0 && !shim6_context_by_ulids(sn, &flow.ulids) &&
		    shim6_nl_flow_fill(skb, cb, &flow))
			return -EMSGSIZE;
		cb->args[0] = place;
		if (err <= 0)
			return err;
	}
}

/*
 * shim6_nl_flow_get_dumpit - SHIM6_CMD_FLOW_GET: all pairs that are counted. The
 * callback's first argument is the place in the table where to go on. If another
 * table takes its place meanwhile, the reader learns that the dump is inconsistent
 */
int shim6_nl_flow_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct shim6_net *sn = shim6_pernet(sock_net(cb->skb->sk));
	int err;

	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "this request takes no attributes");
		return -EINVAL;
	}
	if (!sn)
		return skb->len;
	do {
		rcu_read_lock();
		err = shim6_nl_flow_dump(skb, cb, sn);
		rcu_read_unlock();
		cond_resched();
	} while (err == -EAGAIN);
	return err && !skb->len ? err : skb->len;
}
