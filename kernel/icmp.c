// SPDX-License-Identifier: GPL-2.0
/*
 * ICMPv6 errors about packets that we have re-homed (RFC 5533 section 8).
 *
 * They are mapped back when they arrive, before conntrack: the packet in error
 * gets its ULIDs and loses our header, and the error is addressed to the local
 * ULID. So the ULP, its firewall and its conntrack see an error about the packet
 * that the ULP has sent. A packet in error that bears the peer's tag between
 * locators of the context is thereby proved to be ours.
 */
#include <linux/icmpv6.h>
#include <net/addrconf.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "compat.h"
#include "encap.h"
#include "encap_udp.h"
#include "event.h"
#include "header.h"
#include "home.h"
#include "icmp.h"
#include "mtu.h"
#include "path.h"
#include "state.h"
#include "stats.h"

/* Where the packet in error begins, from the IPv6 header of the error. */
#define SHIM6_ICMP_INNER \
	(sizeof(struct ipv6hdr) + sizeof(struct icmp6hdr))

/**
 * struct shim6_icmp_about - the packet in error
 * @place: where our first header is in it
 * @encapsulation: enum shim6_encapsulation
 * @len: octets of our headers
 */
struct shim6_icmp_about {
	struct shim6_place place;
	u32 encapsulation;
	unsigned int len;
};

static struct icmp6hdr *shim6_icmp_hdr(const struct sk_buff *skb)
{
	return (struct icmp6hdr *)(ipv6_hdr(skb) + 1);
}

static __sum16 shim6_icmp_sum(const struct sk_buff *skb)
{
	const unsigned int len = skb->len - sizeof(struct ipv6hdr);
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	return csum_ipv6_magic(&iph->saddr, &iph->daddr, len, IPPROTO_ICMPV6,
			       csum_partial(iph + 1, len, 0));
}

/* Is there a locator pair to which the daemon could switch? */
static bool shim6_icmp_choice(const struct shim6_context *ctx)
{
	const struct shim6_path *path = rcu_dereference(ctx->path);

	return (path && !path->home) || rcu_access_pointer(ctx->locators);
}

/* Should Shim6 act on an error, and the ULP not hear of it (section 8)? */
static bool shim6_icmp_ours(const struct icmp6hdr *icmp,
			    const struct shim6_icmp_about *about)
{
	const struct shim6_place *place = &about->place;
	u32 pointer;

	switch (icmp->icmp6_type) {
	case ICMPV6_DEST_UNREACH:
		/* In UDP, the port is ours, and not the ULP's. */
		return icmp->icmp6_code <= ICMPV6_REJECT_ROUTE &&
		       (icmp->icmp6_code != ICMPV6_PORT_UNREACH ||
			about->encapsulation == SHIM6_ENCAPSULATION_UDP);
	case ICMPV6_TIME_EXCEED:
		return true;
	case ICMPV6_PARAMPROB:
		pointer = ntohl(icmp->icmp6_pointer);
		/* A peer without Shim6 points at the Next Header field. */
		return pointer == place->prev ||
		       (pointer >= place->offset &&
			pointer < place->offset + about->len);
	}
	return false;
}

/* Tell the kernel what the network says that the locator pair carries. */
static void shim6_icmp_pmtu(struct net *net, struct sk_buff *skb)
{
	__be32 mtu = shim6_icmp_hdr(skb)->icmp6_mtu;

	__skb_pull(skb, SHIM6_ICMP_INNER);
	ip6_update_pmtu(skb, net, mtu, 0, skb->mark, make_kuid(&init_user_ns, 0));
	__skb_push(skb, SHIM6_ICMP_INNER);
}

/* The MTU for the sender; it would not believe less than 1280: output.c cuts. */
static u32 shim6_icmp_less(u32 mtu, const struct shim6_icmp_about *about)
{
	if (mtu < IPV6_MIN_MTU)
		return mtu;
	return max_t(u32, mtu - about->len, IPV6_MIN_MTU);
}

/*
 * Is a Packet Too Big about the pair by which the context sends? The MTU of
 * another pair does not concern the ULP: the error may have been under way when
 * the context moved, and nothing would ever undo what the ULP makes of it.
 */
