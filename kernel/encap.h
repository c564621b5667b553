/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the packets of a context are carried on a locator pair. Code that sends
 * packets asks the pair, and knows neither the length of a header nor an IP
 * protocol.
 *
 * There are two ways: the Payload Extension header alone, and the same in UDP.
 * Another way is another struct shim6_encap, and one more case in the functions
 * here. A switch finds it, so that packets are carried by direct calls.
 */
#ifndef _SHIM6_ENCAP_H
#define _SHIM6_ENCAP_H

#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/checksum.h>

#include <uapi/linux/shim6.h>

#include "header.h"

struct shim6_path;
struct sk_buff;

/**
 * struct shim6_pair - a locator pair
 * @local: a locator of this host
 * @peer: a locator of the peer
 * @encapsulation: enum shim6_encapsulation. Two pairs that differ in this alone
 *	are two pairs
 */
struct shim6_pair {
	struct in6_addr local;
	struct in6_addr peer;
	u32 encapsulation;
};

static inline bool shim6_pair_equal(const struct shim6_pair *a,
				    const struct shim6_pair *b)
{
	return ipv6_addr_equal(&a->local, &b->local) &&
	       ipv6_addr_equal(&a->peer, &b->peer) &&
	       a->encapsulation == b->encapsulation;
}

/**
 * struct shim6_encap - a way to carry packets of a context
 * @ipproto: the IP protocol that routes, rules and filters see
 * @overhead: by how many octets it makes a packet longer; the last 8 of them are
 *	the Payload Extension header
 */
struct shim6_encap {
	u8 ipproto;
	u8 overhead;
};

/* Octets of a UDP header, and of what is before the payload with it. */
#define SHIM6_UDP_LEN		8
#define SHIM6_UDP_OVERHEAD	(SHIM6_UDP_LEN + SHIM6_PAYLOAD_LEN)

int shim6_native_push(struct sk_buff *skb, const struct shim6_path *path,
		      const struct shim6_place *place);
int shim6_udp_push(struct sk_buff *skb, const struct shim6_path *path,
		   const struct shim6_place *place);
void shim6_udp_pull(struct sk_buff *skb, unsigned int prev, unsigned int keep,
		    unsigned int offset);

static const struct shim6_encap shim6_encap_native = {
	.ipproto = SHIM6_IPPROTO,
	.overhead = SHIM6_PAYLOAD_LEN,
};

static const struct shim6_encap shim6_encap_udp = {
	.ipproto = IPPROTO_UDP,
	.overhead = SHIM6_UDP_OVERHEAD,
};

/* @encapsulation: enum shim6_encapsulation, of which the policy lets no other in. */
static inline const struct shim6_encap *shim6_encap_of(u32 encapsulation)
{
	switch (encapsulation) {
	case SHIM6_ENCAPSULATION_UDP:
		return &shim6_encap_udp;
	case SHIM6_ENCAPSULATION_NATIVE:
	default:
		return &shim6_encap_native;
	}
}

/*
 * Make room for @len octets of headers behind those that belong to routing. In
 * most packets these are the IPv6 header alone; its addresses need not move, since
 * both change.
 */
static inline void shim6_encap_room(struct sk_buff *skb,
				    const struct shim6_place *place,
				    unsigned int len)
{
	const unsigned char *was = skb->data;
	unsigned char *now = __skb_push(skb, len);

	if (likely(place->offset == sizeof(struct ipv6hdr)))
		memcpy(now, was, offsetof(struct ipv6hdr, saddr));
	else
		memmove(now, was, place->offset);
	skb_reset_network_header(skb);
}

/* Put locators in place of the ULIDs, once all headers are there. */
static inline void shim6_encap_locators(struct sk_buff *skb,
					const struct shim6_pair *pair,
					const struct shim6_place *place)
{
	struct ipv6hdr *iph = ipv6_hdr(skb);

	iph->saddr = pair->local;
	if (place->final)
		*(struct in6_addr *)(skb->data + place->final) = pair->peer;
	else
		iph->daddr = pair->peer;
	shim6_set_payload_len(iph, skb->len - sizeof(*iph));
}

/*
 * Move headers towards the data. The headers of nearly all packets are Ethernet's
 * and IPv6's alone.
 */
static __always_inline void
shim6_encap_shift(unsigned char *from, unsigned int len, unsigned int by)
{
	const int usual = ETH_HLEN + sizeof(struct ipv6hdr);
	int i;

	if (len != usual || by != SHIM6_PAYLOAD_LEN) {
		memmove(from + by, from, len);
		return;
	}
	/* From behind, and the last word begins with the first octet. */
	for (i = usual - sizeof(u64); i > 0; i -= sizeof(u64))
		put_unaligned(get_unaligned((u64 *)(from + i)),
			      (u64 *)(from + i + SHIM6_PAYLOAD_LEN));
	put_unaligned(get_unaligned((u64 *)from),
		      (u64 *)(from + SHIM6_PAYLOAD_LEN));
}

/**
 * shim6_encap_take_out - take a Payload Extension header out of a packet
 * @skb: the packet
 * @prev: where the Next Header field is that tells of the header
 * @keep: how many octets from the IPv6 header on stay
 * @offset: where the header is
 *
 * All before the header moves; the payload and the addresses stay.
 */
static __always_inline void
shim6_encap_take_out(struct sk_buff *skb, unsigned int prev, unsigned int keep,
		     unsigned int offset)
{
	const unsigned int len = offset + SHIM6_PAYLOAD_LEN - keep;
	unsigned char *net = skb_network_header(skb);
	struct ipv6hdr *iph;

	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = csum_sub(skb->csum,
				     csum_partial(net, keep + len, 0));

	net[prev] = net[offset];
	if (skb_mac_header_was_set(skb) &&
	    skb->mac_header <= skb->network_header) {
		const unsigned int l2 = skb->network_header - skb->mac_header;

		shim6_encap_shift(net - l2, l2 + keep, len);
		skb->mac_header += len;
		/* It stands before the MAC header, which has moved. */
		skb_metadata_clear(skb);
	} else {
		memmove(net + len, net, keep);
	}
	__skb_pull(skb, len);
	skb_reset_network_header(skb);
	skb->transport_header += SHIM6_PAYLOAD_LEN;

	iph = ipv6_hdr(skb);
	if (iph->payload_len)
		iph->payload_len = htons(ntohs(iph->payload_len) - len);

	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = csum_add(skb->csum, csum_partial(iph, keep, 0));
}

/**
 * shim6_encap_pull - take the headers of an encapsulation out of a packet
 * @encapsulation: enum shim6_encapsulation
 * @skb: a packet that has arrived; it can be written to, and is linear up to the
 *	end of the headers. The locators stay
 * @prev: where the Next Header field is that tells of the first header; this and
 *	the two others count from the IPv6 header, where data is
 * @keep: how many octets stay; what is between them and the headers goes as well
 * @offset: where the first header is
 */
static __always_inline void
shim6_encap_pull(u32 encapsulation, struct sk_buff *skb, unsigned int prev,
		 unsigned int keep, unsigned int offset)
{
	if (unlikely(encapsulation == SHIM6_ENCAPSULATION_UDP))
		shim6_udp_pull(skb, prev, keep, offset);
	else
		shim6_encap_take_out(skb, prev, keep, offset);
}

#endif /* _SHIM6_ENCAP_H */
