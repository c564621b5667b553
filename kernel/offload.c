// SPDX-License-Identifier: GPL-2.0
/*
 * Segmentation and its reverse for packets with a Payload Extension header.
 *
 * The upper layer's checksum is over the ULIDs, and GRO proves it over the
 * addresses in the packet. So what is merged has to be of a context that is
 * known here, and the sum is put right by the difference between the two pairs
 * of addresses. Packets of others, which this host forwards, stay as they are:
 * were they merged, their checksums would be made anew over locators when they
 * are cut again. That is also why the flag INET6_PROTO_GSO_EXTHDR is no use:
 * with it the core would step over the header and merge all.
 */
#include <net/addrconf.h>
#include <net/gro.h>
#include <net/ipv6.h>
#include <net/protocol.h>

#include "compat.h"
#include "context.h"
#include "header.h"
#include "netns.h"
#include "offload.h"
#include "stats.h"

static const struct net_offload *shim6_offload_of(u8 nexthdr)
{
	/* What is behind further headers is not worth the trouble. */
	if (nexthdr != IPPROTO_TCP && nexthdr != IPPROTO_UDP)
		return NULL;
	return rcu_dereference(inet6_offloads[nexthdr]);
}

/* Transport header and data are at our header. */
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
	/* Destination Options may follow. */
	while (nexthdr == NEXTHDR_DEST) {
		if (!pskb_may_pull(skb, sizeof(*opt)))
			return ERR_PTR(-EINVAL);
		opt = (struct ipv6_opt_hdr *)skb->data;
		if (!pskb_may_pull(skb, ipv6_optlen(opt)))
			return ERR_PTR(-EINVAL);
		opt = (struct ipv6_opt_hdr *)skb->data;
		nexthdr = opt->nexthdr;
		__skb_pull(skb, ipv6_optlen(opt));
	}
	skb_reset_transport_header(skb);
	ops = rcu_dereference(inet6_offloads[nexthdr]);
	if (!ops || !ops->callbacks.gso_segment)
		return ERR_PTR(-EPROTONOSUPPORT);
	return ops->callbacks.gso_segment(skb, features);
}

/* The context of a packet that is for us, or NULL. */
static struct shim6_context *shim6_gro_context(const struct sk_buff *skb,
					       const struct ipv6hdr *iph,
					       const struct shim6_hdr *h)
{
	struct net *net = dev_net(skb->dev);
	struct shim6_context *ctx;

	if (!shim6_is_payload(h) || h->hdrlen)
		return NULL;
	ctx = shim6_context_by_tag(shim6_pernet(net), shim6_tag(h->octet));
	if (!ctx || READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_I1_SENT ||
	    !ipv6_chk_addr(net, &iph->daddr, NULL, 0))
		return NULL;
	return ctx;
}

/*
 * The sum from here on, grown by what the ULIDs differ from the locators that
 * the upper layer's GRO is going to add.
 */
static void shim6_gro_checksum(struct sk_buff *skb, const struct ipv6hdr *iph,
			       const struct shim6_context *ctx)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL || NAPI_GRO_CB(skb)->csum_cnt)
		return;
	if (!NAPI_GRO_CB(skb)->csum_valid) {
		NAPI_GRO_CB(skb)->csum = skb_checksum(skb, skb_gro_offset(skb),
						      skb_gro_len(skb), 0);
		NAPI_GRO_CB(skb)->csum_valid = 1;
	}
	NAPI_GRO_CB(skb)->csum =
		csum_add(NAPI_GRO_CB(skb)->csum,
			 shim6_header_delta(&ctx->ulids.peer,
					    &ctx->ulids.local,
					    &iph->saddr, &iph->daddr));
}

static struct sk_buff *shim6_gro_receive(struct list_head *head,
					 struct sk_buff *skb)
{
	const unsigned int off = skb_gro_offset(skb);
	const struct net_offload *ops;
	const struct shim6_context *ctx;
	struct sk_buff *p, *pp = NULL;
	const struct ipv6hdr *iph;
	const struct shim6_hdr *h;
	int flush = 1;

	h = skb_gro_header(skb, off + SHIM6_PAYLOAD_LEN, off);
	if (unlikely(!h))
		goto out;
	iph = skb_gro_network_header(skb);
	ops = shim6_offload_of(h->nexthdr);
	ctx = shim6_gro_context(skb, iph, h);
	if (!ops || !ops->callbacks.gro_receive || !ctx)
		goto out;

	list_for_each_entry(p, head, list)
		if (NAPI_GRO_CB(p)->same_flow &&
		    memcmp(p->data + off, h, SHIM6_PAYLOAD_LEN))
			NAPI_GRO_CB(p)->same_flow = 0;

	skb_gro_pull(skb, SHIM6_PAYLOAD_LEN);
	skb_gro_postpull_rcsum(skb, h, SHIM6_PAYLOAD_LEN);
	skb_set_transport_header(skb, skb_gro_offset(skb));
	shim6_gro_checksum(skb, iph, ctx);
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
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct shim6_context *ctx;
	__sum16 *sum;
	int err;

	if (!ops || !ops->callbacks.gro_complete)
		return -EPROTONOSUPPORT;
	err = ops->callbacks.gro_complete(skb, nhoff + SHIM6_PAYLOAD_LEN);
	if (err)
		return err;
	/* The ULIDs' sum in place of the locators', for whoever cuts it. */
	ctx = shim6_gro_context(skb, iph, h);
	if (ctx && skb->ip_summed == CHECKSUM_PARTIAL &&
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

static const struct net_offload shim6_offload = {
	.callbacks = {
		.gso_segment = shim6_gso_segment,
		.gro_receive = shim6_gro_receive,
		.gro_complete = shim6_gro_complete,
	},
};

/**
 * shim6_offload_init - segment and merge
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_offload_init(void)
{
	return inet6_add_offload(&shim6_offload, SHIM6_IPPROTO);
}

/**
 * shim6_offload_exit - no more; none is on its way through us afterwards
 */
void shim6_offload_exit(void)
{
	inet6_del_offload(&shim6_offload, SHIM6_IPPROTO);
}
