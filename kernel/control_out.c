// SPDX-License-Identifier: GPL-2.0
/*
 * Control messages that this host sends: the daemon's, with the addresses that it
 * names, and the Keepalives of the kernel.
 */
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "compat.h"
#include "control_out.h"
#include "encap_udp.h"
#include "header.h"
#include "locators.h"
#include "path.h"
#include "state.h"
#include "stats.h"

/* Fill in the UDP header before a message that is complete. */
static void shim6_control_udp(struct sk_buff *skb,
			      const struct shim6_pair *pair, u16 port)
{
	const unsigned int len = skb->len - sizeof(struct ipv6hdr);
	struct udphdr *uh = udp_hdr(skb);

	uh->source = htons(port);
	uh->dest = htons(port);
	uh->len = htons(len);
	uh->check = 0;
	uh->check = udp_v6_check(len, &pair->local, &pair->peer,
				 csum_partial(uh, len, 0)) ?:
		    CSUM_MANGLED_0;
}

/**
 * shim6_control_out - send a control message
 * @sn: the namespace's state
 * @pair: the addresses, of which the local one is one of this host, and how the
 *	message is carried
 * @message: the message, with its checksum
 * @len: octets of the message
 * @length: octets of the packet, from the IPv6 header on, if it is to be longer
 *	than the message makes it, or 0. The packet gets no longer than the path is
 *	known to carry
 * @gfp: how to allocate
 * @extack: where to say why not, or NULL
 *
 * Return: 0 or a negative errno.
 */
int shim6_control_out(struct shim6_net *sn, const struct shim6_pair *pair,
		      const void *message, unsigned int len,
		      unsigned int length, gfp_t gfp,
		      struct netlink_ext_ack *extack)
{
	const bool udp = pair->encapsulation == SHIM6_ENCAPSULATION_UDP;
	const unsigned int head = sizeof(struct ipv6hdr) +
				  (udp ? SHIM6_UDP_LEN : 0);
	const u16 port = udp ? shim6_udp_port(sn) : 0;
	unsigned int pad = 0;
	struct flowi6 fl6 = {
		.flowi6_proto = shim6_encap_of(pair->encapsulation)->ipproto,
		.saddr = pair->local,
		.daddr = pair->peer,
		.fl6_sport = htons(port),
		.fl6_dport = htons(port),
	};
	struct dst_entry *dst;
	struct ipv6hdr *iph;
	struct sk_buff *skb;
	int err;

	if (!ipv6_chk_addr(sn->net, &pair->local, NULL, 0)) {
		NL_SET_ERR_MSG(extack, "source is no address of this host");
		err = -EADDRNOTAVAIL;
		goto err;
	}
	if (udp && !port) {
		NL_SET_ERR_MSG(extack, SHIM6_NO_UDP_PORT);
		err = -EADDRNOTAVAIL;
		goto err;
	}
	dst = ip6_dst_lookup_flow(sn->net, NULL, &fl6, NULL);
	if (IS_ERR(dst)) {
		NL_SET_ERR_MSG(extack, "there is no route for this pair");
		err = PTR_ERR(dst);
		goto err;
	}
	length = min(length, dst_mtu(dst));
	if (length > head + len)
		pad = length - head - len;
	skb = alloc_skb(LL_RESERVED_SPACE(dst->dev) + dst->header_len + head +
			len + pad + dst->dev->needed_tailroom, gfp);
	if (!skb) {
		dst_release(dst);
		err = -ENOMEM;
		goto err;
	}
	skb_dst_set(skb, dst);
	skb_reserve(skb, LL_RESERVED_SPACE(dst->dev) + dst->header_len);
	skb_reset_network_header(skb);
	iph = skb_put(skb, sizeof(*iph));
	skb_set_transport_header(skb, sizeof(*iph));
	if (udp)
		skb_put(skb, SHIM6_UDP_LEN);
	skb_put_data(skb, message, len);
	skb_put_zero(skb, pad);
	if (udp)
		shim6_control_udp(skb, pair, port);
	ip6_flow_hdr(iph, 0, 0);
	iph->payload_len = htons(skb->len - sizeof(*iph));
	iph->nexthdr = fl6.flowi6_proto;
	iph->hop_limit = ip6_dst_hoplimit(dst);
	iph->saddr = pair->local;
	iph->daddr = pair->peer;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	err = ip6_local_out(sn->net, NULL, skb);
	if (err > 0)
		err = net_xmit_errno(err);
	if (err) {
		NL_SET_ERR_MSG(extack, "the packet was not let out");
		goto err;
	}
	shim6_count(sn, SHIM6_A_STATS_CTL_OUT);
	if (udp)
		shim6_count(sn, SHIM6_A_STATS_OUT_UDP);
	return 0;

err:
	shim6_count(sn, SHIM6_A_STATS_CTL_OUT_ERROR);
	return err;
}

/**
 * shim6_keepalive_out - send a Keepalive on the current locator pair (RFC 5534
 * section 5.1)
 * @ctx: the context, established; the caller is in an RCU read-side section
 */
void shim6_keepalive_out(struct shim6_context *ctx)
{
	struct shim6_pair pair;
	u8 m[SHIM6_KEEPALIVE_LEN] = {
		IPPROTO_NONE, SHIM6_KEEPALIVE_LEN / 8 - 1, SHIM6_TYPE_KEEPALIVE,
	};
	__sum16 sum;
	u64 tag;

	if (!shim6_context_tag_peer(ctx, &tag))
		return;
	put_unaligned_be48(tag, m + SHIM6_CONTROL_TAG);
	sum = csum_fold(csum_partial(m, sizeof(m), 0));
	memcpy(m + SHIM6_CONTROL_CHECKSUM, &sum, sizeof(sum));
	shim6_context_pair(ctx, &pair);
	if (!shim6_control_out(ctx->sn, &pair, m, sizeof(m), 0, GFP_ATOMIC,
			       NULL))
		shim6_count(ctx->sn, SHIM6_A_STATS_KEEPALIVE_OUT);
}
