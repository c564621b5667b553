// SPDX-License-Identifier: GPL-2.0
/*
 * The native encapsulation: a Payload Extension header (RFC 5533 section 5.2)
 * behind the headers that belong to routing, and locators in place of the ULIDs.
 * The packet is one of IP protocol 140 then.
 */
#include <linux/netdevice.h>
#include <net/dst.h>
#include <net/ipv6.h>

#include "compat.h"
#include "encap.h"
#include "path.h"

/**
 * shim6_native_push - make a packet with ULIDs one with locators
 * @skb: the packet, with the route by which it leaves; data is at the IPv6 header
 * @path: the current locator pair
 * @place: where the header goes
 *
 * No checksum of the upper layer changes (RFC 5533 section 11.1).
 *
 * Return: 0 or a negative errno.
 */
int shim6_native_push(struct sk_buff *skb, const struct shim6_path *path,
		      const struct shim6_place *place)
{
	struct shim6_hdr *h;
	int err;

	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	err = skb_cow_head(skb, SHIM6_PAYLOAD_LEN +
				LL_RESERVED_SPACE(skb_dst(skb)->dev));
	if (err)
		return err;
	shim6_encap_room(skb, place, SHIM6_PAYLOAD_LEN);
	h = (struct shim6_hdr *)(skb->data + place->offset);
	h->nexthdr = skb->data[place->prev];
	h->hdrlen = 0;
	memcpy(h->octet, path->header_tag, sizeof(h->octet));
	skb->data[place->prev] = SHIM6_IPPROTO;
	shim6_encap_locators(skb, &path->pair, place);
	return 0;
}
