// SPDX-License-Identifier: GPL-2.0
/*
 * Output: packets of a ULID pair whose context is re-homed get the current
 * locator pair, the Payload Extension header and another route (RFC 5533
 * section 11).
 *
 * The hook is the last at LOCAL_OUT, so that the host's firewall and conntrack
 * have seen the ULIDs. IPsec on the ULIDs comes before: a packet whose dst has
 * a transformation is left alone and passes here again when that is done.
 */
#include <linux/netfilter_ipv6.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "compat.h"
#include "context.h"
#include "daemon.h"
#include "flow.h"
#include "header.h"
#include "netns.h"
#include "output.h"
#include "path.h"
#include "policy.h"
#include "reap.h"
#include "stats.h"

/*
 * The Payload Extension header into a packet, and the locators for the ULIDs.
 * No checksum of the upper layer changes (RFC 5533 section 11.1).
 */
static int shim6_insert(struct sk_buff *skb, const struct shim6_path *path,
			const struct shim6_place *place)
{
	struct shim6_hdr *h;
	struct ipv6hdr *iph;
	int err;

	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	err = skb_cow_head(skb, SHIM6_PAYLOAD_LEN +
				LL_RESERVED_SPACE(skb_dst(skb)->dev));
	if (err)
		return err;
	skb_push(skb, SHIM6_PAYLOAD_LEN);
	memmove(skb->data, skb->data + SHIM6_PAYLOAD_LEN, place->offset);
	skb_reset_network_header(skb);

	h = (struct shim6_hdr *)(skb->data + place->offset);
	h->nexthdr = skb->data[place->prev];
	h->hdrlen = 0;
	memcpy(h->octet, path->header_tag, sizeof(h->octet));
	skb->data[place->prev] = SHIM6_IPPROTO;

	iph = ipv6_hdr(skb);
	iph->saddr = path->local;
	if (place->final)
		*(struct in6_addr *)(skb->data + place->final) = path->peer;
	else
		iph->daddr = path->peer;
	iph->payload_len = htons(skb->len - sizeof(*iph));
	return 0;
}

/* Make the checksum that was left for the device to make. */
static int shim6_checksum(struct sk_buff *skb)
{
	/* With no feature of a device it is made here, SCTP's as well. */
	return skb->ip_summed == CHECKSUM_PARTIAL ?
	       skb_csum_hwoffload_help(skb, 0) : 0;
}

/*
 * Devices that have the feature NETIF_F_IPV6_CSUM look for TCP and UDP right
 * behind the IPv6 header, and those that offload tunnels look for them there as
 * well; not every kernel keeps a packet with an extension header from them.
 */
static bool shim6_offload_blind(const struct sk_buff *skb)
{
	const netdev_features_t f = skb_dst(skb)->dev->features;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return false;
	return skb->encapsulation ||
	       (f & (NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM)) == NETIF_F_IPV6_CSUM;
}

/* There is a wire behind it, on which there are no large segments. */
static bool shim6_hardware(const struct net_device *dev)
{
	const struct device *parent = dev->dev.parent;

	return parent && parent->bus && strcmp(parent->bus->name, "virtio") &&
	       strcmp(parent->bus->name, "xen");
}

/*
 * A large segment can get as such to a router that is a namespace or the host of
 * this machine. Linux looks for the header of TCP right behind that of IPv6 when
 * it forwards one: it reads a sequence number as the header's length, and drops
 * what then seems too short or too long. So these are cut here.
 */
static bool shim6_forwarded_whole(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	return skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6 && !dst_xfrm(dst) &&
	       container_of(dst, struct rt6_info, dst)->rt6i_flags &
	       RTF_GATEWAY && !shim6_hardware(dst->dev);
}

