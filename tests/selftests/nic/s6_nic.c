// SPDX-License-Identifier: GPL-2.0
/*
 * Two network cards at the ends of a cable, nic0 and nic1, which do what no
 * virtual device of the kernel does.
 *
 * The receiver reports checksums as the parameter csum says, through GRO.
 *
 * With the parameter plain, the sender is a card that can segment and sum TCP and
 * UDP only right behind the IPv6 header, as the feature NETIF_F_IPV6_CSUM
 * promises. It counts packets for which it would need more: such a card would
 * send garbage.
 *
 * With the parameter parses, the sender has a bus and the feature NETIF_F_HW_CSUM.
 * Its driver still looks for TCP and UDP behind the extension headers that it
 * knows. It drops and counts a large segment where it finds neither, as drivers of
 * real cards do.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/ipv6.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

enum { S6_CSUM_NONE, S6_CSUM_COMPLETE, S6_CSUM_UNNECESSARY };

static int csum;
module_param(csum, int, 0644);
MODULE_PARM_DESC(csum, "of what is received: 0 NONE, 1 COMPLETE, 2 UNNECESSARY");

static bool plain;
module_param(plain, bool, 0444);
MODULE_PARM_DESC(plain, "NETIF_F_IPV6_CSUM in place of NETIF_F_HW_CSUM");

static bool parses;
module_param(parses, bool, 0444);
MODULE_PARM_DESC(parses, "a card on a bus whose driver drops large segments of unknown protocols");

static int wrong;
module_param(wrong, int, 0644);
MODULE_PARM_DESC(wrong, "packets that the card could not have sent right");

static struct device *s6_bus;
static struct net_device *s6_nics[2];

struct s6_nic {
	struct napi_struct napi;
	struct sk_buff_head queue;
};

static int s6_nic_poll(struct napi_struct *napi, int budget)
{
	struct s6_nic *nic = container_of(napi, struct s6_nic, napi);
	struct sk_buff *skb;
	int n = 0;

	while (n < budget) {
		skb = skb_dequeue(&nic->queue);
		if (!skb)
			break;
		napi_gro_receive(napi, skb);
		n++;
	}
	if (n < budget) {
		napi_complete_done(napi, n);
		if (!skb_queue_empty(&nic->queue))
			napi_schedule(napi);
	}
	return n;
}

/* One packet, whole and with its checksum, at the other end of the cable. */
static void s6_nic_deliver(struct net_device *peer, struct sk_buff *skb)
{
	struct s6_nic *nic = netdev_priv(peer);

	/* Merging changes what a clone shares with the sender's queue. */
	skb = skb_unshare(skb, GFP_ATOMIC);
	if (!skb)
		return;
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
	skb->protocol = eth_type_trans(skb, peer);
	skb->csum_level = 0;
	switch (READ_ONCE(csum)) {
	case S6_CSUM_COMPLETE:
		skb->ip_summed = CHECKSUM_COMPLETE;
		skb->csum = skb_checksum(skb, 0, skb->len, 0);
		break;
	case S6_CSUM_UNNECESSARY:
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		break;
	default:
		skb->ip_summed = CHECKSUM_NONE;
	}
	if (skb_queue_len(&nic->queue) >= 4096) {
		kfree_skb(skb);
		return;
	}
	skb_queue_tail(&nic->queue, skb);
	napi_schedule(&nic->napi);
}

/* Does the packet need work that a plain card does wrong? */
static bool s6_nic_beyond(const struct sk_buff *skb)
{
	u8 nexthdr;

	if (skb->protocol != htons(ETH_P_IPV6) ||
	    (!skb_is_gso(skb) && skb->ip_summed != CHECKSUM_PARTIAL))
		return false;
	nexthdr = ipv6_hdr(skb)->nexthdr;
	return nexthdr != IPPROTO_TCP && nexthdr != IPPROTO_UDP;
}

