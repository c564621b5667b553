/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the packets of a context are carried on a locator pair. Code that sends
 * packets asks the pair, and knows neither the length of a header nor an IP
 * protocol.
 *
 * There is one way today: the Payload Extension header. Another way is another
 * struct shim6_encap with its own push and pull, and one more case in
 * shim6_encap_of(). The structures are static const and are found by a switch.
 * So while there is one way, the compiler makes constants and direct calls.
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
 * @overhead: by how many octets it makes a packet longer
 * @push: make a packet with ULIDs one with locators, and put the header where
 *	@place says; 0 or a negative errno with the packet unchanged or useless
 * @pull: take the header at @offset out of a packet that has arrived, and all that
 *	is between it and the first @keep octets; the locators stay. @prev is where
 *	the Next Header field is that tells of the header. All three count from
 *	the IPv6 header, where data is. The packet can be written to, and is
 *	linear up to the end of the header
 */
struct shim6_encap {
	u8 ipproto;
	u8 overhead;
	int (*push)(struct sk_buff *skb, const struct shim6_path *path,
		    const struct shim6_place *place);
	void (*pull)(struct sk_buff *skb, unsigned int prev, unsigned int keep,
		     unsigned int offset);
};

int shim6_native_push(struct sk_buff *skb, const struct shim6_path *path,
		      const struct shim6_place *place);
void shim6_native_pull(struct sk_buff *skb, unsigned int prev,
		       unsigned int keep, unsigned int offset);

static const struct shim6_encap shim6_encap_native = {
	.ipproto = SHIM6_IPPROTO,
	.overhead = SHIM6_PAYLOAD_LEN,
	.push = shim6_native_push,
	.pull = shim6_native_pull,
};

/* @encapsulation: enum shim6_encapsulation, of which the policy lets no other in. */
static inline const struct shim6_encap *shim6_encap_of(u32 encapsulation)
{
	switch (encapsulation) {
	case SHIM6_ENCAPSULATION_NATIVE:
	default:
		return &shim6_encap_native;
	}
}

#endif /* _SHIM6_ENCAP_H */