/* Tell the sender what fits: @mtu octets without our header. */
static void shim6_too_big(struct sk_buff *skb, u32 mtu)
{
	skb->dev = skb_dst(skb)->dev;
	icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

/* No fragments of a fragment, and none without data. */
static bool shim6_can_fragment(const struct shim6_place *place, u32 mtu)
{
	return place->nexthdr != NEXTHDR_FRAGMENT &&
	       mtu >= place->offset + sizeof(struct frag_hdr) + 8;
}

/* Fragments of a packet, each with a header of its own (section 4.6). */
static int shim6_fragment(struct net *net, struct sock *sk,
			  struct sk_buff *skb, const struct shim6_path *path,
			  struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct dst_entry *dst = skb_dst(skb);
	struct ip6_frag_state state;
	struct sk_buff *frag;
	int err;

	if (!shim6_can_fragment(place, mtu))
		return -EMSGSIZE;
	err = shim6_checksum(skb);
	if (err)
		return err;
	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	ip6_frag_init(skb, place->offset,
		      mtu - place->offset - sizeof(struct frag_hdr),
		      dst->dev->needed_tailroom,
		      LL_RESERVED_SPACE(dst->dev) + SHIM6_PAYLOAD_LEN,
		      skb_network_header(skb) + place->prev, place->nexthdr,
		      ipv6_select_ident(net, &ipv6_hdr(skb)->daddr,
					&ipv6_hdr(skb)->saddr), &state);
	while (state.left > 0) {
		frag = ip6_frag_next(skb, &state);
		if (IS_ERR(frag))
			return PTR_ERR(frag);
		/* Its data begins at the network header. */
		err = shim6_insert(frag, path, place);
		if (err) {
			kfree_skb(frag);
			return err;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_FRAGMENTS);
		/* What a queue drops it counts itself. */
		if (dst_output(net, sk, frag) < 0)
			break;
	}
	return 0;
}

/* One packet that fits when it is cut into fragments, taken over. */
static void shim6_send_one(struct net *net, struct sock *sk,
			   struct sk_buff *skb, const struct shim6_path *path,
			   struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	int err;

	if (skb->len > mtu) {
		err = shim6_fragment(net, sk, skb, path, place, mtu);
		if (err == -EMSGSIZE)
			shim6_count_drop(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG);
		else if (err)
			shim6_count_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		consume_skb(skb);
		return;
	}
	if (shim6_insert(skb, path, place)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		return;
	}
	shim6_count(sn, SHIM6_A_STATS_OUT_REHOMED);
	dst_output(net, sk, skb);
}

/* Segments of a packet that no device below can be trusted to cut. */
static unsigned int shim6_segment(struct net *net, struct sock *sk,
				  struct sk_buff *skb,
				  const struct shim6_path *path,
				  struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct sk_buff *segs, *seg, *next;

	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  -ENOMEM);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		skb_reset_network_header(seg);
		if (!shim6_header_place(seg, place)) {
			shim6_drop(sn, seg, SHIM6_A_STATS_OUT_NO_MEMORY);
			continue;
		}
		shim6_send_one(net, sk, seg, path, place, mtu);
	}
	consume_skb(skb);
	return NF_STOLEN;
}

/* What does not fit into one packet of the path: tell, cut, or both. */
static unsigned int shim6_output_big(struct net *net, struct sock *sk,
				     struct sk_buff *skb,
				     const struct shim6_path *path,
				     struct shim6_place *place, u32 mtu)
{
	struct shim6_net *sn = shim6_pernet(net);
	bool tcp = skb->sk && sk_fullsock(skb->sk) &&
		   skb->sk->sk_protocol == IPPROTO_TCP;

	/*
	 * A sender that can adapt is told. None is told less than 1280 octets,
	 * which it would not believe (RFC 8201 section 4): then cut.
	 */
	if (mtu >= IPV6_MIN_MTU && (tcp || !skb->ignore_df))
		goto too_big;
	if (skb_is_gso(skb))
		return shim6_segment(net, sk, skb, path, place, mtu);
	if (!shim6_can_fragment(place, mtu))
		goto too_big;
	shim6_send_one(net, sk, skb, path, place, mtu);
	return NF_STOLEN;

too_big:
	shim6_too_big(skb, max_t(u32, mtu, IPV6_MIN_MTU));
	return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG,
				  -EMSGSIZE);
}

/*
 * The link of a packet's route is down, and somebody is about to repair that. The
 * packet would wait for a neighbour that does not answer, for three seconds, and
 * TCP does not retransmit what has not left: it is better lost at once.
 */