/* Is it a large segment of a protocol that the driver does not know? */
static bool s6_nic_unknown(const struct sk_buff *skb)
{
	__be16 frag_off;
	u8 nexthdr;

	if (skb->protocol != htons(ETH_P_IPV6) || !skb_is_gso(skb))
		return false;
	nexthdr = ipv6_hdr(skb)->nexthdr;
	ipv6_skip_exthdr(skb, skb_network_offset(skb) + sizeof(struct ipv6hdr),
			 &nexthdr, &frag_off);
	return nexthdr != IPPROTO_TCP && nexthdr != IPPROTO_UDP;
}

static netdev_tx_t s6_nic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *peer = s6_nics[dev == s6_nics[0]];
	struct sk_buff *segs, *seg, *next;

	if ((plain && s6_nic_beyond(skb)) || (parses && s6_nic_unknown(skb))) {
		wrong++;
		goto drop;
	}
	if (!netif_running(peer))
		goto drop;
	if (!skb_is_gso(skb)) {
		if (skb->ip_summed == CHECKSUM_PARTIAL &&
		    skb_checksum_help(skb))
			goto drop;
		s6_nic_deliver(peer, skb);
		return NETDEV_TX_OK;
	}
	segs = skb_gso_segment(skb, NETIF_F_SG);
	if (IS_ERR_OR_NULL(segs))
		goto drop;
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		s6_nic_deliver(peer, seg);
	}
	consume_skb(skb);
	return NETDEV_TX_OK;

drop:
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int s6_nic_open(struct net_device *dev)
{
	struct s6_nic *nic = netdev_priv(dev);

	napi_enable(&nic->napi);
	netif_start_queue(dev);
	return 0;
}

static int s6_nic_stop(struct net_device *dev)
{
	struct s6_nic *nic = netdev_priv(dev);

	netif_stop_queue(dev);
	napi_disable(&nic->napi);
	skb_queue_purge(&nic->queue);
	return 0;
}

static const struct net_device_ops s6_nic_ops = {
	.ndo_open = s6_nic_open,
	.ndo_stop = s6_nic_stop,
	.ndo_start_xmit = s6_nic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

static void s6_nic_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &s6_nic_ops;
	dev->features = NETIF_F_SG | NETIF_F_TSO6 | NETIF_F_GRO |
			(plain ? NETIF_F_IPV6_CSUM : NETIF_F_HW_CSUM);
	dev->hw_features = dev->features;
	eth_hw_addr_random(dev);
}

static int s6_nic_new(int i)
{
	struct net_device *dev;
	struct s6_nic *nic;
	int err;

	dev = alloc_netdev(sizeof(*nic), i ? "nic1" : "nic0", NET_NAME_USER,
			   s6_nic_setup);
	if (!dev)
		return -ENOMEM;
	SET_NETDEV_DEV(dev, s6_bus);
	nic = netdev_priv(dev);
	skb_queue_head_init(&nic->queue);
	netif_napi_add(dev, &nic->napi, s6_nic_poll);
	s6_nics[i] = dev;
	err = register_netdev(dev);
	if (err)
		free_netdev(dev);
	return err;
}

static void s6_nic_del(int i)
{
	unregister_netdev(s6_nics[i]);
	free_netdev(s6_nics[i]);
}

static int __init s6_nic_init(void)
{
	int err;

	if (parses) {
		s6_bus = root_device_register("s6_nic");
		if (IS_ERR(s6_bus))
			return PTR_ERR(s6_bus);
	}
	err = s6_nic_new(0);
	if (err)
		goto err_bus;
	err = s6_nic_new(1);
	if (err)
		goto err_nic;
	return 0;

err_nic:
	s6_nic_del(0);
err_bus:
	if (s6_bus)
		root_device_unregister(s6_bus);
	return err;
}

static void __exit s6_nic_exit(void)
{
	s6_nic_del(1);
	s6_nic_del(0);
	if (s6_bus)
		root_device_unregister(s6_bus);
}

module_init(s6_nic_init);
module_exit(s6_nic_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Two network cards with the checksums that a test wants");
