// SPDX-License-Identifier: GPL-2.0
/*
 * Control messages that arrive are checked (RFC 5533 section 12.3) and handed to
 * the daemon. Keepalives without options are the kernel's own business.
 */
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "compat.h"
#include "control.h"
#include "event.h"
#include "header.h"
#include "locators.h"
#include "reap.h"
#include "state.h"
#include "stats.h"

static u8 shim6_control_type(const u8 *message)
{
	return message[2] & SHIM6_TYPE_MASK;
}

/* Does a message of this length and type bear the tag of its receiver? */
static bool shim6_control_tagged(const u8 *message, unsigned int len)
{
	return shim6_control_type(message) >= SHIM6_TYPE_TAGGED &&
	       shim6_control_type(message) != SHIM6_TYPE_ERROR &&
	       len >= SHIM6_KEEPALIVE_LEN;
}

/*
 * The context that a message belongs to, or NULL. The message must come from a
 * locator of the peer to one of ours (RFC 5533 sections 12.4 and 12.5). Most
 * types bear our tag; R1bis bears the tag that we send. R1 and R2 bear no tag
 * that we know, so they are found by their addresses: they answer messages that
 * were sent between the ULIDs of a context that is not established yet.
 */
static struct shim6_context *shim6_control_context(struct shim6_net *sn,
						   const struct sk_buff *skb,
						   const u8 *message,
						   unsigned int len)
{
	const struct in6_addr *peer = &ipv6_hdr(skb)->saddr;
	const struct in6_addr *local = &ipv6_hdr(skb)->daddr;
	struct shim6_ulids ulids = { .local = *local, .peer = *peer };
	const u8 type = shim6_control_type(message);
	struct shim6_context *ctx;

	if (len < SHIM6_KEEPALIVE_LEN)
		return NULL;
	switch (type) {
	case SHIM6_TYPE_R1:
	case SHIM6_TYPE_R2:
		ctx = shim6_context_by_ulids(sn, &ulids);
		if (!ctx ||
		    READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED)
			return NULL;
		return ctx;
	case SHIM6_TYPE_R1BIS:
		return shim6_context_by_peer_tag(sn,
						 shim6_tag(message +
							   SHIM6_CONTROL_TAG),
						 local, peer);
	}
	if (!shim6_control_tagged(message, len))
		return NULL;
	ctx = shim6_context_by_tag(sn, shim6_tag(message + SHIM6_CONTROL_TAG));
	if (!ctx || !shim6_context_is_peer(ctx, peer) ||
	    !shim6_context_is_local(ctx, local))
		return NULL;
	return ctx;
}

/*
 * Note what a message means for the liveness of its context. Returns true for a
 * Keepalive without options, of which nothing more is to be made. Any other
 * message goes to the daemon, which knows what to answer.
 */
static bool shim6_control_liveness(struct shim6_net *sn,
				   struct shim6_context *ctx,
				   const u8 *message, unsigned int len)
{
	const u8 type = shim6_control_type(message);

	if (!ctx || !shim6_control_tagged(message, len) ||
	    type == SHIM6_TYPE_PROBE ||
	    READ_ONCE(ctx->state) != SHIM6_CONTEXT_STATE_ESTABLISHED)
		return false;
	if (type != SHIM6_TYPE_KEEPALIVE) {
		shim6_reap_heard(ctx);
		return false;
	}
	shim6_count(sn, SHIM6_A_STATS_KEEPALIVE_IN);
	shim6_reap_keepalive(ctx);
	return len == SHIM6_KEEPALIVE_LEN;
}

/**
 * shim6_control_in - a control message has arrived
 * @sn: the namespace's state
 * @skb: the packet, taken over; data is at the message
 * @encapsulation: how it has come, enum shim6_encapsulation. Anything may come to
 *	a UDP port: there, what is damaged is no control message
 *
 * Return: as a protocol handler: 0, or -1 if the packet was dropped.
 */
int shim6_control_in(struct shim6_net *sn, struct sk_buff *skb,
		     u32 encapsulation)
{
	const bool udp = encapsulation == SHIM6_ENCAPSULATION_UDP;
	const struct in6_addr *saddr = &ipv6_hdr(skb)->saddr;
	int counter = udp ? SHIM6_A_STATS_IN_UDP_OTHER :
			    SHIM6_A_STATS_CTL_IN_HEADER;
	struct shim6_context *ctx;
	unsigned int len;
	u8 *message;

	len = (skb_transport_header(skb)[1] + 1) * 8;
	if (!pskb_may_pull(skb, len))
		goto drop;
	message = skb_transport_header(skb);
	if (csum_fold(csum_partial(message, len, 0))) {
		if (!udp)
			counter = SHIM6_A_STATS_CTL_IN_CHECKSUM;
		goto drop;
	}
	saddr = &ipv6_hdr(skb)->saddr;
	if (ipv6_addr_any(saddr) || ipv6_addr_is_multicast(saddr) ||
	    ipv6_addr_any(&ipv6_hdr(skb)->daddr) ||
	    ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr)) {
		counter = SHIM6_A_STATS_CTL_IN_ADDRESS;
		goto drop;
	}
	shim6_count(sn, SHIM6_A_STATS_CTL_IN);
	if (udp)
		shim6_count(sn, SHIM6_A_STATS_IN_UDP);
	ctx = shim6_control_context(sn, skb, message, len);
	if (!shim6_control_liveness(sn, ctx, message, len)) {
		counter = shim6_event_control(sn, skb, message, len, ctx,
					      encapsulation);
		if (counter)
			goto drop;
	}
	consume_skb(skb);
	return 0;

drop:
	shim6_drop(sn, skb, counter);
	return -1;
}

/**
 * shim6_control_sent - the daemon has sent a control message
 * @sn: the namespace's state
 * @source: source address
 * @destination: destination address
 * @message: the message
 * @len: octets of the message
 *
 * A message of a context counts as payload, unless it is a Keepalive or a Probe
 * (RFC 5534 section 6.2).
 */
void shim6_control_sent(struct shim6_net *sn, const struct in6_addr *source,
			const struct in6_addr *destination, const u8 *message,
			unsigned int len)
{
	const u8 type = shim6_control_type(message);
	struct shim6_context *ctx;

	if (!shim6_control_tagged(message, len) ||
	    type == SHIM6_TYPE_KEEPALIVE || type == SHIM6_TYPE_PROBE)
		return;
	rcu_read_lock();
	ctx = shim6_context_by_peer_tag(sn,
					shim6_tag(message + SHIM6_CONTROL_TAG),
					source, destination);
	if (ctx && READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED)
		shim6_reap_control_sent(ctx);
	rcu_read_unlock();
}
