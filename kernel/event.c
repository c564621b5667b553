// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to the one daemon of a namespace: events and control messages, unicast
 * to the socket that it has registered. Packets cause them, so they are sent from
 * any context and never wait. If the socket has no room for one, it is lost and
 * counted; the daemon sees ENOBUFS, and then dumps all contexts.
 */
#include <linux/netlink.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "daemon.h"
#include "event.h"
#include "fair.h"
#include "header.h"
#include "netlink_gen.h"
#include "reap.h"
#include "state.h"
#include "stats.h"
#include "trace.h"

/**
 * shim6_has_daemon - has a namespace a daemon?
 * @sn: the namespace's state; no lock is needed
 */
bool shim6_has_daemon(const struct shim6_net *sn)
{
	return READ_ONCE(sn->daemon.port);
}

/* A message for the daemon, or NULL if there is no daemon or no memory. */
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

/*
 * The port of a socket, or 0 if it is being closed. A program that closes the
 * daemon's socket can reuse its port at once, before the core tells us.
 */
static u32 shim6_socket_port(const struct shim6_socket *socket)
{
	const struct sock *sk;
	u32 port = 0;

	rcu_read_lock();
	sk = rcu_dereference(socket->sk);
	if (sk && !sock_flag(sk, SOCK_DEAD))
		port = READ_ONCE(socket->port);
	rcu_read_unlock();
	return port;
}

/* Is more than half of a socket's room taken? */
static bool shim6_socket_busy(const struct shim6_socket *socket)
{
	const struct sock *sk;
	bool busy;

	rcu_read_lock();
	sk = rcu_dereference(socket->sk);
	busy = sk && atomic_read(&sk->sk_rmem_alloc) >
			     READ_ONCE(sk->sk_rcvbuf) / 2;
	rcu_read_unlock();
	return busy;
}

static bool shim6_event_send_to(struct shim6_net *sn, struct sk_buff *msg,
				void *hdr, const struct shim6_socket *socket)
{
	const u32 port = shim6_socket_port(socket);

	genlmsg_end(msg, hdr);
	/* The daemon may just have gone; 0 is the kernel's own port. */
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
	return shim6_event_send_to(sn, msg, hdr, &sn->daemon);
}

/* The socket for events that others can cause at will, if it is registered. */
static const struct shim6_socket *shim6_outside(const struct shim6_net *sn)
{
	return READ_ONCE(sn->outside.port) ? &sn->outside : &sn->daemon;
}

/*
 * Control messages a second of a peer in a context, and how many at once. If it
 * sends more, it is treated as a stranger.
 */
#define SHIM6_CONTEXT_MESSAGES		10
#define SHIM6_CONTEXT_MESSAGES_BURST	20

/*
 * The socket for a message from an address, or NULL if the daemon is not to be
 * bothered with it. Messages of contexts go to the main socket, so that strangers
 * do not crowd them out; but half of that socket's room is kept for the kernel's
 * own events.
 */
static const struct shim6_socket *
shim6_socket_from(struct shim6_net *sn, const struct in6_addr *source,
		  struct shim6_context *ctx)
{
	const struct shim6_socket *outside = shim6_outside(sn);
	struct shim6_fair *fair;
	bool fine;

	if (ctx && !shim6_socket_busy(&sn->daemon) &&
	    shim6_rate_allows(&ctx->messages, SHIM6_CONTEXT_MESSAGES,
			      SHIM6_CONTEXT_MESSAGES_BURST))
		return &sn->daemon;
	rcu_read_lock();
	fair = rcu_dereference(sn->fair);
	fine = fair && shim6_fair_message(fair, source,
					  shim6_socket_busy(outside));
	rcu_read_unlock();
	return fine ? outside : NULL;
}

/* Octets for all attributes of an event, except those of variable length. */
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

/* Without the attribute it is native, as for a daemon that knows nothing else. */
static int shim6_put_encapsulation(struct sk_buff *msg, u32 encapsulation)
{
	return encapsulation == SHIM6_ENCAPSULATION_NATIVE ? 0 :
	       nla_put_u32(msg, SHIM6_A_CONTROL_ENCAPSULATION, encapsulation);
}

/**
 * shim6_event_control - a control message has arrived
 * @sn: the namespace's state
 * @skb: the packet
 * @message: the message in the packet
 * @len: octets of the message
 * @ctx: the context that the message belongs to, or NULL for a stranger's
 * @encapsulation: how it has come, enum shim6_encapsulation
 *
 * Return: 0, or the counter that says why the daemon did not get it.
 */
int shim6_event_control(struct shim6_net *sn, const struct sk_buff *skb,
			const void *message, unsigned int len,
			struct shim6_context *ctx, u32 encapsulation)
{
	const struct shim6_socket *socket;
	struct sk_buff *msg;
	void *hdr;

