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

/* Has a message of this length and type the tag of its receiver? */
static bool shim6_control_tagged(const u8 *message, unsigned int len)
{
	return shim6_control_type(message) >= SHIM6_TYPE_TAGGED &&
	       shim6_control_type(message) != SHIM6_TYPE_ERROR &&
	       len >= SHIM6_KEEPALIVE_LEN;
}

/*
 * The context that a message belongs to: it has the context's tag, or answers
 * what was sent to make it, and comes from a locator of the peer to one of ours
 * (RFC 5533 sections 12.4 and 12.5). R1bis has the tag that we send. In R1 and
 * R2 there is none that we know: there the addresses are those of the context,
 * which is not made yet.
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
 * What a message means for the liveness of its context. Returns true for a
 * Keepalive that is dealt with: one without options. Any other message goes to
 * the daemon, which knows what to answer.
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
 *
 * Return: what the protocol handler returns.
 */
int shim6_control_in(struct shim6_net *sn, struct sk_buff *skb)
{
	const struct in6_addr *saddr = &ipv6_hdr(skb)->saddr;
	int counter = SHIM6_A_STATS_CTL_IN_HEADER;
	struct shim6_context *ctx;
	unsigned int len;
	u8 *message;

	len = (skb_transport_header(skb)[1] + 1) * 8;
	if (!pskb_may_pull(skb, len))
		goto drop;
	message = skb_transport_header(skb);
	if (csum_fold(csum_partial(message, len, 0))) {
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
	ctx = shim6_control_context(sn, skb, message, len);
	if (!shim6_control_liveness(sn, ctx, message, len)) {
		counter = shim6_event_control(sn, skb, message, len, ctx);
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
 * shim6_control_sent - the daemon has sent a message: of a context, and neither
 * a Keepalive nor a Probe, it counts as payload (RFC 5534 section 6.2)
 * @sn: the namespace's state
 * @source: whence
 * @destination: where to
 * @message: the message
 * @len: its octets
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
