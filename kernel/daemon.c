// SPDX-License-Identifier: GPL-2.0
/*
 * What is told to the one daemon of a namespace: events and control messages,
 * unicast to the socket that has registered. They are for packets' sake sent
 * from any context, so they never wait: what the socket has no room for is
 * lost, counted, and seen by the daemon as ENOBUFS, after which it dumps.
 */
#include <linux/jhash.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "context.h"
#include "daemon.h"
#include "header.h"
#include "netlink_gen.h"
#include "netns.h"
#include "reap.h"
#include "stats.h"
#include "trace.h"

/**
 * shim6_has_daemon - is there anybody to tell?
 * @sn: the namespace's state
 */
bool shim6_has_daemon(const struct shim6_net *sn)
{
	return READ_ONCE(sn->daemon);
}

/* A message for the daemon, or NULL if there is none, or no memory. */
static struct sk_buff *shim6_event_new(struct shim6_net *sn, u8 cmd,
				       unsigned int payload, void **hdr)
{
	struct sk_buff *msg;

	if (!shim6_has_daemon(sn))
		return NULL;
	msg = genlmsg_new(payload, GFP_ATOMIC);
	if (!msg) {
		shim6_count(sn, SHIM6_A_STATS_EVENTS_LOST);
		return NULL;
	}
	*hdr = genlmsg_put(msg, 0, 0, &shim6_nl_family, 0, cmd);
	if (*hdr)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static bool shim6_event_send_to(struct shim6_net *sn, struct sk_buff *msg,
				void *hdr, u32 port)
{
	genlmsg_end(msg, hdr);
	/* The daemon may just have gone, and 0 is the kernel's own port. */
	if (!port)
		nlmsg_free(msg);
	else if (!genlmsg_unicast(sn->net, msg, port))
		return true;
	shim6_count(sn, SHIM6_A_STATS_EVENTS_LOST);
	return false;
}

static bool shim6_event_send(struct shim6_net *sn, struct sk_buff *msg,
			     void *hdr)
{
	return shim6_event_send_to(sn, msg, hdr, READ_ONCE(sn->daemon));
}

/* What others can cause at will goes to a socket of its own, if there is one. */
static bool shim6_event_send_outside(struct shim6_net *sn, struct sk_buff *msg,
				     void *hdr)
{
	const u32 port = READ_ONCE(sn->daemon_outside);

	return shim6_event_send_to(sn, msg, hdr,
				   port ?: READ_ONCE(sn->daemon));
}

/* What most events say; each has room for all of it. */
#define SHIM6_EVENT_ROOM	256

static int shim6_put_ulids(struct sk_buff *msg, const struct shim6_ulids *u)
{
	return nla_put_in6_addr(msg, SHIM6_A_CONTROL_ULID_LOCAL, &u->local) ||
	       nla_put_in6_addr(msg, SHIM6_A_CONTROL_ULID_PEER, &u->peer) ||
	       nla_put_u32(msg, SHIM6_A_CONTROL_FII, u->fii);
}

static int shim6_put_tag(struct sk_buff *msg, u64 tag)
{
	return nla_put_u64_64bit(msg, SHIM6_A_CONTROL_TAG, tag,
				 SHIM6_A_CONTROL_PAD);
}

static int shim6_put_addrs(struct sk_buff *msg, const struct ipv6hdr *iph)
{
	return nla_put_in6_addr(msg, SHIM6_A_CONTROL_SOURCE, &iph->saddr) ||
	       nla_put_in6_addr(msg, SHIM6_A_CONTROL_DESTINATION, &iph->daddr);
}

/**
 * shim6_event_control - a control message has arrived
 * @sn: the namespace's state
 * @skb: the packet
 * @message: the message in it
 * @len: its octets
 *
 * Return: whether the daemon has got it.
 */
bool shim6_event_control(struct shim6_net *sn, const struct sk_buff *skb,
			 const void *message, unsigned int len)
{
	struct sk_buff *msg;
	void *hdr;

	msg = shim6_event_new(sn, SHIM6_CMD_CONTROL_EVENT,
			      SHIM6_EVENT_ROOM + len, &hdr);
	if (!msg)
		return false;
	if (shim6_put_addrs(msg, ipv6_hdr(skb)) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_IFINDEX, skb->skb_iif) ||
	    nla_put(msg, SHIM6_A_CONTROL_MESSAGE, len, message)) {
		nlmsg_free(msg);
		return false;
	}
	return shim6_event_send_outside(sn, msg, hdr);
}

/*
 * At most one report per source and second, on which R1bis depends (RFC 5533
 * section 7.17). Sources that fall on the same slot share it.
 */
