// SPDX-License-Identifier: GPL-2.0
/*
 * Input: payload headers are removed, and the ULIDs put back (RFC 5533 section
 * 12.2).
 *
 * The hook is before defragmentation at PRE_ROUTING, so that conntrack, the
 * firewall and the socket lookup see the packet that the peer's ULP has sent. The
 * protocol handler takes the rest: control messages, payload headers with an
 * unknown tag, and payload headers behind other headers, such as a Fragment or
 * Destination Options header. In this last case the firewall has seen only IP
 * protocol 140, so the packet arrives once more, without the header. Packets in
 * UDP are shared between the hook and the socket (udp.c) in the same way.
 */
#include <linux/netdevice.h>
#include <linux/netfilter_ipv6.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/raw.h>
#include <net/rawv6.h>
#include <net/xfrm.h>

#include "compat.h"
#include "control.h"
#include "encap.h"
#include "encap_udp.h"
#include "event.h"
#include "filter.h"
#include "flow.h"
#include "header.h"
#include "home.h"
#include "hooks.h"
#include "icmp.h"
#include "input.h"
#include "locators.h"
#include "octets.h"
#include "reap.h"
#include "recent.h"
#include "rpfilter.h"
#include "state.h"
#include "stats.h"

/* Put the ULIDs in place of the locators. */
static __always_inline void
shim6_restore_ulids(struct sk_buff *skb, const struct shim6_context *ctx)
{
	struct ipv6hdr *iph = ipv6_hdr(skb);

	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = csum_add(skb->csum,
				     shim6_header_delta(&ctx->ulids.peer,
							&ctx->ulids.local,
							&iph->saddr,
							&iph->daddr));
	iph->saddr = ctx->ulids.peer;
	iph->daddr = ctx->ulids.local;
	/* Sockets that are bound to the ULID's device shall get it as well. */
	if (READ_ONCE(ctx->device))
		IP6CB(skb)->iif = READ_ONCE(ctx->device);
}

/*
 * Do the host's IPsec policies take a packet that still has its locators, but our
 * header no more (RFC 5533 section 16.1)? Without the header, the selectors of a
 * policy are compared with the ULP, as they are for packets that are sent.
 */
static bool shim6_policy_allows(struct sk_buff *skb)
{
	const u16 nhoff = IP6CB(skb)->nhoff;
	bool allowed;

	/* Older kernels read the headers from here. */
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	allowed = xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb);
	IP6CB(skb)->nhoff = nhoff;
	return allowed;
}

/*
 * Hook and handler do this with a payload packet of a context. Data is at the
 * IPv6 header. Returns false if the packet was dropped. It is compiled once for the
 * place where the header nearly always is, and once for all others.
 */
static __always_inline bool
shim6_receive_at(struct shim6_net *sn, struct sk_buff *skb,
		 struct shim6_context *ctx, u32 encapsulation,
		 unsigned int prev, unsigned int keep, unsigned int offset)
{
	const unsigned int end = offset +
				 shim6_encap_of(encapsulation)->overhead;
	const u8 state = READ_ONCE(ctx->state);
	bool home;

	/* Section 12.2: the tag is known; discard the packet, send no R1bis. */
	if (state == SHIM6_CONTEXT_STATE_I1_SENT) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_STATE);
		return false;
	}
	if (!pskb_may_pull(skb, end) || skb_cow_head(skb, 0)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_NO_MEMORY);
		return false;
	}
	if (!shim6_payload_allowed(skb, end, skb->data[end - SHIM6_PAYLOAD_LEN],
				   shim6_udp_port(sn))) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_HEADER);
		return false;
	}
	shim6_encap_pull(encapsulation, skb, prev, keep, offset);
	home = ipv6_addr_equal(&ipv6_hdr(skb)->saddr, &ctx->ulids.peer) &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->daddr, &ctx->ulids.local);
	/* With ULIDs in it, the ULP asks, after the IPsec that is for them. */
	if (!home && !shim6_policy_allows(skb)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_POLICY);
		return false;
	}
	if (!home) {
		/*
		 * As at the end of a tunnel: the IPsec by which the packet
		 * came was for its locators; policies for the ULIDs ask for
		 * IPsec of their own.
		 */
		secpath_reset(skb);
		shim6_restore_ulids(skb, ctx);
	}
	shim6_home_heard(ctx);
	shim6_count(sn, SHIM6_A_STATS_IN_PAYLOAD);
	if (state != SHIM6_CONTEXT_STATE_ESTABLISHED)
		shim6_event_reap_limited(ctx, SHIM6_REAP_EVENT_PAYLOAD, NULL);
	shim6_reap_heard(ctx);
	return true;
}

