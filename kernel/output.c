// SPDX-License-Identifier: GPL-2.0
/*
 * Output: packets of a ULID pair whose context is re-homed get the current
 * locator pair, the Payload Extension header and another route (RFC 5533
 * section 11). Where a context has returned to its ULIDs they are these again
 * and the rest stays as it was (home.c).
 *
 * The hook is the last at LOCAL_OUT, so that the host's firewall and conntrack
 * have seen the ULIDs. What they and others are asked besides is in filter.c.
 * IPsec on the ULIDs comes before: a packet whose dst has a transformation is
 * left alone and passes here again when that is done.
 */
#include <linux/netfilter_ipv6.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "card.h"
#include "compat.h"
#include "event.h"
#include "filter.h"
#include "flow.h"
#include "header.h"
#include "home.h"
#include "mtu.h"
#include "output.h"
#include "path.h"
#include "policy.h"
#include "reap.h"
#include "state.h"
#include "stats.h"

static void shim6_count_rehomed(struct shim6_net *sn,
				const struct shim6_path *path)
{
	shim6_count(sn, path->home ? SHIM6_A_STATS_OUT_ULID_HEADER :
				     SHIM6_A_STATS_OUT_REHOMED);
}

/* Make the checksum that was left for the device to make. */
static int shim6_checksum(struct sk_buff *skb)
{
	/* With no feature of a device it is made here, SCTP's as well. */
	return skb->ip_summed == CHECKSUM_PARTIAL ?
	       skb_csum_hwoffload_help(skb, 0) : 0;
}

/* No fragments without data. */
static bool shim6_can_fragment(const struct shim6_place *place, u32 mtu)
{
	return mtu >= place->offset + sizeof(struct frag_hdr) + 8;
}

/*
 * What is a fragment already, as a raw socket sends them, becomes several: its
 * Fragment header goes into @was, for each of them to have one like it.
 */
static int shim6_unfragment(struct sk_buff *skb, struct shim6_place *place,
			    struct frag_hdr *was)
{
	memset(was, 0, sizeof(*was));
	if (place->nexthdr != NEXTHDR_FRAGMENT)
		return 0;
	if (!pskb_may_pull(skb, place->offset + sizeof(*was)) ||
	    skb_cow_head(skb, 0))
		return -EINVAL;
	memcpy(was, skb->data + place->offset, sizeof(*was));
	memmove(skb->data + sizeof(*was), skb->data, place->offset);
	__skb_pull(skb, sizeof(*was));
	skb_reset_network_header(skb);
	skb->data[place->prev] = was->nexthdr;
	place->nexthdr = was->nexthdr;
	return 0;
}

/* Fragments of a packet, each with a header of its own (section 4.6). */
static int shim6_fragment(struct shim6_net *sn, struct sock *sk,
			  struct sk_buff *skb, const struct shim6_path *path,
			  struct shim6_place *place, u32 mtu)
{
	const struct shim6_encap *encap = shim6_path_encap(path);
	struct dst_entry *dst = skb_dst(skb);
	struct ip6_frag_state state;
	struct frag_hdr was, *fh;
	struct sk_buff *frag;
	int err;

	if (!shim6_can_fragment(place, mtu))
		return -EMSGSIZE;
	err = shim6_checksum(skb) ?: shim6_unfragment(skb, place, &was);
	if (err)
		return err;
	if (!pskb_may_pull(skb, place->offset))
		return -EINVAL;
	ip6_frag_init(skb, place->offset,
		      mtu - place->offset - sizeof(struct frag_hdr),
		      dst->dev->needed_tailroom,
		      LL_RESERVED_SPACE(dst->dev) + encap->overhead,
		      skb_network_header(skb) + place->prev, place->nexthdr,
		      was.identification ?:
		      ipv6_select_ident(sn->net, &ipv6_hdr(skb)->daddr,
					&ipv6_hdr(skb)->saddr), &state);
	while (state.left > 0) {
		frag = ip6_frag_next(skb, &state);
		if (IS_ERR(frag))
			return PTR_ERR(frag);
		fh = (struct frag_hdr *)(frag->data + place->offset);
		if (state.left <= 0)
			fh->frag_off |= was.frag_off & htons(IP6_MF);
		fh->frag_off = htons(ntohs(fh->frag_off) +
				     (ntohs(was.frag_off) & IP6_OFFSET));
		/* Its data begins at the network header. */
		err = encap->push(frag, path, place);
		if (err) {
			kfree_skb(frag);
			return err;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_FRAGMENTS);
		/* What a queue drops it counts itself. */
		if (shim6_filter_send(sn->net, sk, frag) < 0)
			break;
	}
	return 0;
}

