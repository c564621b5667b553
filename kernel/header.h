/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_HEADER_H
#define _SHIM6_HEADER_H

#include <linux/ipv6.h>
#include <linux/skbuff.h>

#include <uapi/linux/shim6.h>

#include "compat.h"

/* Octets of the Payload Extension header (RFC 5533 section 5.2). */
#define SHIM6_PAYLOAD_LEN	8
#define SHIM6_PAYLOAD_BIT	0x80

/* Message types of control messages (RFC 5533 section 5.3, RFC 5534). */
#define SHIM6_TYPE_MASK		0x7f
#define SHIM6_TYPE_R1		2
#define SHIM6_TYPE_R2		4
#define SHIM6_TYPE_R1BIS	5
#define SHIM6_TYPE_TAGGED	64
#define SHIM6_TYPE_KEEPALIVE	66
#define SHIM6_TYPE_PROBE	67
#define SHIM6_TYPE_ERROR	68

/* Where in a control message the checksum is, and the tag of a type with one. */
#define SHIM6_CONTROL_CHECKSUM	4
#define SHIM6_CONTROL_TAG	6
/* Octets of a Keepalive without options (RFC 5534 section 5.1). */
#define SHIM6_KEEPALIVE_LEN	16

/**
 * struct shim6_hdr - the first octets of every header of protocol 140
 * @nexthdr: Next Header
 * @hdrlen: Hdr Ext Len, in units of 8 octets, without the first 8
 * @octet: in a payload header the P bit and the tag; in a control message P, type,
 *	the bits of that type and S, then the checksum, and from octet 6 of the
 *	header on the tag, if the type has one
 */
struct shim6_hdr {
	u8 nexthdr;
	u8 hdrlen;
	u8 octet[6];
};

/* The tag of 47 bits at @p, in host order; the bit before it is not part of it. */
static inline u64 shim6_tag(const u8 *p)
{
	/* As two numbers: the kernel's function reads single octets. */
	return ((u64)get_unaligned_be16(p) << 32 | get_unaligned_be32(p + 2)) &
	       SHIM6_TAG_MAX;
}

static inline bool shim6_is_payload(const struct shim6_hdr *h)
{
	return h->octet[0] & SHIM6_PAYLOAD_BIT;
}

/**
 * struct shim6_place - where in a packet the Shim6 header is, or would go
 * @offset: where the header begins; this and the other offsets count octets from
 *	the IPv6 header
 * @prev: offset of the Next Header field that tells of it
 * @nexthdr: the value of that field
 * @final: offset of the final destination in a Routing header that has segments
 *	left, or 0 if the IPv6 header has the final destination
 */
struct shim6_place {
	unsigned int offset;
	unsigned int prev;
	unsigned int final;
	u8 nexthdr;
};

bool shim6_header_walk(const struct sk_buff *skb, struct shim6_place *place);

/* May our header be behind a header of this type? */
static inline bool shim6_header_passes(u8 nexthdr)
{
	return nexthdr == NEXTHDR_HOP || nexthdr == NEXTHDR_ROUTING ||
	       nexthdr == NEXTHDR_DEST;
}

/**
 * shim6_header_place - find where the Shim6 header is, or where it would go
 * @skb: a packet with its network header set; nothing is changed or pulled
 * @place: the answer
 *
 * Return: false if the packet can't be read so far, or has a Routing header of an
 * unknown type: leave the packet alone.
 */
static inline bool shim6_header_place(const struct sk_buff *skb,
				      struct shim6_place *place)
{
	place->offset = sizeof(struct ipv6hdr);
	place->prev = offsetof(struct ipv6hdr, nexthdr);
	place->nexthdr = ipv6_hdr(skb)->nexthdr;
	place->final = 0;
	return likely(!shim6_header_passes(place->nexthdr)) ||
	       shim6_header_walk(skb, place);
}

/**
 * shim6_header_is_simple - TCP or UDP right behind the IPv6 header?
 * @skb: a packet; data is at the IPv6 header
 * @port: the namespace's UDP port, or 0
 *
 * Most packets are so, and need none of the questions that others need.
 *
 * Return: false as well for a datagram that may be one of Shim6 in UDP.
 */
static inline bool shim6_header_is_simple(const struct sk_buff *skb, u16 port)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct udphdr *uh = (const struct udphdr *)(iph + 1);

	if (iph->nexthdr == IPPROTO_TCP)
		return true;
	return iph->nexthdr == IPPROTO_UDP &&
	       (!port || (skb_headlen(skb) >= sizeof(*iph) + sizeof(*uh) &&
			  uh->dest != htons(port)));
}

bool shim6_icmp_discovers(const struct sk_buff *skb,
			  const struct shim6_place *place);

/**
 * shim6_is_neighbour_discovery - is it a packet of Neighbour Discovery?
 * @skb: a packet with its network header set
 * @place: where its Shim6 header would go
 *
 * Such a packet asks on its link for the very addresses in it (RFC 4861), which
 * may be ULIDs: it must never go by other addresses.
 */
static inline bool
shim6_is_neighbour_discovery(const struct sk_buff *skb,
			     const struct shim6_place *place)
{
	return unlikely(place->nexthdr == NEXTHDR_ICMP) &&
	       shim6_icmp_discovers(skb, place);
}

bool shim6_payload_walk(const struct sk_buff *skb, unsigned int at, u8 nexthdr,
			u16 port);

/**
 * shim6_payload_allowed - may these headers be behind a payload header?
 * @skb: a packet; nothing is changed or pulled
 * @at: where the payload header ends, from data
 * @nexthdr: the payload header's Next Header
 * @port: the namespace's UDP port, or 0
 *
 * Refused are:
 * - another header of protocol 140: once the ULIDs are in the packet, a control
 *   message would have a source that its sender does not have (RFC 5533 section
 *   12.4). The same goes for a UDP datagram to our port;
 * - Neighbour Discovery: no sender of ours puts it there, and it is believed for
 *   its hop limit alone;
 * - a first fragment that ends before its last header does (RFC 7112): it could
 *   hide either. A later fragment tells nothing, and is useless without the
 *   first, so it may pass.
 *
 * Return: true if they may.
 */
static inline bool shim6_payload_allowed(const struct sk_buff *skb,
					 unsigned int at, u8 nexthdr, u16 port)
{
	return nexthdr == NEXTHDR_TCP || (nexthdr == NEXTHDR_UDP && !port) ||
	       shim6_payload_walk(skb, at, nexthdr, port);
}

__wsum shim6_header_delta(const struct in6_addr *a, const struct in6_addr *b,
			  const struct in6_addr *was_a,
			  const struct in6_addr *was_b);

#endif /* _SHIM6_HEADER_H */