static bool shim6_source_limited(struct shim6_net *sn,
				 const struct in6_addr *source)
{
	unsigned long *slot = &sn->sources[__ipv6_addr_jhash(source, sn->hash_seed) %
					   SHIM6_SOURCES];
	const unsigned long now = jiffies, was = READ_ONCE(*slot);

	if (was && now - was < HZ)
		return true;
	return cmpxchg(slot, was, now ?: 1) != was;
}

/**
 * shim6_event_no_context - a payload header with an unknown tag has arrived
 * @sn: the namespace's state
 * @skb: the packet
 * @tag: the tag
 */
void shim6_event_no_context(struct shim6_net *sn, const struct sk_buff *skb,
			    u64 tag)
{
	struct sk_buff *msg;
	void *hdr;

	if (!shim6_has_daemon(sn) ||
	    shim6_source_limited(sn, &ipv6_hdr(skb)->saddr))
		return;
	msg = shim6_event_new(sn, SHIM6_CMD_NO_CONTEXT_EVENT, SHIM6_EVENT_ROOM,
			      &hdr);
	if (!msg)
		return;
	if (shim6_put_addrs(msg, ipv6_hdr(skb)) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_IFINDEX, skb->skb_iif) ||
	    shim6_put_tag(msg, tag)) {
		nlmsg_free(msg);
		return;
	}
	shim6_event_send_outside(sn, msg, hdr);
}

/**
 * shim6_event_acquire - a context is wanted
 * @sn: the namespace's state
 * @ulids: for this pair
 * @packets: how many were counted
 *
 * Return: whether the daemon has got it.
 */
bool shim6_event_acquire(struct shim6_net *sn, const struct shim6_ulids *ulids,
			 u64 packets)
{
	struct sk_buff *msg;
	void *hdr;

	trace_shim6_acquire(sn, ulids, packets);
	msg = shim6_event_new(sn, SHIM6_CMD_ACQUIRE_EVENT, SHIM6_EVENT_ROOM,
			      &hdr);
	if (!msg)
		return false;
	if (nla_put_in6_addr(msg, SHIM6_A_CONTROL_ULID_LOCAL, &ulids->local) ||
	    nla_put_in6_addr(msg, SHIM6_A_CONTROL_ULID_PEER, &ulids->peer) ||
	    nla_put_u64_64bit(msg, SHIM6_A_CONTROL_PACKETS, packets,
			      SHIM6_A_CONTROL_PAD)) {
		nlmsg_free(msg);
		return false;
	}
	return shim6_event_send(sn, msg, hdr);
}

/**
 * shim6_event_reap - the liveness of a context has changed
 * @ctx: the context
 * @event: enum shim6_reap_event
 * @rtt: round-trip time in microseconds, 0 if that is not known
 *
 * Return: whether the daemon has got it.
 */
bool shim6_event_reap(struct shim6_context *ctx, u32 event, u32 rtt)
{
	struct shim6_net *sn = ctx->sn;
	struct sk_buff *msg;
	void *hdr;

	trace_shim6_reap(ctx, event);
	msg = shim6_event_new(sn, SHIM6_CMD_REAP_EVENT, SHIM6_EVENT_ROOM, &hdr);
	if (!msg)
		return false;
	if (nla_put_u32(msg, SHIM6_A_CONTROL_EVENT, event) ||
	    (rtt && nla_put_u32(msg, SHIM6_A_CONTROL_RTT, rtt)) ||
	    shim6_put_ulids(msg, &ctx->ulids) ||
	    shim6_put_tag(msg, ctx->tag_local)) {
		nlmsg_free(msg);
		return false;
	}
	return shim6_event_send(sn, msg, hdr);
}

/**
 * shim6_event_reap_limited - the same, at most once a second
 * @ctx: the context
 * @event: enum shim6_reap_event
 * @rtt: as above
 */
void shim6_event_reap_limited(struct shim6_context *ctx, u32 event, u32 rtt)
{
	const u32 now = jiffies, was = READ_ONCE(ctx->last_event);

	if (was && now - was < HZ)
		return;
	if (cmpxchg(&ctx->last_event, was, now ?: 1) == was)
		shim6_event_reap(ctx, event, rtt);
}

/**
 * shim6_event_expire - a context is quiescent
 * @ctx: the context
 * @idle: for so many milliseconds
 */
void shim6_event_expire(struct shim6_context *ctx, u64 idle)
{
	struct shim6_net *sn = ctx->sn;
	struct sk_buff *msg;
	void *hdr;

	msg = shim6_event_new(sn, SHIM6_CMD_EXPIRE_EVENT, SHIM6_EVENT_ROOM,
			      &hdr);
	if (!msg)
		return;
	if (shim6_put_ulids(msg, &ctx->ulids) ||
	    shim6_put_tag(msg, ctx->tag_local) ||
	    nla_put_u64_64bit(msg, SHIM6_A_CONTROL_IDLE, idle,
			      SHIM6_A_CONTROL_PAD)) {
		nlmsg_free(msg);
		return;
	}
	shim6_event_send(sn, msg, hdr);
}