/* One packet that fits when it is cut into fragments, taken over. */
static void shim6_send_one(struct shim6_net *sn, struct sock *sk,
			   struct sk_buff *skb, const struct shim6_path *path,
			   struct shim6_place *place, u32 mtu)
{
	int err;

	if (skb->len > mtu) {
		err = shim6_fragment(sn, sk, skb, path, place, mtu);
		if (err == -EMSGSIZE)
			shim6_count_drop(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG);
		else if (err)
			shim6_count_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		consume_skb(skb);
		return;
	}
	if (shim6_path_encap(path)->push(skb, path, place)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY);
		return;
	}
	shim6_count_rehomed(sn, path);
	shim6_filter_send(sn->net, sk, skb);
}

/* Segments of a packet that no device below can be trusted to cut. */
static unsigned int shim6_segment(struct shim6_net *sn, struct sock *sk,
				  struct sk_buff *skb,
				  const struct shim6_path *path,
				  struct shim6_place *place, u32 mtu)
{
	struct sk_buff *segs, *seg, *next;

	/* Pages stay where they are; only headers are made anew. */
	segs = skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HIGHDMA);
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
		shim6_send_one(sn, sk, seg, path, place, mtu);
	}
	consume_skb(skb);
	return NF_STOLEN;
}

/*
 * What does not fit into one packet of the path, though it did without our header:
 * a sender that can adapt, and has just been told, sends less. For all others it
 * is cut. Nobody is told less than 1280 octets, which no sender would believe (RFC
 * 8201 section 4): what is that long is cut as well.
 */
static unsigned int shim6_output_big(struct shim6_net *sn, struct sock *sk,
				     struct sk_buff *skb,
				     const struct shim6_path *path,
				     struct shim6_place *place, u32 mtu,
				     bool told)
{
	if ((told && mtu >= IPV6_MIN_MTU) ||
	    (!skb_is_gso(skb) && !shim6_can_fragment(place, mtu)))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_TOO_BIG,
					  -EMSGSIZE);
	if (skb_is_gso(skb))
		return shim6_segment(sn, sk, skb, path, place, mtu);
	shim6_send_one(sn, sk, skb, path, place, mtu);
	return NF_STOLEN;
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

/* One packet with locators leaves; @asked: its cgroup's programs have run. */
static unsigned int shim6_output_last(struct net *net, struct sock *sk,
				      struct sk_buff *skb, bool asked)
{
	int err;

	if (asked)
		return shim6_nf_stolen(shim6_filter_send(net, NULL, skb));
	/* The sender learns from the caller what the device's queue says. */
	err = shim6_filter_locators(net, sk, skb);
	return err == 1 ? NF_ACCEPT : shim6_nf_stolen(err);
}

/* All filters have passed the packet with its ULIDs, but its cgroup's. */
static unsigned int shim6_output_rehomed(struct shim6_net *sn,
					 struct sk_buff *skb, struct sock *sk,
					 struct shim6_path *path,
					 struct shim6_place *place)
{
	const struct shim6_encap *encap = shim6_path_encap(path);
	struct in6_addr first, *to = NULL;
	struct sock *asked = sk;
	struct dst_entry *dst;
	bool big, told;
	u32 mtu;
	int err;

	/* It hides TCP's header, and there is room for one such header only. */
	err = shim6_jumbo_remove(skb, place);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	if (unlikely(place->final)) {
		/* The look-up may move the packet's headers. */
		first = ipv6_hdr(skb)->daddr;
		to = &first;
	}
	dst = shim6_path_route(sn->net, skb, path, to);
	/* Where somebody is about to repair it the ULP need not know. */
	if (IS_ERR(dst) && shim6_has_daemon(sn)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
		return NF_STOLEN;
	}
	if (IS_ERR(dst))
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE,
					  PTR_ERR(dst));
	err = shim6_filter_cgroup(&asked, skb, dst->dev);
	mtu = dst_mtu(dst) - encap->overhead;
	big = !shim6_mtu_fits(skb, mtu);
	told = big && !err && shim6_mtu_tell(sn, path, skb, dst);
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_CGROUP,
					  err);
	if (shim6_output_stuck(sn, skb)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
		return NF_STOLEN;
	}
	if (big && !shim6_mtu_shrink(skb, place, mtu))
		return shim6_output_big(sn, asked, skb, path, place, mtu,
					told);
	if (skb_is_gso(skb) &&
	    (shim6_jumbo_foreign(skb) || !shim6_card_cuts(skb)))
		return shim6_segment(sn, asked, skb, path, place, mtu);
	err = shim6_card_sums(skb) ? 0 : shim6_checksum(skb);
	if (!err)
		err = encap->push(skb, path, place);
	if (err)
		return shim6_drop_verdict(sn, skb, SHIM6_A_STATS_OUT_NO_MEMORY,
					  err);
	shim6_count_rehomed(sn, path);
	return shim6_output_last(sn->net, sk, skb, asked != sk);
}