	if (!shim6_has_daemon(sn))
		return SHIM6_A_STATS_CTL_IN_NO_DAEMON;
	socket = shim6_socket_from(sn, &ipv6_hdr(skb)->saddr, ctx);
	if (!socket)
		return SHIM6_A_STATS_CTL_IN_LIMITED;
	msg = shim6_event_new(sn, SHIM6_CMD_CONTROL_EVENT,
			      SHIM6_EVENT_ROOM + len, &hdr);
	if (!msg)
		return SHIM6_A_STATS_CTL_IN_NO_DAEMON;
	if (shim6_put_addrs(msg, ipv6_hdr(skb)) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_IFINDEX, skb->skb_iif) ||
	    shim6_put_encapsulation(msg, encapsulation) ||
	    nla_put(msg, SHIM6_A_CONTROL_MESSAGE, len, message)) {
		nlmsg_free(msg);
		return SHIM6_A_STATS_CTL_IN_NO_DAEMON;
	}
	return shim6_event_send_to(sn, msg, hdr, socket) ?
		       0 : SHIM6_A_STATS_CTL_IN_NO_DAEMON;
}

static bool shim6_report_allowed(struct shim6_net *sn,
				 const struct in6_addr *source)
{
	struct shim6_fair *fair;
	bool allowed;

	rcu_read_lock();
	fair = rcu_dereference(sn->fair);
	allowed = fair && shim6_fair_report(fair, source);
	rcu_read_unlock();
	return allowed;
}

/**
 * shim6_event_no_context - a payload header with an unknown tag has arrived
 * @sn: the namespace's state
 * @skb: the packet
 * @tag: the tag
 * @encapsulation: how it has come, enum shim6_encapsulation
 */
void shim6_event_no_context(struct shim6_net *sn, const struct sk_buff *skb,
			    u64 tag, u32 encapsulation)
{
	struct sk_buff *msg;
	void *hdr;

	if (!shim6_has_daemon(sn) ||
	    !shim6_report_allowed(sn, &ipv6_hdr(skb)->saddr))
		return;
	msg = shim6_event_new(sn, SHIM6_CMD_NO_CONTEXT_EVENT, SHIM6_EVENT_ROOM,
			      &hdr);
	if (!msg)
		return;
	if (shim6_put_addrs(msg, ipv6_hdr(skb)) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_IFINDEX, skb->skb_iif) ||
	    shim6_put_encapsulation(msg, encapsulation) ||
	    shim6_put_tag(msg, tag)) {
		nlmsg_free(msg);
		return;
	}
	shim6_event_send_to(sn, msg, hdr, shim6_outside(sn));
}

/**
 * shim6_event_acquire - a context is wanted
 * @sn: the namespace's state
 * @ulids: for this ULID pair
 * @packets: how many packets of the pair were counted
 *
 * Return: whether the daemon got the event.
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

static int shim6_put_doubt(struct sk_buff *msg, const struct shim6_doubt *doubt)
{
	if ((doubt->rtt &&
	     (nla_put_u32(msg, SHIM6_A_CONTROL_RTT, doubt->rtt) ||
	      nla_put_u32(msg, SHIM6_A_CONTROL_RTT_DEVIATION,
			  doubt->deviation))) ||
	    (doubt->retransmits &&
	     nla_put_u32(msg, SHIM6_A_CONTROL_RETRANSMITS,
			 doubt->retransmits)) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_LENGTH, doubt->length) ||
	    (doubt->progress && nla_put_flag(msg, SHIM6_A_CONTROL_PROGRESS)))
		return -EMSGSIZE;
	return 0;
}

/**
 * shim6_event_reap - the liveness of a context has changed
 * @ctx: the context
 * @event: enum shim6_reap_event
 * @doubt: what makes TCP doubt, or NULL
 *
 * Return: whether the daemon got the event.
 */
bool shim6_event_reap(struct shim6_context *ctx, u32 event,
		      const struct shim6_doubt *doubt)
{
	struct shim6_net *sn = ctx->sn;
	struct sk_buff *msg;
	void *hdr;

	trace_shim6_reap(ctx, event);
	msg = shim6_event_new(sn, SHIM6_CMD_REAP_EVENT, SHIM6_EVENT_ROOM, &hdr);
	if (!msg)
		return false;
	if (nla_put_u32(msg, SHIM6_A_CONTROL_EVENT, event) ||
	    (doubt && shim6_put_doubt(msg, doubt)) ||
	    shim6_put_ulids(msg, &ctx->ulids) ||
	    shim6_put_tag(msg, ctx->tag_local)) {
		nlmsg_free(msg);
		return false;
	}
	return shim6_event_send(sn, msg, hdr);
}