static noinline bool shim6_receive(struct shim6_net *sn, struct sk_buff *skb,
				   struct shim6_context *ctx, u32 encapsulation,
				   unsigned int prev, unsigned int keep,
				   unsigned int offset)
{
	return shim6_receive_at(sn, skb, ctx, encapsulation, prev, keep, offset);
}

/*
 * A packet of a context has come without our header, which counts as heard as well
 * (section 12.1). @at: where the header would be.
 */
static inline void shim6_input_ulids(struct shim6_net *sn,
				     struct shim6_context *ctx,
				     const struct sk_buff *skb, unsigned int at)
{
	shim6_count(sn, SHIM6_A_STATS_IN_ULID);
	/* A packet that comes out of IPsec was counted when it went in. */
	if (likely(!secpath_exists(skb)))
		shim6_octets_heard(ctx, skb, at);
	shim6_reap_heard(ctx);
}

/* The same for a packet whose context has to be searched for. */
static noinline void shim6_input_plain(struct shim6_net *sn,
				       const struct sk_buff *skb,
				       unsigned int at)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct shim6_ulids ulids = {
		.local = iph->daddr,
		.peer = iph->saddr,
	};
	struct shim6_context *ctx;

	if (ipv6_addr_is_multicast(&iph->daddr))
		return;
	ctx = shim6_recent_search(sn, &ulids);
	if (!ctx) {
		shim6_flow_in(sn, &ulids);
		return;
	}
	shim6_input_ulids(sn, ctx, skb, at);
}

/*
 * The hook's shim6_receive(). Packets of the handlers come to the hook once more,
 * so octets are counted here alone. The filters that come after the hook ask about the
 * ULIDs; what they would ask about the locators is asked here.
 */
static bool shim6_receive_early(struct net *net, struct shim6_net *sn,
				struct sk_buff *skb, struct shim6_context *ctx,
				u32 encapsulation,
				const struct shim6_place *place)
{
	const bool passes = shim6_rpfilter_passes(net, sn, skb, ctx);

	if (!shim6_receive(sn, skb, ctx, encapsulation, place->prev,
			   place->offset, place->offset))
		return false;
	shim6_octets_heard(ctx, skb, place->offset);
	if (passes)
		shim6_rpfilter_begin(skb);
	return true;
}

/*
 * A datagram to our port, which may bear a payload header of a context. The hook
 * leaves to UDP what is not worth its while: all other datagrams, and those that
 * do not end where their packet ends. Returns false if the packet was dropped.
 */
static bool shim6_input_datagram(struct net *net, struct shim6_net *sn,
				 struct sk_buff *skb,
				 const struct shim6_place *place)
{
	struct shim6_context *ctx;
	const struct shim6_hdr *h;
	struct shim6_hdr _h;

	h = skb_header_pointer(skb, place->offset + SHIM6_UDP_LEN, sizeof(_h),
			       &_h);
	if (!h || !shim6_is_payload(h) || h->hdrlen || place->final ||
	    !shim6_udp_is_whole(skb, place->offset))
		return true;
	ctx = shim6_context_by_tag(sn, shim6_tag(h->octet));
	if (!ctx || !shim6_context_is_here(ctx, net, &ipv6_hdr(skb)->daddr))
		return true;
	if (!pskb_may_pull(skb, place->offset + SHIM6_UDP_OVERHEAD) ||
	    (skb_is_gso(skb) && skb_unclone(skb, GFP_ATOMIC))) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_NO_MEMORY);
		return false;
	}
	if (!shim6_udp_verify(skb, place->offset)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_UDP_CHECKSUM);
		return false;
	}
	if (!shim6_receive_early(net, sn, skb, ctx, SHIM6_ENCAPSULATION_UDP,
				 place))
		return false;
	shim6_count(sn, SHIM6_A_STATS_IN_UDP);
	return true;
}

