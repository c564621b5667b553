// SPDX-License-Identifier: GPL-2.0
/*
 * Segmentation (GSO) and merging (GRO) of packets with a Payload Extension header.
 *
 * The upper layer's checksum is over the ULIDs, but GRO proves it over the
 * addresses in the packet. So only packets of a context of this host are merged,
 * and the sum is corrected by the difference between the two pairs of addresses.
 * Packets that this host forwards stay as they are: if they were merged, their
 * checksums would be computed over locators when they are cut again. That is also
 * why the flag INET6_PROTO_GSO_EXTHDR is no use: with it, the core would step over
 * the header and merge all packets.
 */
#include <linux/delay.h>
#include <net/addrconf.h>
#include <net/gro.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/protocol.h>

#include "compat.h"
#include "filter.h"
#include "header.h"
#include "locators.h"
#include "offload.h"
#include "state.h"
#include "stats.h"

/* The module goes: merge nothing any more. */
static bool shim6_offload_ends;

static const struct net_offload *shim6_offload_of(u8 nexthdr)
{
	/* Packets with further headers are too rare to be worth the trouble. */
	if (nexthdr != IPPROTO_TCP && nexthdr != IPPROTO_UDP)
		return NULL;
	return rcu_dereference(inet6_offloads[nexthdr]);
}

/*
 * Cut a GSO packet. Transport header and data are at our header. Only one header of
 * Destination Options may follow: a packet that somebody has made up (a guest,
 * for example) can't lead us further.
 */
static struct sk_buff *shim6_gso_segment(struct sk_buff *skb,
					 netdev_features_t features)
{
	const struct net_offload *ops;
	struct ipv6_opt_hdr *opt;
	u8 nexthdr;

	if (!pskb_may_pull(skb, SHIM6_PAYLOAD_LEN))
		return ERR_PTR(-EINVAL);
	nexthdr = skb->data[0];
	__skb_pull(skb, SHIM6_PAYLOAD_LEN);
	if (nexthdr == NEXTHDR_DEST) {
		if (!pskb_may_pull(skb, sizeof(*opt)))
			return ERR_PTR(-EINVAL);
		opt = (struct ipv6_opt_hdr *)skb->data;
		if (!pskb_may_pull(skb, ipv6_optlen(opt)))
			return ERR_PTR(-EINVAL);
		opt = (struct ipv6_opt_hdr *)skb->data;
		nexthdr = opt->nexthdr;
		__skb_pull(skb, ipv6_optlen(opt));
	}
	if (skb->data - skb->head >= U16_MAX)
		return ERR_PTR(-EINVAL);
	skb_reset_transport_header(skb);
	ops = rcu_dereference(inet6_offloads[nexthdr]);
	if (nexthdr == SHIM6_IPPROTO || !ops || !ops->callbacks.gso_segment)
		return ERR_PTR(-EPROTONOSUPPORT);
	return ops->callbacks.gso_segment(skb, features);
}

/* The context of a packet that is for us, or NULL. */
static struct shim6_context *shim6_gro_context(const struct sk_buff *skb,
					       const struct ipv6hdr *iph,
					       const struct shim6_hdr *h)
{
	struct net *net = dev_net(skb->dev);
	struct shim6_net *sn = shim6_pernet(net);
	struct shim6_context *ctx;

	if (!sn || !shim6_is_payload(h) || h->hdrlen ||
	    !shim6_filter_served(skb->dev))
		return NULL;
	ctx = shim6_context_by_tag(sn, shim6_tag(h->octet));
	if (!ctx || READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_I1_SENT ||
	    !shim6_context_is_here(ctx, net, &iph->daddr))
		return NULL;
	return ctx;
}

/* Is the upper layer's checksum there, and not known to be right? */
static bool shim6_gro_unproved(const struct sk_buff *skb)
{
	return skb->ip_summed != CHECKSUM_PARTIAL &&
	       !NAPI_GRO_CB(skb)->csum_cnt;
}

