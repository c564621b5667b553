// SPDX-License-Identifier: GPL-2.0
/*
 * The octets that a context carries: what is rarely done with them. octets.h says
 * what they are, and counts.
 */
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "compat.h"
#include "octets.h"

/* Octets from data to the end of the headers that each segment has, or 0. */
static unsigned int shim6_octets_headers(const struct sk_buff *skb,
					 unsigned int at)
{
	const unsigned int type = skb_shinfo(skb)->gso_type;
	const struct tcphdr *th;
	struct tcphdr _th;

	/* In a tunnel, the segments are those of its passenger. */
	if (skb->encapsulation) {
		if (skb_inner_transport_offset(skb) <= 0)
			return 0;
		at = skb_inner_transport_offset(skb);
	}
	if (type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) {
		th = skb_header_pointer(skb, at, sizeof(_th), &_th);
		return th ? at + __tcp_hdrlen(th) : 0;
	}
	if (type & (SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST))
		return at + sizeof(struct udphdr);
	if (type & SKB_GSO_SCTP)
		return at + sizeof(struct sctphdr);
	return 0;
}

/**
 * shim6_octets_gso - octets of the segments for which a GSO packet stands
 * @skb: the packet, without our header; data is at the IPv6 header. It may be made
 *	up by a guest
 * @at: where the upper layer's header is, from data
 *
 * Return: the octets. A packet of an unknown type counts as it is.
 */
unsigned int shim6_octets_gso(const struct sk_buff *skb, unsigned int at)
{
	const unsigned int jumbo = shim6_jumbo_length(skb);
	const unsigned int headers = shim6_octets_headers(skb, at);
	unsigned int segments = skb_shinfo(skb)->gso_segs;

	if (headers <= jumbo || headers >= skb->len)
		return skb->len;
	/* A guest need not say how many there are. */
	if (!segments && skb_shinfo(skb)->gso_size != GSO_BY_FRAGS)
		segments = DIV_ROUND_UP(skb->len - headers,
					skb_shinfo(skb)->gso_size);
	if (!segments)
		segments = 1;
	return skb->len - headers + segments * (headers - jumbo);
}

/* One CPU's count. With registers of 32 bits it may change between two halves. */
static u64 shim6_octets_read(const u64 *count)
{
	u64 value = READ_ONCE(*count);

	if (!IS_ENABLED(CONFIG_64BIT)) {
		u64 was;

		do {
			was = value;
			value = READ_ONCE(*count);
		} while (value != was);
	}
	return value;
}

/**
 * shim6_octets_sum - the octets of a context over all CPUs
 * @ctx: the context; the caller holds the table's lock
 * @sum: the answer
 */
void shim6_octets_sum(const struct shim6_context *ctx, struct shim6_octets *sum)
{
	const struct shim6_octets *share;
	int cpu;

	*sum = (struct shim6_octets){};
	for_each_possible_cpu(cpu) {
		share = per_cpu_ptr(ctx->octets, cpu);
		sum->sent += shim6_octets_read(&share->sent);
		sum->heard += shim6_octets_read(&share->heard);
	}
}

/**
 * shim6_octets_init - make the counts of a context, all 0
 * @ctx: the context, which nobody else knows yet
 *
 * Return: 0 or a negative errno.
 */
int shim6_octets_init(struct shim6_context *ctx)
{
	ctx->octets = alloc_percpu_gfp(struct shim6_octets,
				       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return ctx->octets ? 0 : -ENOMEM;
}

/**
 * shim6_octets_exit - undo shim6_octets_init(), or nothing if that has failed
 * @ctx: the context; no packet can reach it any more
 */
void shim6_octets_exit(struct shim6_context *ctx)
{
	free_percpu(ctx->octets);
}