/* A packet of any kind has arrived: as for shim6_input(). */
static noinline unsigned int
shim6_input_any(struct shim6_net *sn, struct sk_buff *skb,
		const struct nf_hook_state *state)
{
	struct shim6_context *ctx;
	struct shim6_place place;
	const struct shim6_hdr *h;
	struct shim6_hdr _h;

	if (ipv6_hdr(skb)->nexthdr == NEXTHDR_ICMP &&
	    !shim6_icmp_in(state->net, sn, skb))
		return NF_STOLEN;
	if (!shim6_header_place(skb, &place))
		return NF_ACCEPT;
	if (place.nexthdr == IPPROTO_UDP && shim6_udp_port(sn) &&
	    shim6_udp_is_to(skb, place.offset, shim6_udp_port(sn)))
		return shim6_input_datagram(state->net, sn, skb, &place) ?
			       NF_ACCEPT : NF_STOLEN;
	if (place.nexthdr != SHIM6_IPPROTO) {
		if (!shim6_is_neighbour_discovery(skb, &place))
			shim6_input_plain(sn, skb, place.offset);
		return NF_ACCEPT;
	}
	/* Not at its final destination; the handler sees it when it is. */
	if (place.final)
		return NF_ACCEPT;
	h = skb_header_pointer(skb, skb_network_offset(skb) + place.offset,
			       sizeof(_h), &_h);
	if (!h || !shim6_is_payload(h) || h->hdrlen)
		return NF_ACCEPT;
	ctx = shim6_context_by_tag(sn, shim6_tag(h->octet));
	/* A packet for another host, with the same tag by chance, is forwarded. */
	if (!ctx || !shim6_context_is_here(ctx, state->net,
					   &ipv6_hdr(skb)->daddr))
		return NF_ACCEPT;
	if (!shim6_receive_early(state->net, sn, skb, ctx,
				 SHIM6_ENCAPSULATION_NATIVE, &place))
		return NF_STOLEN;
	return NF_ACCEPT;
}

/*
 * Our header is right behind the IPv6 header: as shim6_input_any(), in the way that
 * nearly all such packets go.
 */
static noinline unsigned int
shim6_input_native(struct shim6_net *sn, struct sk_buff *skb,
		   const struct nf_hook_state *state)
{
	const unsigned int at = sizeof(struct ipv6hdr);
	struct shim6_context *ctx;
	const struct shim6_hdr *h;
	bool passes;

	if (skb_headlen(skb) < at + sizeof(*h))
		return shim6_input_any(sn, skb, state);
	h = (const struct shim6_hdr *)(skb->data + at);
	if (!shim6_is_payload(h) || h->hdrlen)
		return NF_ACCEPT;
	ctx = shim6_context_by_tag(sn, shim6_tag(h->octet));
	if (!ctx || !shim6_context_is_here(ctx, state->net,
					   &ipv6_hdr(skb)->daddr))
		return NF_ACCEPT;
	passes = shim6_rpfilter_passes(state->net, sn, skb, ctx);
	if (!shim6_receive_at(sn, skb, ctx, SHIM6_ENCAPSULATION_NATIVE,
			      offsetof(struct ipv6hdr, nexthdr), at, at))
		return NF_STOLEN;
	shim6_octets_heard(ctx, skb, at);
	if (unlikely(passes))
		shim6_rpfilter_begin(skb);
	return NF_ACCEPT;
}

/**
 * shim6_input - the hook at PRE_ROUTING
 * @priv: the namespace's state
 * @skb: a packet that has arrived; data is at the IPv6 header
 * @state: of the hook
 *
 * Nearly all packets are TCP or UDP, and of a context that this CPU remembers.
 *
 * Return: NF_ACCEPT, with the packet changed or not; NF_STOLEN if it was dropped.
 */