/*
 * Prove the upper layer's checksum, which is over the ULIDs. The upper layer's GRO
 * sees only the locators, and takes the checksum as proved. It computes sums of
 * layers further in itself.
 *
 * Returns false if the packet is damaged or has no checksum.
 */
static bool shim6_gro_checksum(struct sk_buff *skb,
			       const struct shim6_context *ctx, u8 nexthdr)
{
	__wsum sum = NAPI_GRO_CB(skb)->csum;

	if (!NAPI_GRO_CB(skb)->csum_valid)
		sum = skb_checksum(skb, skb_gro_offset(skb), skb_gro_len(skb),
				   0);
	if (csum_ipv6_magic(&ctx->ulids.peer, &ctx->ulids.local,
			    skb_gro_len(skb), nexthdr, sum))
		return false;
	NAPI_GRO_CB(skb)->csum_valid = 0;
	NAPI_GRO_CB(skb)->csum_cnt = 1;
	/* If the packet is not merged, the sum need not be proved again. */
	__skb_incr_checksum_unnecessary(skb);
	return true;
}

/*
 * Is a packet that is held of the same context as one with this header? It then has
 * the same locators, since it is of the same flow, and its context was found.
 */
static bool shim6_gro_held(struct list_head *head, unsigned int off,
			   const struct shim6_hdr *h)
{
	bool held = false;
	struct sk_buff *p;

	list_for_each_entry(p, head, list) {
		if (!NAPI_GRO_CB(p)->same_flow)
			continue;
		if (memcmp(p->data + off, h, SHIM6_PAYLOAD_LEN))
			NAPI_GRO_CB(p)->same_flow = 0;
		else
			held = true;
	}
	return held;
}

static struct sk_buff *shim6_gro_receive(struct list_head *head,
					 struct sk_buff *skb)
{
	const unsigned int off = skb_gro_offset(skb);
	const struct shim6_context *ctx = NULL;
	const struct net_offload *ops;
	struct sk_buff *pp = NULL;
	const struct ipv6hdr *iph;
	const struct shim6_hdr *h;
	int flush = 1;

	/*
	 * A list of fragments keeps the headers of all packets, with locators,
	 * but the socket is looked up by ULIDs.
	 */
	h = skb_gro_header(skb, off + SHIM6_PAYLOAD_LEN, off);
	if (unlikely(!h) || NAPI_GRO_CB(skb)->flush ||
	    skb->dev->features & NETIF_F_GRO_FRAGLIST ||
	    READ_ONCE(shim6_offload_ends))
		goto out;
	ops = shim6_offload_of(h->nexthdr);
	if (!ops || !ops->callbacks.gro_receive)
		goto out;
	/* Most packets follow one of their flow, whose context needs no search. */
	if (!shim6_gro_held(head, off, h) || shim6_gro_unproved(skb)) {
		iph = skb_gro_network_header(skb);
		ctx = shim6_gro_context(skb, iph, h);
		if (!ctx)
			goto out;
	}

	skb_gro_pull(skb, SHIM6_PAYLOAD_LEN);
	skb_gro_postpull_rcsum(skb, h, SHIM6_PAYLOAD_LEN);
	skb_set_transport_header(skb, skb_gro_offset(skb));
	if (shim6_gro_unproved(skb) &&
	    !shim6_gro_checksum(skb, ctx, h->nexthdr))
		goto out;
	pp = ops->callbacks.gro_receive(head, skb);
	flush = 0;
out:
	skb_gro_flush_final(skb, pp, flush);
	return pp;
}

