// SPDX-License-Identifier: GPL-2.0
/*
 * Where the Shim6 header stands among the extension headers (RFC 5533 section
 * 4.6): after those that belong to routing (Hop-by-Hop Options, Routing, and
 * Destination Options before Routing), and before all others.
 */
#include <linux/bitops.h>
#include <linux/seg6.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/seg6.h>

#include "compat.h"
#include "header.h"

/* A packet with more headers than this before ours is left alone. */
#define SHIM6_CHAIN_MAX	8

/* The final destination, if a Routing header still has segments left. */
static bool shim6_routing_final(const struct sk_buff *skb, unsigned int offset,
				unsigned int *final)
{
	struct ipv6_rt_hdr _rt;
	const struct ipv6_rt_hdr *rt;

	rt = skb_header_pointer(skb, skb_network_offset(skb) + offset,
				sizeof(_rt), &_rt);
	if (!rt)
		return false;
	if (!rt->segments_left)
		return true;
	/* There must be one address at least. */
	if (rt->hdrlen < 2)
		return false;
	switch (rt->type) {
	case IPV6_SRCRT_TYPE_4:
		*final = offset + offsetof(struct ipv6_sr_hdr, segments);
		return true;
	case IPV6_SRCRT_TYPE_0:
	case IPV6_SRCRT_TYPE_2:
		*final = offset + ipv6_optlen(rt) - sizeof(struct in6_addr);
		return true;
	}
	return false;
}

/**
 * shim6_header_walk - shim6_header_place() for a packet with extension headers
 * @skb: the packet
 * @place: the answer; it says already where the first header is
 *
 * Return: as shim6_header_place().
 */
bool shim6_header_walk(const struct sk_buff *skb, struct shim6_place *place)
{
	const int net = skb_network_offset(skb);
	struct ipv6_opt_hdr _opt;
	const struct ipv6_opt_hdr *opt;
	int i;

	for (i = 0; i < SHIM6_CHAIN_MAX; i++) {
		if (!shim6_header_passes(place->nexthdr))
			return true;
		opt = skb_header_pointer(skb, net + place->offset, sizeof(_opt),
					 &_opt);
		if (!opt)
			return false;
		if (place->nexthdr == NEXTHDR_DEST &&
		    opt->nexthdr != NEXTHDR_ROUTING)
			return true;
		if (place->nexthdr == NEXTHDR_ROUTING &&
		    !shim6_routing_final(skb, place->offset, &place->final))
			return false;
		place->prev = place->offset +
			      offsetof(struct ipv6_opt_hdr, nexthdr);
		place->offset += ipv6_optlen(opt);
		place->nexthdr = opt->nexthdr;
		if (net + place->offset > skb->len)
			return false;
	}
	return false;
}

/**
 * shim6_icmp_discovers - shim6_is_neighbour_discovery() for a packet of ICMPv6
 * @skb: the packet
 * @place: where its Shim6 header would go
 */
bool shim6_icmp_discovers(const struct sk_buff *skb,
			  const struct shim6_place *place)
{
	const u8 *type;
	u8 _type;

	type = skb_header_pointer(skb, skb_network_offset(skb) + place->offset,
				  sizeof(_type), &_type);
	return type && *type >= NDISC_ROUTER_SOLICITATION &&
	       *type <= NDISC_REDIRECT;
}

/**
 * shim6_payload_walk - shim6_payload_allowed() for headers that it looks into
 * @skb: the packet
 * @at: where the payload header ends, from data
 * @nexthdr: the payload header's Next Header
 * @port: the namespace's UDP port, or 0
 *
 * Return: as shim6_payload_allowed().
 */
bool shim6_payload_walk(const struct sk_buff *skb, unsigned int at, u8 nexthdr,
			u16 port)
{
	const struct udphdr *uh;
	struct udphdr _uh;
	struct frag_hdr _frag;
	const struct frag_hdr *frag;
	struct ipv6_opt_hdr _opt;
	const struct ipv6_opt_hdr *opt;
	const u8 *type;
	u8 _type;
	int i;

	for (i = 0; i < SHIM6_CHAIN_MAX; i++) {
		switch (nexthdr) {
		case SHIM6_IPPROTO:
			return false;
		case NEXTHDR_UDP:
			if (!port)
				return true;
			uh = skb_header_pointer(skb, at, sizeof(_uh), &_uh);
			return uh && uh->dest != htons(port);
		case NEXTHDR_ICMP:
			type = skb_header_pointer(skb, at, sizeof(_type),
						  &_type);
			return type && (*type < NDISC_ROUTER_SOLICITATION ||
					*type > NDISC_REDIRECT);
		case NEXTHDR_HOP:
		case NEXTHDR_ROUTING:
		case NEXTHDR_FRAGMENT:
		case NEXTHDR_AUTH:
		case NEXTHDR_DEST:
			break;
		default:
			return true;
		}
		opt = skb_header_pointer(skb, at, sizeof(_opt), &_opt);
		if (!opt)
			return false;
		if (nexthdr == NEXTHDR_FRAGMENT) {
			frag = skb_header_pointer(skb, at, sizeof(_frag),
						  &_frag);
			if (!frag)
				return false;
			if (frag->frag_off & htons(IP6_OFFSET))
				return true;
			at += sizeof(_frag);
		} else if (nexthdr == NEXTHDR_AUTH) {
			at += ipv6_authlen(opt);
		} else {
			at += ipv6_optlen(opt);
		}
		nexthdr = opt->nexthdr;
	}
	return false;
}

/**
 * shim6_header_delta - by how much a sum over two addresses grows when they change
 * @a: the first address after the change
 * @b: the second
 * @was_a: the first before it
 * @was_b: the second
 */
__wsum shim6_header_delta(const struct in6_addr *a, const struct in6_addr *b,
			  const struct in6_addr *was_a,
			  const struct in6_addr *was_b)
{
	__wsum now = csum_partial(b, sizeof(*b),
				  csum_partial(a, sizeof(*a), 0));
	__wsum was = csum_partial(was_b, sizeof(*was_b),
				  csum_partial(was_a, sizeof(*was_a), 0));

	return csum_sub(now, was);
}