static bool shim6_icmp_current(const struct shim6_context *ctx,
			       const struct sk_buff *skb,
			       const struct ipv6hdr *in,
			       const struct shim6_icmp_about *about)
{
	struct shim6_path *path = rcu_dereference(ctx->path);
	const u32 mtu = ntohl(shim6_icmp_hdr(skb)->icmp6_mtu);

	if (!path)
		return about->encapsulation == SHIM6_ENCAPSULATION_NATIVE &&
		       ipv6_addr_equal(&in->saddr, &ctx->ulids.local) &&
		       ipv6_addr_equal(&in->daddr, &ctx->ulids.peer);
	if (path->pair.encapsulation != about->encapsulation ||
	    !ipv6_addr_equal(&in->saddr, &path->pair.local) ||
	    !ipv6_addr_equal(&in->daddr, &path->pair.peer))
		return false;
	if (!path->home)
		shim6_mtu_learn(ctx, path, shim6_icmp_less(mtu, about));
	return true;
}

/*
 * Octets of the packet in error that are there: all, or up to the extensions (RFC
 * 4884), of which a length in the error says where they begin.
 */
static unsigned int shim6_icmp_quoted(const struct sk_buff *skb)
{
	const unsigned int all = skb->len - SHIM6_ICMP_INNER;
	const struct icmp6hdr *icmp = shim6_icmp_hdr(skb);
	unsigned int said = 0;

	if (icmp->icmp6_type == ICMPV6_DEST_UNREACH ||
	    icmp->icmp6_type == ICMPV6_TIME_EXCEED)
		said = ((const u8 *)icmp)[4] * 8;
	return said && said < all ? said : all;
}

static void shim6_icmp_map(struct sk_buff *skb, const struct shim6_context *ctx,
			   const struct shim6_icmp_about *about)
{
	const struct shim6_place *place = &about->place;
	struct icmp6hdr *icmp = shim6_icmp_hdr(skb);
	struct ipv6hdr *iph = ipv6_hdr(skb);
	const unsigned int quoted = shim6_icmp_quoted(skb);
	const unsigned int len = about->len;
	const bool extended = quoted < skb->len - SHIM6_ICMP_INNER;
	u8 *inner = (u8 *)(icmp + 1);
	struct ipv6hdr *in = (struct ipv6hdr *)inner;
	u32 value = ntohl(icmp->icmp6_dataun.un_data32[0]);

	inner[place->prev] = inner[place->offset + len - SHIM6_PAYLOAD_LEN];
	memmove(inner + place->offset, inner + place->offset + len,
		quoted - place->offset - len);
	in->saddr = ctx->ulids.local;
	in->daddr = ctx->ulids.peer;
	if (ntohs(in->payload_len) >= len)
		in->payload_len = htons(ntohs(in->payload_len) - len);
	if (extended) {
		/* Extensions stay where that length says that they are. */
		memset(inner + quoted - len, 0, len);
	} else {
		skb_trim(skb, skb->len - len);
		iph->payload_len = htons(skb->len - sizeof(*iph));
	}

	if (icmp->icmp6_type == ICMPV6_PKT_TOOBIG)
		value = shim6_icmp_less(value, about);
	else if (icmp->icmp6_type == ICMPV6_PARAMPROB &&
		 value >= place->offset + len)
		value -= len;
	icmp->icmp6_dataun.un_data32[0] = htonl(value);
	/* The port that can't be reached was not the ULP's. */
	if (about->encapsulation == SHIM6_ENCAPSULATION_UDP &&
	    icmp->icmp6_type == ICMPV6_DEST_UNREACH &&
	    icmp->icmp6_code == ICMPV6_PORT_UNREACH)
		icmp->icmp6_code = ICMPV6_ADDR_UNREACH;

	iph->daddr = ctx->ulids.local;
	icmp->icmp6_cksum = 0;
	icmp->icmp6_cksum = shim6_icmp_sum(skb);
	skb->ip_summed = CHECKSUM_NONE;
}

/* Find our header in the packet in error. Data is at the error's IPv6 header. */
static bool shim6_icmp_place(const struct shim6_net *sn, struct sk_buff *skb,
			     struct shim6_icmp_about *about)
{
	const int was = skb_network_offset(skb);
	bool found;

	skb_set_network_header(skb, was + SHIM6_ICMP_INNER);
	found = shim6_header_place(skb, &about->place);
	about->encapsulation = SHIM6_ENCAPSULATION_NATIVE;
	if (found && shim6_is_udp_sent(sn, skb, &about->place))
		about->encapsulation = SHIM6_ENCAPSULATION_UDP;
	else
		found = found && about->place.nexthdr == SHIM6_IPPROTO;
	about->len = shim6_encap_of(about->encapsulation)->overhead;
	skb_set_network_header(skb, was);
	return found;
}

