// SPDX-License-Identifier: GPL-2.0
/*
 * The work that a network device can be trusted with behind a Payload Extension
 * header: to cut GSO packets, and to compute checksums.
 *
 * The feature flags of a device promise more than drivers keep. NETIF_F_HW_CSUM
 * means that the card needs no knowledge of the headers. But several drivers parse
 * the headers all the same, and drop a GSO packet when they meet a protocol number
 * that they do not know. No flag tells these drivers from the others. So packets
 * that leave by a card are cut and summed here, unless the administrator says that
 * the cards of this machine do better.
 */
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <net/ip6_route.h>

#include "card.h"
#include "compat.h"
#include "encap.h"

static bool card_offload;
module_param(card_offload, bool, 0644);
MODULE_PARM_DESC(card_offload, "network cards segment and sum packets with the Payload Extension header (default: no)");

static int shim6_card_has_parent(struct net_device *dev,
				 struct netdev_nested_priv *priv)
{
	return !!dev->dev.parent;
}

/* Is there hardware below a device? */
static noinline bool shim6_card_below(struct net_device *dev)
{
	struct netdev_nested_priv priv = {};

	return netdev_walk_all_lower_dev_rcu(dev, shim6_card_has_parent, &priv);
}

/*
 * Is there hardware behind a device or below it (bonds, bridges, VLANs)? The devices
 * of a virtual machine count as hardware.
 */
static bool shim6_card_is_real(struct net_device *dev)
{
	if (dev->dev.parent)
		return true;
	/* The walk takes longer than all else that is done to a packet. */
	return !list_empty(&dev->adj_list.lower) && shim6_card_below(dev);
}

/*
 * Does the device of a packet look for TCP and UDP right behind the IPv6 header?
 * Devices with the feature NETIF_F_IPV6_CSUM do, and so do those that offload
 * tunnels. Not every kernel keeps a packet with an extension header from them.
 */
static bool shim6_card_blind(const struct sk_buff *skb)
{
	const netdev_features_t f = skb_dst(skb)->dev->features;

	return skb->encapsulation ||
	       (f & (NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM)) == NETIF_F_IPV6_CSUM;
}

/**
 * shim6_card_sums - can a packet's checksum be left to its device?
 * @skb: the packet, with the route by which it leaves; the caller is in an RCU
 *	read-side section
 * @udp: it will be in UDP. Then the core knows of headers before the upper layer's,
 *	and leaves no more to a device than that does in a tunnel; but the sum of
 *	the UDP header is found only if the upper layer's is of the same kind
 *
 * Return: whether it can; true as well if there is no checksum to compute.
 */
bool shim6_card_sums(struct sk_buff *skb, bool udp)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return true;
	return !(udp ? skb->encapsulation || skb_csum_is_sctp(skb) :
		       shim6_card_blind(skb)) &&
	       (READ_ONCE(card_offload) ||
		!shim6_card_is_real(skb_dst(skb)->dev));
}

/**
 * shim6_card_cuts - can a GSO packet be left to its device?
 * @skb: the packet, with the route by which it leaves; the caller is in an RCU
 *	read-side section
 * @udp: it will be in UDP, whose length has 16 bits
 *
 * Uncut, a GSO packet can get to a router that is a namespace or the host of this
 * machine. When Linux forwards one, it looks for TCP's header right behind that of
 * IPv6: it reads a sequence number as the header's length, and drops a packet that
 * then seems too short or too long. So packets to a router are cut here as well.
 * Behind a card there is a wire, on which there are no GSO packets. In UDP, Linux
 * knows where TCP's header is.
 */
bool shim6_card_cuts(struct sk_buff *skb, bool udp)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!shim6_card_sums(skb, udp))
		return false;
	if (udp)
		return skb->ip_summed == CHECKSUM_PARTIAL &&
		       skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6 &&
		       skb->len + SHIM6_UDP_OVERHEAD <= IPV6_MAXPLEN;
	if (!(skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6) || dst_xfrm(dst) ||
	    !(dst_rt6_info(dst)->rt6i_flags & RTF_GATEWAY))
		return true;
	return shim6_card_is_real(dst->dev);
}