unsigned int shim6_input(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	struct shim6_net *sn = priv;
	struct shim6_context *ctx;

	if (!shim6_filter_served(skb->dev))
		return NF_ACCEPT;
	if (ipv6_hdr(skb)->nexthdr == SHIM6_IPPROTO)
		return shim6_input_native(sn, skb, state);
	if (!shim6_header_is_simple(skb, shim6_udp_port(sn)))
		return shim6_input_any(sn, skb, state);
	ctx = shim6_recent_find(sn, &ipv6_hdr(skb)->daddr,
				&ipv6_hdr(skb)->saddr, 0);
	if (!ctx) {
		shim6_input_plain(sn, skb, sizeof(struct ipv6hdr));
		return NF_ACCEPT;
	}
	shim6_input_ulids(sn, ctx, skb, sizeof(struct ipv6hdr));
	return NF_ACCEPT;
}

/*
 * A packet that the hook has left to the handler, now with its ULIDs, arrives once
 * more. PRE_ROUTING and INPUT took it for IP protocol 140, which a firewall lets
 * in, and what they noted in it is about the packet with the locators.
 */
static void shim6_input_again(struct sk_buff *skb)
{
	skb_scrub_packet(skb, false);
	netif_rx(skb);
}

/* Did a raw socket get the packet? It may implement Shim6 itself. */
static bool shim6_is_raw(struct net *net, const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct hlist_head *head;
	struct sock *sk;

	head = &raw_v6_hashinfo.ht[raw_hashfunc(net, SHIM6_IPPROTO)];
	sk_for_each_rcu(sk, head)
		if (raw_v6_match(net, sk, SHIM6_IPPROTO, &iph->daddr,
				 &iph->saddr, inet6_iif(skb), inet6_sdif(skb)))
			return true;
	return false;
}

/*
 * Answer as the core would without a handler: this tells the peer that nobody here
 * speaks Shim6, so that it need not try again.
 */
static int shim6_decline(struct net *net, struct sk_buff *skb)
{
	if (shim6_is_raw(net, skb)) {
		consume_skb(skb);
		return 0;
	}
	if (!xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_XFRM_POLICY);
		return -1;
	}
	IP6_INC_STATS(net, ip6_dst_idev(skb_dst(skb)),
		      IPSTATS_MIB_INUNKNOWNPROTOS);
	icmpv6_send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR,
		    IP6CB(skb)->nhoff);
	kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO);
	return -1;
}

/* Data is at our header, which is where the transport header is. */
static int shim6_rcv(struct sk_buff *skb)
{
	struct net *net = dev_net(skb->dev);
	struct shim6_net *sn = shim6_pernet(net);
	struct shim6_context *ctx = NULL;
	const struct shim6_hdr *h;
	u64 tag = 0;

	/* There is neither a daemon nor a context, or there can be none. */
	if (!sn || !shim6_hooks_used(sn) || !shim6_filter_served(skb->dev))
		return shim6_decline(net, skb);
	if (!pskb_may_pull(skb, sizeof(*h)))
		goto malformed;
	h = (const struct shim6_hdr *)skb_transport_header(skb);
	if (shim6_is_payload(h)) {
		tag = shim6_tag(h->octet);
		ctx = shim6_context_by_tag(sn, tag);
	}
	/* For a known context, shim6_receive() asks, without our header. */
	if (!ctx && !xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_POLICY);
		return -1;
	}
	h = (const struct shim6_hdr *)skb_transport_header(skb);
	if (!shim6_is_payload(h))
		return shim6_control_in(sn, skb, SHIM6_ENCAPSULATION_NATIVE);
	/* A payload header is exactly 8 octets long (section 5.2). */
	if (h->hdrlen || ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr))
		goto malformed;

	if (!ctx) {
		shim6_event_no_context(sn, skb, tag,
				       SHIM6_ENCAPSULATION_NATIVE);
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_NO_CONTEXT);
		return -1;
	}
	/*
	 * The headers before ours have been dealt with, and are removed as
	 * well. They were pulled, so everything back to the IPv6 header is
	 * linear.
	 */
	__skb_push(skb, -skb_network_offset(skb));
	if (!shim6_receive(sn, skb, ctx, SHIM6_ENCAPSULATION_NATIVE,
			   offsetof(struct ipv6hdr, nexthdr),
			   sizeof(struct ipv6hdr), skb_transport_offset(skb)))
		return -1;
	shim6_input_again(skb);
	return 0;