/* Where the header goes in a packet, and its ULIDs; false: leave it alone. */
static bool shim6_output_parse(const struct sk_buff *skb,
			       struct shim6_place *place,
			       struct shim6_ulids *ulids)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	if (!shim6_header_place(skb, place) ||
	    place->nexthdr == SHIM6_IPPROTO ||
	    shim6_is_neighbour_discovery(skb, place))
		return false;
	ulids->local = iph->saddr;
	ulids->peer = iph->daddr;
	ulids->fii = 0;
	return !place->final ||
	       !skb_copy_bits(skb, skb_network_offset(skb) + place->final,
			      &ulids->peer, sizeof(ulids->peer));
}

/*
 * POSTROUTING has passed a packet, and may have changed all of it: if it has
 * other addresses now (NAT), or the context has none any more, it leaves as it
 * is.
 */
static unsigned int shim6_output_passed(struct shim6_net *sn,
					struct sk_buff *skb, struct sock *sk)
{
	struct shim6_context *ctx = NULL;
	struct shim6_path *path = NULL;
	struct shim6_place place;
	struct shim6_ulids ulids;

	if (shim6_output_parse(skb, &place, &ulids))
		ctx = shim6_context_by_ulids(sn, &ulids);
	if (ctx && READ_ONCE(ctx->state) >= SHIM6_CONTEXT_STATE_ESTABLISHED)
		path = rcu_dereference(ctx->path);
	if (path)
		return shim6_output_rehomed(sn, skb, sk, path, &place);
	IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return NF_ACCEPT;
}

/*
 * Has POSTROUTING left a packet as it was, as it nearly always does? Then its
 * context is the one that was found before, and need not be looked up again.
 */
static bool shim6_output_same(const struct sk_buff *skb,
			      const struct shim6_place *place,
			      const struct shim6_ulids *ulids)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	return place->prev == offsetof(struct ipv6hdr, nexthdr) &&
	       place->nexthdr == iph->nexthdr &&
	       ipv6_addr_equal(&ulids->local, &iph->saddr) &&
	       ipv6_addr_equal(&ulids->peer, &iph->daddr);
}

/* A hook at POSTROUTING had held the packet back, and lets it go on. */
static int shim6_output_later(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	unsigned int verdict;
	int err = 0;

	rcu_read_lock();
	verdict = shim6_output_passed(shim6_pernet(net), skb, sk);
	switch (verdict & NF_VERDICT_MASK) {
	case NF_ACCEPT:
		err = dst_output(net, sk, skb);
		break;
	case NF_DROP:
		kfree_skb(skb);
		break;
	}
	rcu_read_unlock();
	return err;
}

/**
 * shim6_output - the hook at LOCAL_OUT
 * @priv: the namespace's state
 * @skb: a packet that this host sends; data is at the IPv6 header
 * @state: where
 *
 * Return: NF_ACCEPT, changed or not, or what netfilter calls the rest.
 */
unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct shim6_ulids ulids;
	struct shim6_place place;
	struct shim6_context *ctx;
	struct shim6_path *path;
	struct shim6_net *sn = priv;
	int passed;

	if (iph->nexthdr == SHIM6_IPPROTO || !skb_dst(skb) ||
	    dst_xfrm(skb_dst(skb)) || ipv6_addr_is_multicast(&iph->daddr) ||
	    (skb_dst(skb)->dev->flags & IFF_LOOPBACK) ||
	    !shim6_filter_served(skb_dst(skb)->dev) ||
	    !shim6_output_parse(skb, &place, &ulids))
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
	if (!path || path->home)
		path = READ_ONCE(ctx->header) ? shim6_home_path(ctx, path) :
						NULL;
	if (path && (shim6_policy_bypassed(sn, skb, &ulids, &place) ||
		     !shim6_path_serves(state->net, skb, path))) {
		shim6_count(sn, SHIM6_A_STATS_OUT_BYPASSED);
		return NF_ACCEPT;
	}
	shim6_reap_sent(ctx, skb);
	if (!path) {
		if (shim6_output_stuck(sn, skb)) {
			shim6_drop(sn, skb, SHIM6_A_STATS_OUT_NO_ROUTE);
			return NF_STOLEN;
		}
		shim6_count(sn, SHIM6_A_STATS_OUT_ULID);
		return NF_ACCEPT;
	}
	passed = shim6_filter_ulids(state->net, state->sk, skb,
				    shim6_output_later);
	if (passed <= 0)
		return shim6_nf_stolen(passed);
	if (passed == 1 && !shim6_output_same(skb, &place, &ulids))
		return shim6_output_passed(sn, skb, state->sk);
	return shim6_output_rehomed(sn, skb, state->sk, path, &place);
}
