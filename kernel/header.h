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
 * struct shim6_hdr - what all headers of protocol 140 begin with
 * @nexthdr: Next Header
 * @hdrlen: Hdr Ext Len, in 8 octets without the first 8
 * @octet: of a payload header the P bit and the tag; of a control message P,
 *	type, the type's bits and S, then the checksum, and from octet 6 of the
 *	header on, if the type has one, the tag
 */
struct shim6_hdr {
	u8 nexthdr;
	u8 hdrlen;
	u8 octet[6];
};

/* The 47 bits at @p; the bit before them is not part of the tag. */
static inline u64 shim6_tag(const u8 *p)
{
	return get_unaligned_be48(p) & SHIM6_TAG_MAX;
}

static inline bool shim6_is_payload(const struct shim6_hdr *h)
{
	return h->octet[0] & SHIM6_PAYLOAD_BIT;
}

/**
 * struct shim6_place - where in a packet the header is or goes
 * @offset: of the header, or of what it goes before, from the IPv6 header
 * @prev: of the Next Header field that tells of it, from the IPv6 header
 * @nexthdr: what that field says
 * @final: of the final destination in a Routing header that has segments
 *	left, or 0 if the IPv6 header has it
 */
struct shim6_place {
	unsigned int offset;
	unsigned int prev;
	unsigned int final;
	u8 nexthdr;
};

bool shim6_header_walk(const struct sk_buff *skb, struct shim6_place *place);

/* Can our header be behind such a header? */
static inline bool shim6_header_passes(u8 nexthdr)
{
	return nexthdr == NEXTHDR_HOP || nexthdr == NEXTHDR_ROUTING ||
	       nexthdr == NEXTHDR_DEST;
}

/**
 * shim6_header_place - find where the Shim6 header is, or where it goes
 * @skb: a packet with its network header set; nothing is changed or pulled
 * @place: the answer
 *
 * Return: false for a packet that can't be read so far or has a Routing
 * header of unknown making: leave it alone.
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

bool shim6_is_neighbour_discovery(const struct sk_buff *skb,
				  const struct shim6_place *place);
bool shim6_payload_walk(const struct sk_buff *skb, unsigned int at, u8 nexthdr);

/**
 * shim6_payload_allowed - may this be behind a payload header?
 * @skb: a packet; nothing is changed or pulled
 * @at: where the payload header ends, from data
 * @nexthdr: its Next Header
 *
 * Not another header of protocol 140: once the ULIDs are in the packet, a
 * control message would have a source that its sender does not have (RFC 5533
 * section 12.4). Nor Neighbour Discovery, which no sender of ours puts there
 * and which is believed for its hop limit alone. Either could hide where a
 * first fragment ends before its last header does, so that is refused as well
 * (RFC 7112); a later fragment tells nothing, and is nothing without the first.
 *
 * Return: true if it may.
 */
static inline bool shim6_payload_allowed(const struct sk_buff *skb,
					 unsigned int at, u8 nexthdr)
{
	return nexthdr == NEXTHDR_TCP || nexthdr == NEXTHDR_UDP ||
	       shim6_payload_walk(skb, at, nexthdr);
}

__wsum shim6_header_delta(const struct in6_addr *a, const struct in6_addr *b,
			  const struct in6_addr *was_a,
			  const struct in6_addr *was_b);

#endif /* _SHIM6_HEADER_H */