malformed:
	shim6_drop(sn, skb, SHIM6_A_STATS_IN_HEADER);
	return -1;
}

/* The handler asks the IPsec policies itself: about the ULP, if there is one. */
static const struct inet6_protocol shim6_protocol = {
	.handler = shim6_rcv,
	.flags = INET6_PROTO_NOPOLICY,
};

/* A payload header in UDP that the hook has left. Data is at the UDP header. */
static void shim6_input_udp_payload(struct shim6_net *sn, struct sk_buff *skb,
				    u64 tag)
{
	struct shim6_context *ctx = shim6_context_by_tag(sn, tag);

	if (!ctx) {
		shim6_event_no_context(sn, skb, tag, SHIM6_ENCAPSULATION_UDP);
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_NO_CONTEXT);
		return;
	}
	shim6_udp_verified(skb);
	__skb_push(skb, -skb_network_offset(skb));
	if (skb_cow_head(skb, 0) ||
	    (skb_is_gso(skb) && skb_unclone(skb, GFP_ATOMIC))) {
		shim6_drop(sn, skb, SHIM6_A_STATS_IN_NO_MEMORY);
		return;
	}
	/* UDP has cut off what was behind the datagram. */
	shim6_set_payload_len(ipv6_hdr(skb),
			      skb->len - sizeof(struct ipv6hdr));
	if (!shim6_receive(sn, skb, ctx, SHIM6_ENCAPSULATION_UDP,
			   offsetof(struct ipv6hdr, nexthdr),
			   sizeof(struct ipv6hdr), skb_transport_offset(skb)))
		return;
	shim6_count(sn, SHIM6_A_STATS_IN_UDP);
	shim6_input_again(skb);
}

/**
 * shim6_input_udp - a datagram to our port has come through UDP
 * @sn: the namespace's state
 * @skb: the packet, taken over; its UDP checksum is right, and data is at the UDP
 *	header
 */
void shim6_input_udp(struct shim6_net *sn, struct sk_buff *skb)
{
	const unsigned int least = SHIM6_UDP_LEN + sizeof(struct shim6_hdr);
	const struct shim6_hdr *h;

	/* Nobody here speaks Shim6: the port is as good as closed. */
	if (!shim6_hooks_used(sn) || !shim6_filter_served(skb->dev)) {
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	if (!pskb_may_pull(skb, least))
		goto other;
	h = (const struct shim6_hdr *)(skb->data + SHIM6_UDP_LEN);
	if (!shim6_is_payload(h)) {
		__skb_pull(skb, SHIM6_UDP_LEN);
		skb_reset_transport_header(skb);
		shim6_control_in(sn, skb, SHIM6_ENCAPSULATION_UDP);
		return;
	}
	if (h->hdrlen || ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr))
		goto other;
	shim6_input_udp_payload(sn, skb, shim6_tag(h->octet));
	return;

other:
	shim6_drop(sn, skb, SHIM6_A_STATS_IN_UDP_OTHER);
}

/**
 * shim6_input_init - take IP protocol 140
 *
 * Return: 0, or a negative errno if somebody else has it.
 */
int __init shim6_input_init(void)
{
	return inet6_add_protocol(&shim6_protocol, SHIM6_IPPROTO);
}

/**
 * shim6_input_exit - give IP protocol 140 back
 *
 * No packet is in the handler afterwards.
 */
void shim6_input_exit(void)
{
	inet6_del_protocol(&shim6_protocol, SHIM6_IPPROTO);
}