static int shim6_gro_complete(struct sk_buff *skb, int nhoff)
{
	const struct shim6_hdr *h = (struct shim6_hdr *)(skb->data + nhoff);
	const struct net_offload *ops = shim6_offload_of(h->nexthdr);
	const struct ipv6hdr *iph = shim6_gro_complete_iph(skb);
	const struct shim6_context *ctx;
	__sum16 *sum;
	int err;

	if (!ops || !ops->callbacks.gro_complete)
		return -EPROTONOSUPPORT;
	err = ops->callbacks.gro_complete(skb, nhoff + SHIM6_PAYLOAD_LEN);
	if (err)
		return err;
	/*
	 * Put the ULIDs' sum in place of the locators', in case the packet is
	 * cut again; but not if the sum to be made is that of a layer further
	 * in.
	 */
	ctx = shim6_gro_context(skb, iph, h);
	if (ctx && skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_checksum_start(skb) == skb->data + nhoff + SHIM6_PAYLOAD_LEN &&
	    skb->csum_start + skb->csum_offset + sizeof(*sum) <=
		    skb_headroom(skb) + skb_headlen(skb)) {
		sum = (__sum16 *)(skb->head + skb->csum_start +
				  skb->csum_offset);
		*sum = ~csum_fold(csum_add(csum_unfold(*sum),
					   shim6_header_delta(&ctx->ulids.peer,
							      &ctx->ulids.local,
							      &iph->saddr,
							      &iph->daddr)));
		shim6_count(ctx->sn, SHIM6_A_STATS_GRO_MERGED);
	}
	return 0;
}

/**
 * shim6_udp_gro_receive - gro_receive of the UDP socket
 * @sk: the socket
 * @head: the packets that are held
 * @skb: a datagram, whose UDP checksum is right; GRO is behind the UDP header
 *
 * Only TCP is merged: UDP can't tell two headers of its own from each other.
 *
 * Return: as any gro_receive.
 */
struct sk_buff *shim6_udp_gro_receive(struct sock *sk, struct list_head *head,
				      struct sk_buff *skb)
{
	const unsigned int off = skb_gro_offset(skb);
	const struct shim6_hdr *h;

	h = skb_gro_header(skb, off + SHIM6_PAYLOAD_LEN, off);
	if (!h || h->nexthdr != IPPROTO_TCP) {
		NAPI_GRO_CB(skb)->flush = 1;
		return NULL;
	}
	shim6_gro_no_tunnel(skb);
	return shim6_gro_receive(head, skb);
}

/**
 * shim6_udp_gro_complete - gro_complete of the UDP socket
 * @sk: the socket
 * @skb: the merged packet
 * @nhoff: where our header is, from data
 *
 * Return: 0 or a negative errno.
 */
int shim6_udp_gro_complete(struct sock *sk, struct sk_buff *skb, int nhoff)
{
	int err = shim6_gro_complete(skb, nhoff);

	/* In case it is cut again: encap_udp.c sends it like this. */
	skb_set_inner_mac_header(skb, nhoff);
	skb_set_inner_network_header(skb, nhoff);
	skb_set_inner_ipproto(skb, SHIM6_IPPROTO);
	return err;
}

static const struct net_offload shim6_offload = {
	.callbacks = {
		.gso_segment = shim6_gso_segment,
		.gro_receive = shim6_gro_receive,
		.gro_complete = shim6_gro_complete,
	},
};

/**
 * shim6_offload_init - begin to segment and merge
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_offload_init(void)
{
	return inet6_add_offload(&shim6_offload, SHIM6_IPPROTO);
}

/*
 * Let every device poll: a poll ends by completing packets that have been held
 * for longer than a jiffy. A poll that the device has not asked for does no harm.
 */
static void shim6_offload_flush(void)
{
	struct napi_struct *napi;
	struct net_device *dev;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net) {
		for_each_netdev_rcu(net, dev) {
			local_bh_disable();
			list_for_each_entry_rcu(napi, &dev->napi_list, dev_list)
				napi_schedule(napi);
			local_bh_enable();
		}
	}
	rcu_read_unlock();
}

/**
 * shim6_offload_exit - stop; no packet is on its way through us afterwards
 */
void shim6_offload_exit(void)
{
	/*
	 * Packets that are merged already wait for their completion: until the
	 * device's poll ends, or as long as an administrator has set in
	 * gro_flush_timeout. Without us, the core would warn of such a packet
	 * and drop it.
	 */
	WRITE_ONCE(shim6_offload_ends, true);
	synchronize_net();
	msleep(20);
	shim6_offload_flush();
	msleep(100);
	inet6_del_offload(&shim6_offload, SHIM6_IPPROTO);
}
