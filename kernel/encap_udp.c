// SPDX-License-Identifier: GPL-2.0
/*
 * The encapsulation in UDP (docs/udp-encapsulation.md): as the native one, with a
 * UDP header before the Payload Extension header. Routers and firewalls that drop
 * IP protocol 140 see a UDP datagram.
 *
 * The UDP checksum is always there. It costs no pass over the data where the
 * upper layer's checksum is left to the device: the sum over the packet is then
 * known from the sum that is still missing (Local Checksum Offload).
 */
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "compat.h"
#include "encap.h"
#include "encap_udp.h"
#include "path.h"

/* Let the core cut and sum the packet behind the UDP header. */
static int shim6_udp_offload(struct sk_buff *skb, unsigned int offset)
{
	int err;

	if (!skb_is_gso(skb) && skb->ip_summed != CHECKSUM_PARTIAL) {
		/* The device computes the sum of the UDP header. */
		skb->encapsulation = 0;
		return 0;
	}
	skb->encapsulation = 1;
	/* The part behind the UDP header is cut as IP protocol 140 (offload.c). */
	skb_set_inner_mac_header(skb, offset + SHIM6_UDP_LEN);
	skb_set_inner_network_header(skb, offset + SHIM6_UDP_LEN);
	skb->inner_transport_header = skb->transport_header;
	skb_set_inner_ipproto(skb, SHIM6_IPPROTO);
	if (!skb_is_gso(skb))
		return 0;
	err = skb_header_unclone(skb, GFP_ATOMIC);
	if (!err)
		skb_shinfo(skb)->gso_type |= SKB_GSO_UDP_TUNNEL_CSUM;
	return err;
}

/**
 * shim6_udp_push - make a packet with ULIDs one with locators, in UDP
 * @skb: the packet, with the route by which it leaves; data is at the IPv6 header
 * @path: the current locator pair
 * @place: where the headers go
 *
 * Return: 0 or a negative errno.
 */
int shim6_udp_push(struct sk_buff *skb, const struct shim6_path *path,
		   const struct shim6_place *place)
{
	const __be16 port = htons(shim6_udp_port(path->sn));
	struct shim6_hdr *h;
	struct udphdr *uh;
	int err;

	/* The port was closed a moment ago. */
	if (!port)
		return -EADDRNOTAVAIL;
	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	err = skb_cow_head(skb, SHIM6_UDP_OVERHEAD +
				LL_RESERVED_SPACE(skb_dst(skb)->dev));
	if (err)
		return err;
	shim6_encap_room(skb, place, SHIM6_UDP_OVERHEAD);
	err = shim6_udp_offload(skb, place->offset);
	if (err)
		return err;
	skb_set_transport_header(skb, place->offset);

	uh = udp_hdr(skb);
	uh->source = port;
	uh->dest = port;
	uh->len = htons(skb->len - place->offset);
	h = (struct shim6_hdr *)(uh + 1);
	h->nexthdr = skb->data[place->prev];
	h->hdrlen = 0;
	memcpy(h->octet, path->header_tag, sizeof(h->octet));
	udp6_set_csum(false, skb, &path->pair.local, &path->pair.peer,
		      skb->len - place->offset);
	skb->data[place->prev] = IPPROTO_UDP;
	shim6_encap_locators(skb, &path->pair, place);
	return 0;
}

/**
 * shim6_udp_pull - take the UDP header and the header behind it out
 * @skb: the packet, whose UDP checksum was proved; it can be written to, and is
 *	linear up to the end of the headers
 * @prev: where the Next Header field is that tells of the UDP header
 * @keep: how many octets from the IPv6 header on stay
 * @offset: where the UDP header is
 */
void shim6_udp_pull(struct sk_buff *skb, unsigned int prev, unsigned int keep,
		    unsigned int offset)
{
	shim6_encap_take_out(skb, prev, keep, offset + SHIM6_UDP_LEN);
	skb->transport_header += SHIM6_UDP_LEN;
	/* The sum that was left to the device was that of the UDP header. */
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_checksum_start_offset(skb) < (int)keep)
		skb->ip_summed = CHECKSUM_NONE;
	if (skb_is_gso(skb))
		skb_shinfo(skb)->gso_type &= ~(SKB_GSO_UDP_TUNNEL |
					       SKB_GSO_UDP_TUNNEL_CSUM);
	skb->encapsulation = 0;
}

