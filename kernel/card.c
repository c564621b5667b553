// SPDX-License-Identifier: GPL-2.0
/*
 * What a network device can be trusted with behind a Payload Extension header:
 * to cut large segments, and to make checksums.
 *
 * The feature flags of a device promise more than drivers keep. NETIF_F_HW_CSUM
 * means that the card needs no knowledge of the headers, but several drivers
 * parse them all the same, and drop a large segment when they meet a protocol
 * number that they do not know. No flag tells these from the others, so what
 * leaves by a card is cut and summed here, unless the administrator says that
 * the cards of this machine do better.
 */
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <net/ip6_route.h>

#include "card.h"
#include "compat.h"

static bool card_offload;
module_param(card_offload, bool, 0644);
MODULE_PARM_DESC(card_offload, "network cards segment and sum packets with the Payload Extension header (default: no)");

static int shim6_card_has_parent(struct net_device *dev,
				 struct netdev_nested_priv *priv)
{
	return !!dev->dev.parent;
}

/*
 * Is there hardware, or what stands for it in a virtual machine, behind a
 * device or below it (bonds, bridges, VLANs)?
 */
static bool shim6_card_is_real(struct net_device *dev)
{
	struct netdev_nested_priv priv = {};

	if (dev->dev.parent)
		return true;
	/* The walk takes longer than the rest of what is done to a packet. */
	return !list_empty(&dev->adj_list.lower) &&
	       netdev_walk_all_lower_dev_rcu(dev, shim6_card_has_parent, &priv);
}

/*
 * Devices that have the feature NETIF_F_IPV6_CSUM look for TCP and UDP right
 * behind the IPv6 header, and those that offload tunnels look for them there as
 * well; not every kernel keeps a packet with an extension header from them.
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
 *
 * Return: true if there is none to be made, too.
 */
bool shim6_card_sums(const struct sk_buff *skb)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return true;
	return !shim6_card_blind(skb) &&
	       (READ_ONCE(card_offload) ||
		!shim6_card_is_real(skb_dst(skb)->dev));
}

/**
 * shim6_card_cuts - can a large segment be left to its device?
 * @skb: the segment, with the route by which it leaves; the caller is in an RCU
 *	read-side section
 *
 * A large segment can get as such to a router that is a namespace or the host
 * of this machine. Linux looks for the header of TCP right behind that of IPv6
 * when it forwards one: it reads a sequence number as the header's length, and
 * drops what then seems too short or too long. So these are cut here as well;
 * behind a card there is a wire, on which there are no large segments.
 */
bool shim6_card_cuts(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!shim6_card_sums(skb))
		return false;
	if (!(skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6) || dst_xfrm(dst) ||
	    !(dst_rt6_info(dst)->rt6i_flags & RTF_GATEWAY))
		return true;
	return shim6_card_is_real(dst->dev);
}