/**
 * shim6_event_icmp - an ICMPv6 error has arrived about a packet with a Shim6
 * header
 * @sn: the namespace's state
 * @skb: the error, linear; data is at its IPv6 header
 * @ctx: whose packet it was, NULL for a control message
 * @inner: where the packet in error begins
 * @offset: where in it our header is
 *
 * Return: whether the daemon has got it.
 */
bool shim6_event_icmp(struct shim6_net *sn, const struct sk_buff *skb,
		      const struct shim6_context *ctx, unsigned int inner,
		      unsigned int offset)
{
	const struct icmp6hdr *icmp = (void *)(skb->data +
					       sizeof(struct ipv6hdr));
	const unsigned int at = inner + offset;
	struct sk_buff *msg;
	void *hdr;

	msg = shim6_event_new(sn, SHIM6_CMD_ICMP_EVENT,
			      SHIM6_EVENT_ROOM + skb->len, &hdr);
	if (!msg)
		return false;
	if (shim6_put_addrs(msg, (const void *)(skb->data + inner)) ||
	    nla_put_u8(msg, SHIM6_A_CONTROL_ICMP_TYPE, icmp->icmp6_type) ||
	    nla_put_u8(msg, SHIM6_A_CONTROL_ICMP_CODE, icmp->icmp6_code) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_ICMP_INFO,
			ntohl(icmp->icmp6_dataun.un_data32[0])))
		goto err;
	if (ctx) {
		if (shim6_put_ulids(msg, &ctx->ulids) ||
		    shim6_put_tag(msg, ctx->tag_peer))
			goto err;
	} else if (nla_put(msg, SHIM6_A_CONTROL_MESSAGE, skb->len - at,
			   skb->data + at)) {
		goto err;
	}
	return shim6_event_send_outside(sn, msg, hdr);

err:
	nlmsg_free(msg);
	return false;
}

/* Caller holds the table's lock. */
static void shim6_daemon_clear(struct shim6_net *sn)
{
	struct shim6_context *ctx;
	unsigned long id;

	if (!sn->daemon)
		return;
	WRITE_ONCE(sn->daemon, 0);
	shim6_hooks_put(sn);
	xa_for_each(&sn->table.all, id, ctx) {
		shim6_reap_orphan(ctx);
		cond_resched();
	}
}

/*
 * shim6_nl_daemon_register_doit - SHIM6_CMD_DAEMON_REGISTER: the asking socket
 * becomes the namespace's daemon, or its socket for what comes from outside
 */
int shim6_nl_daemon_register_doit(struct sk_buff *skb, struct genl_info *info)
{
	const bool outside = info->attrs[SHIM6_A_CONTROL_FROM_OUTSIDE];
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	u32 *port = outside ? &sn->daemon_outside : &sn->daemon;
	int err = 0;

	mutex_lock(&sn->table.lock);
	if (!*port) {
		if (!outside)
			err = shim6_hooks_get(sn);
		if (!err)
			WRITE_ONCE(*port, info->snd_portid);
	} else if (*port != info->snd_portid) {
		NL_SET_ERR_MSG(info->extack,
			       "the network namespace has a daemon already");
		err = -EBUSY;
	}
	mutex_unlock(&sn->table.lock);
	return err;
}

static int shim6_daemon_release(struct notifier_block *nb, unsigned long event,
				void *data)
{
	const struct netlink_notify *n = data;
	struct shim6_net *sn;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	sn = shim6_pernet(n->net);
	if (!n->portid || (READ_ONCE(sn->daemon) != n->portid &&
			   READ_ONCE(sn->daemon_outside) != n->portid))
		return NOTIFY_DONE;
	mutex_lock(&sn->table.lock);
	if (sn->daemon == n->portid)
		shim6_daemon_clear(sn);
	if (sn->daemon_outside == n->portid)
		WRITE_ONCE(sn->daemon_outside, 0);
	mutex_unlock(&sn->table.lock);
	return NOTIFY_DONE;
}

static struct notifier_block shim6_daemon_notifier = {
	.notifier_call = shim6_daemon_release,
};

/**
 * shim6_daemon_net_exit - the namespace goes, and with it its daemon's socket
 * @sn: the namespace's state
 */
void shim6_daemon_net_exit(struct shim6_net *sn)
{
	shim6_daemon_clear(sn);
}

/**
 * shim6_daemon_init - notice when a daemon's socket is closed
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_daemon_init(void)
{
	return netlink_register_notifier(&shim6_daemon_notifier);
}

/**
 * shim6_daemon_exit - the reverse
 */
void shim6_daemon_exit(void)
{
	netlink_unregister_notifier(&shim6_daemon_notifier);
}