/**
 * shim6_udp_is_sent - shim6_is_udp_sent() for a UDP datagram
 * @skb: the packet
 * @place: where the UDP header is
 * @port: the namespace's port
 */
bool shim6_udp_is_sent(const struct sk_buff *skb,
		       const struct shim6_place *place, u16 port)
{
	const __be16 *ports;
	__be16 _ports[2];

	ports = skb_header_pointer(skb, skb_network_offset(skb) + place->offset,
				   sizeof(_ports), _ports);
	return ports && ports[0] == htons(port) && ports[1] == htons(port);
}

/**
 * shim6_udp_is_to - is a UDP datagram for a port?
 * @skb: a packet
 * @at: where the UDP header is, from data
 * @port: the port, in host order
 */
bool shim6_udp_is_to(const struct sk_buff *skb, unsigned int at, u16 port)
{
	const __be16 *dest;
	__be16 _dest;

	dest = skb_header_pointer(skb, at + offsetof(struct udphdr, dest),
				  sizeof(_dest), &_dest);
	return dest && *dest == htons(port);
}

/**
 * shim6_udp_is_whole - does a datagram end where its packet ends?
 * @skb: a packet that has arrived; data is at the IPv6 header
 * @offset: where the UDP header is
 *
 * UDP itself cuts off what is behind a datagram, and drops one that is cut off. It
 * also cuts a GSO packet that is several datagrams, as a host makes that forwards
 * them: only one from a tunnel is a single datagram.
 */
bool shim6_udp_is_whole(const struct sk_buff *skb, unsigned int offset)
{
	const struct udphdr *uh;
	struct udphdr _uh;

	uh = skb_header_pointer(skb, offset, sizeof(_uh), &_uh);
	if (uh && skb_is_gso(skb))
		return skb_shinfo(skb)->gso_type &
		       (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM);
	return uh && ntohs(uh->len) == skb->len - offset;
}

/* The sum of a datagram, as csum_ipv6_magic() wants it, from that of the packet. */
static bool shim6_udp_sum_is_right(const struct sk_buff *skb, unsigned int len,
				   __wsum sum)
{
	return !csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
				len, IPPROTO_UDP, sum);
}

/**
 * shim6_udp_verify - prove the UDP checksum of a packet that is not in UDP yet
 * @skb: the packet, whole; data is at the IPv6 header, and it is linear up to the
 *	end of the UDP header
 * @offset: where the UDP header is
 *
 * The sum that is found here serves the upper layer as well, so that no packet is
 * read twice.
 *
 * Return: whether the checksum is there and right.
 */
bool shim6_udp_verify(struct sk_buff *skb, unsigned int offset)
{
	const struct udphdr *uh = (const void *)(skb->data + offset);
	const unsigned int len = skb->len - offset;
	__wsum before, sum;

	if (!uh->check)
		return false;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		return true;
	/* The device, or GRO, has proved it, and maybe the next one. */
	if (skb->ip_summed == CHECKSUM_UNNECESSARY &&
	    (skb->csum_level || skb_is_gso(skb))) {
		__skb_decr_checksum_unnecessary(skb);
		return true;
	}
	before = csum_partial(skb->data, offset, 0);
	switch (skb->ip_summed) {
	case CHECKSUM_UNNECESSARY:
		/* It is right, which tells what the sum over the datagram is. */
		sum = csum_unfold(csum_ipv6_magic(&ipv6_hdr(skb)->saddr,
						  &ipv6_hdr(skb)->daddr, len,
						  IPPROTO_UDP, 0));
		break;
	case CHECKSUM_COMPLETE:
		if (shim6_udp_sum_is_right(skb, len,
					   csum_sub(skb->csum, before)))
			return true;
		fallthrough;
	default:
		sum = skb_checksum(skb, offset, len, 0);
		if (!shim6_udp_sum_is_right(skb, len, sum))
			return false;
	}
	skb->ip_summed = CHECKSUM_COMPLETE;
	skb->csum_complete_sw = 1;
	skb->csum_valid = 0;
	skb->csum = csum_add(sum, before);
	return true;
}

/**
 * shim6_udp_verified - UDP itself has proved the checksum of a packet
 * @skb: the packet, as UDP gives it
 *
 * UDP has noted something about its own sum, and nothing about the upper layer's.
 */
void shim6_udp_verified(struct sk_buff *skb)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		skb->ip_summed = CHECKSUM_NONE;
	skb->csum_valid = 0;
	skb->csum_complete_sw = 0;
}