/**
 * shim6_icmp_in - an ICMPv6 packet has arrived
 * @net: the namespace
 * @sn: its state
 * @skb: the packet; data is at the IPv6 header
 *
 * Return: false if the packet was dropped: the daemon deals with the error, or
 * it is about a pair that the context has left.
 */
bool shim6_icmp_in(struct net *net, struct shim6_net *sn, struct sk_buff *skb)
{
	const unsigned int least = SHIM6_ICMP_INNER + sizeof(struct ipv6hdr) +
				   SHIM6_PAYLOAD_LEN;
	struct shim6_icmp_about about;
	const struct shim6_hdr *h;
	const struct ipv6hdr *in;
	struct shim6_context *ctx;
	unsigned int end, at;
	bool native;
	u64 tag;

	if (!pskb_may_pull(skb, sizeof(struct ipv6hdr) + 1) ||
	    shim6_icmp_hdr(skb)->icmp6_type & ICMPV6_INFOMSG_MASK)
		return true;
	/* An error has at most 1280 octets; a much longer packet is not about us. */
	if (skb->len > 2 * IPV6_MIN_MTU || !pskb_may_pull(skb, least) ||
	    !shim6_icmp_place(sn, skb, &about) ||
	    !ipv6_chk_addr(net, &ipv6_hdr(skb)->daddr, NULL, 0))
		return true;
	shim6_count(sn, SHIM6_A_STATS_ICMP_IN);
	native = about.encapsulation == SHIM6_ENCAPSULATION_NATIVE;
	end = about.place.offset + about.len;
	at = end - SHIM6_PAYLOAD_LEN;
	if (skb_linearize_cow(skb) ||
	    SHIM6_ICMP_INNER + end > skb->len ||
	    end > shim6_icmp_quoted(skb) ||
	    skb->len != sizeof(struct ipv6hdr) +
			ntohs(ipv6_hdr(skb)->payload_len) ||
	    (skb->ip_summed != CHECKSUM_PARTIAL && shim6_icmp_sum(skb))) {
		shim6_count(sn, SHIM6_A_STATS_ICMP_UNMAPPED);
		return true;
	}

	in = (const struct ipv6hdr *)(skb->data + SHIM6_ICMP_INNER);
	h = (const struct shim6_hdr *)(skb->data + SHIM6_ICMP_INNER + at);
	if (!shim6_is_payload(h)) {
		/* Only its source shows that the message was ours. */
		if (ipv6_chk_addr(net, &in->saddr, NULL, 0))
			shim6_event_icmp(sn, skb, NULL, SHIM6_ICMP_INNER, at,
					 about.encapsulation);
		return true;
	}
	tag = shim6_tag(h->octet);
	ctx = shim6_context_by_peer_tag(sn, tag, &in->saddr, &in->daddr);
	if (!ctx || about.place.final) {
		shim6_count(sn, SHIM6_A_STATS_ICMP_UNMAPPED);
		return true;
	}
	if (shim6_icmp_hdr(skb)->icmp6_type == ICMPV6_PKT_TOOBIG) {
		shim6_icmp_pmtu(net, skb);
		if (!shim6_icmp_current(ctx, skb, in, &about)) {
			shim6_drop(sn, skb, SHIM6_A_STATS_ICMP_WITHHELD);
			return false;
		}
	}
	if (native && ipv6_addr_equal(&in->saddr, &ctx->ulids.local) &&
	    ipv6_addr_equal(&in->daddr, &ctx->ulids.peer))
		shim6_home_refused(ctx, shim6_icmp_hdr(skb),
				   &about.place);
	if (shim6_event_icmp(sn, skb, ctx, SHIM6_ICMP_INNER, at,
			     about.encapsulation) &&
	    shim6_icmp_choice(ctx) &&
	    shim6_icmp_ours(shim6_icmp_hdr(skb), &about) &&
	    !READ_ONCE(sn->config.icmp_to_ulp)) {
		shim6_drop(sn, skb, SHIM6_A_STATS_ICMP_WITHHELD);
		return false;
	}
	shim6_icmp_map(skb, ctx, &about);
	shim6_count(sn, SHIM6_A_STATS_ICMP_MAPPED);
	return true;
}