static bool shim6_output_stuck(const struct shim6_net *sn,
			       const struct sk_buff *skb)
{
	return !netif_carrier_ok(skb_dst(skb)->dev) && shim6_has_daemon(sn);
}

static unsigned int shim6_output_rehomed(struct net *net, struct sk_buff *skb,
					 struct sock *sk,
					 struct shim6_path *path,
					 struct shim6_place *place)
{
	struct shim6_net *sn = shim6_pernet(net);
	struct dst_entry *dst;
	u32 mtu;
	int err;

	dst = shim6_path_route(net, skb, path,
			       place->final ? &ipv6_hdr(skb)->daddr : NULL);
	/* Where somebody is about to repair it the ULP need not know. */
	if (IS_ERR(dst) && shim6_has_daemon(sn)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
		return NF_STOLEN;
	}
	if (IS_ERR(dst))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  PTR_ERR(dst));
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	if (shim6_output_stuck(sn, skb)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
		return NF_STOLEN;
	}
	mtu = dst_mtu(dst) - SHIM6_PAYLOAD_LEN;
	if (skb_is_gso(skb) ? !skb_gso_validate_network_len(skb, mtu) :
			      skb->len > mtu)
		return shim6_output_big(net, sk, skb, path, place, mtu);
	/* Jumbograms that a device would cut have no room for our header. */
	if (skb_is_gso(skb) && (skb->len + SHIM6_PAYLOAD_LEN > IPV6_MAXPLEN ||
				shim6_offload_blind(skb) ||
				shim6_forwarded_whole(skb)))
		return shim6_segment(net, sk, skb, path, place, mtu);
	err = shim6_offload_blind(skb) ? shim6_checksum(skb) : 0;
	if (!err)
		err = shim6_insert(skb, path, place);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	shim6_count(sn, SHIM6_A_STATS_OUT_REHOMED);
	return NF_ACCEPT;
}

/**
 * shim6_output - the hook at LOCAL_OUT
 * @priv: not used
 * @skb: a packet that this host sends; data is at the IPv6 header
 * @state: where
 *
 * Return: NF_ACCEPT, changed or not, or what netfilter calls the rest.
 */
unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct shim6_ulids ulids = {};
	struct shim6_place place;
	struct shim6_context *ctx;
	struct shim6_path *path;
	struct shim6_net *sn;

	if (!skb_dst(skb) || dst_xfrm(skb_dst(skb)) ||
	    ipv6_addr_is_multicast(&iph->daddr) ||
	    (skb_dst(skb)->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	if (!shim6_header_place(skb, &place) ||
	    place.nexthdr == SHIM6_IPPROTO ||
	    shim6_is_neighbour_discovery(skb, &place))
		return NF_ACCEPT;

	sn = shim6_pernet(state->net);
	ulids.local = iph->saddr;
	ulids.peer = iph->daddr;
	if (place.final &&
	    skb_copy_bits(skb, skb_network_offset(skb) + place.final,
			  &ulids.peer, sizeof(ulids.peer)))
		return NF_ACCEPT;

	ctx = shim6_context_by_ulids(sn, &ulids);
	if (!ctx) {
		shim6_flow_out(state->net, sn, skb, &ulids, &place);
		return NF_ACCEPT;
	}
	/* CT(peer) and Ls(peer) are set in these two (section 11). */
	if (READ_ONCE(ctx->state) < SHIM6_CONTEXT_STATE_ESTABLISHED)
		return NF_ACCEPT;
	path = rcu_dereference(ctx->path);
	if (path && shim6_policy_bypassed(sn, skb, &ulids, &place)) {
		shim6_count(sn, SHIM6_A_STATS_OUT_BYPASSED);
		return NF_ACCEPT;
	}
	shim6_reap_sent(ctx, skb->sk);
	if (!path) {
		if (shim6_output_stuck(sn, skb)) {
			shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
			return NF_STOLEN;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_ULID);
		return NF_ACCEPT;
	}
	return shim6_output_rehomed(state->net, skb, state->sk, path, &place);
}
