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

#include <linux/in6.h>
#include <linux/ipv6.h>

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
void shim6_native_pull(struct sk_buff *skb, unsigned int prev,
		       unsigned int keep, unsigned int offset);
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
static inline void shim6_encap_pull(u32 encapsulation, struct sk_buff *skb,
				    unsigned int prev, unsigned int keep,
				    unsigned int offset)
{
	if (unlikely(encapsulation == SHIM6_ENCAPSULATION_UDP))
		shim6_udp_pull(skb, prev, keep, offset);
	else
		shim6_native_pull(skb, prev, keep, offset);
}

#endif /* _SHIM6_ENCAP_H */