/**
 * shim6_event_reap_limited - as shim6_event_reap(), at most once a second
 * @ctx: the context
 * @event: enum shim6_reap_event
 * @doubt: what makes TCP doubt, or NULL
 *
 * A connection that is stuck says more than one that only waits for an ACK, and what
 * any program can say must not take the place of what is seen. So each kind has a
 * second of its own.
 */
void shim6_event_reap_limited(struct shim6_context *ctx, u32 event,
			      const struct shim6_doubt *doubt)
{
	const u32 now = jiffies;
	u32 *last, was;

	if (event == SHIM6_REAP_EVENT_FEEDBACK) {
		/* Programs must not take the room of what the kernel sees. */
		if (shim6_socket_busy(&ctx->sn->daemon))
			return;
		last = &ctx->last_feedback;
	} else {
		last = doubt && doubt->retransmits > 1 ? &ctx->last_stuck :
							 &ctx->last_event;
	}
	was = READ_ONCE(*last);

	if (was && now - was < HZ)
		return;
	if (cmpxchg(last, was, now ?: 1) == was)
		shim6_event_reap(ctx, event, doubt);
}

/**
 * shim6_event_socket - what programs ask of a ULID pair, by their sockets
 * @sn: the namespace's state
 * @ulids: the pair
 * @standby: another pair is to be kept in reserve
 * @send_timeout: the least Send Timeout that is asked for in milliseconds, or 0
 *
 * Return: whether the daemon got the event.
 */
bool shim6_event_socket(struct shim6_net *sn, const struct shim6_ulids *ulids,
			bool standby, u32 send_timeout)
{
	struct sk_buff *msg;
	void *hdr;

	if (shim6_socket_busy(&sn->daemon))
		return false;
	msg = shim6_event_new(sn, SHIM6_CMD_SOCKET_EVENT, SHIM6_EVENT_ROOM,
			      &hdr);
	if (!msg)
		return false;
	if (shim6_put_ulids(msg, ulids) ||
	    (standby && nla_put_flag(msg, SHIM6_A_CONTROL_STANDBY)) ||
	    (send_timeout &&
	     nla_put_u32(msg, SHIM6_A_CONTROL_SEND_TIMEOUT, send_timeout))) {
		nlmsg_free(msg);
		return false;
	}
	return shim6_event_send(sn, msg, hdr);
}

/**
 * shim6_event_expire - a context is quiescent
 * @ctx: the context
 * @idle: milliseconds without a packet
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
 * @ctx: the context of the packet in error, NULL for a control message
 * @inner: where the packet in error begins, from data
 * @offset: where our header is in the packet in error
 * @encapsulation: how that packet was carried, enum shim6_encapsulation
 *
 * Return: whether the daemon got the event.
 */
bool shim6_event_icmp(struct shim6_net *sn, const struct sk_buff *skb,
		      struct shim6_context *ctx, unsigned int inner,
		      unsigned int offset, u32 encapsulation)
{
	const struct icmp6hdr *icmp = (void *)(skb->data +
					       sizeof(struct ipv6hdr));
	const struct ipv6hdr *iph = (const void *)skb->data;
	const unsigned int at = inner + offset;
	const struct shim6_socket *socket;
	struct sk_buff *msg;
	void *hdr;
	u64 tag;

	if (!shim6_has_daemon(sn))
		return false;
	socket = shim6_socket_from(sn, &iph->saddr, ctx);
	if (!socket) {
		shim6_count(sn, SHIM6_A_STATS_EVENTS_LOST);
		return false;
	}
	msg = shim6_event_new(sn, SHIM6_CMD_ICMP_EVENT,
			      SHIM6_EVENT_ROOM + skb->len, &hdr);
	if (!msg)
		return false;
	if (shim6_put_addrs(msg, (const void *)(skb->data + inner)) ||
	    shim6_put_encapsulation(msg, encapsulation) ||
	    nla_put_u8(msg, SHIM6_A_CONTROL_ICMP_TYPE, icmp->icmp6_type) ||
	    nla_put_u8(msg, SHIM6_A_CONTROL_ICMP_CODE, icmp->icmp6_code) ||
	    nla_put_u32(msg, SHIM6_A_CONTROL_ICMP_INFO,
			ntohl(icmp->icmp6_dataun.un_data32[0])))
		goto err;
	if (ctx) {
		if (shim6_put_ulids(msg, &ctx->ulids) ||
		    (shim6_context_tag_peer(ctx, &tag) &&
		     shim6_put_tag(msg, tag)))
			goto err;
	} else if (nla_put(msg, SHIM6_A_CONTROL_MESSAGE, skb->len - at,
			   skb->data + at)) {
		goto err;
	}
	return shim6_event_send_to(sn, msg, hdr, socket);

err:
	nlmsg_free(msg);
	return false;
}
