/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows kernel versions. All other code is written for the
 * newest kernel; this header adds what older ones lack. The oldest is 6.1.
 */
#ifndef _SHIM6_COMPAT_H
#define _SHIM6_COMPAT_H

#include <linux/netfilter.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <net/ipv6.h>
#include <net/genetlink.h>
#include <net/gro.h>
#include <net/ip6_fib.h>
#include <net/tcp.h>
#include <net/udp_tunnel.h>
#include <net/xfrm.h>

/* Exported to modules, but its header is not installed. */
void nf_queue_nf_hook_drop(struct net *net);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/*
 * Split operations came with 6.2. A struct genl_ops has all of their fields that our
 * specification uses (no pre and post per operation), so the generated table gets
 * its type. But a struct genl_ops stands for the do and the dump of a command: the
 * two entries, which the generator prints one after the other, become one.
 */
#define genl_split_ops	genl_ops
#define split_ops	ops
#define n_split_ops	n_ops

static inline int shim6_register_family(struct genl_family *family)
{
	struct genl_ops *ops;
	int i, n = 0, err;

	ops = kcalloc(family->n_ops, sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return -ENOMEM;
	for (i = 0; i < family->n_ops; i++) {
		if (n && ops[n - 1].cmd == family->ops[i].cmd) {
			/* One policy for both: the dump's has more, if any. */
			if (family->ops[i].maxattr > ops[n - 1].maxattr) {
				ops[n - 1].policy = family->ops[i].policy;
				ops[n - 1].maxattr = family->ops[i].maxattr;
			}
			ops[n - 1].start = family->ops[i].start;
			ops[n - 1].dumpit = family->ops[i].dumpit;
			ops[n - 1].done = family->ops[i].done;
		} else {
			ops[n++] = family->ops[i];
		}
	}
	family->ops = ops;
	family->n_ops = n;
	err = genl_register_family(family);
	if (err)
		kfree(ops);
	return err;
}

static inline void shim6_unregister_family(struct genl_family *family)
{
	genl_unregister_family(family);
	kfree(family->ops);
}
#else
#define shim6_register_family	genl_register_family
#define shim6_unregister_family	genl_unregister_family
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
/* Before 6.7 a policy's range was no pointer to const; nobody writes to it. */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, _range) {				\
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp),			\
	.validation_type = NLA_VALIDATE_RANGE_PTR,			\
	.range = (struct netlink_range_validation *)(_range),		\
}
#endif

static inline void shim6_decode_session(struct net *net, struct sk_buff *skb,
					struct flowi *fl)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	xfrm_decode_session(skb, fl, AF_INET6);
#else
	xfrm_decode_session(net, skb, fl, AF_INET6);
#endif
}

/*
 * Send an ACK now. The function got a third argument in some release after 6.12, and
 * in updates of older releases as well: its type tells.
 */
static inline void shim6_tcp_send_ack(struct sock *sk)
{
	typedef void (*old)(struct sock *sk, u32 rcv_nxt);
	typedef void (*new)(struct sock *sk, u32 rcv_nxt, u16 flags);
	void *send = __tcp_send_ack;

	if (__builtin_types_compatible_p(typeof(__tcp_send_ack) *, old))
		((old)send)(sk, tcp_sk(sk)->rcv_nxt);
	else
		((new)send)(sk, tcp_sk(sk)->rcv_nxt, 0);
}

/*
 * The functions for sockets of UDP tunnels took a struct socket up to 7.0; the type
 * tells.
 */
static inline void shim6_setup_udp_tunnel(struct net *net, struct socket *sock,
					  struct udp_tunnel_sock_cfg *cfg)
{
	typedef void (*old)(struct net *net, struct socket *sock,
			    struct udp_tunnel_sock_cfg *cfg);
	typedef void (*new)(struct net *net, struct sock *sk,
			    struct udp_tunnel_sock_cfg *cfg);
	void *setup = setup_udp_tunnel_sock;

	if (__builtin_types_compatible_p(typeof(setup_udp_tunnel_sock) *, old))
		((old)setup)(net, sock, cfg);
	else
		((new)setup)(net, sock->sk, cfg);
}

static inline void shim6_udp_release(struct socket *sock)
{
	typedef void (*old)(struct socket *sock);
	typedef void (*new)(struct sock *sk);
	void *release = udp_tunnel_sock_release;

	if (__builtin_types_compatible_p(typeof(udp_tunnel_sock_release) *,
					 old))
		((old)release)(sock);
	else
		((new)release)(sock->sk);
}

/*
 * A packet is about to be merged behind a UDP header, with the addresses of the
 * IPv6 header before that. UDP has marked it as a tunnel's packet, which has
 * another IPv6 header.
 */
static inline void shim6_gro_no_tunnel(struct sk_buff *skb)
{
	NAPI_GRO_CB(skb)->encap_mark = 0;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	NAPI_GRO_CB(skb)->inner_network_offset =
		NAPI_GRO_CB(skb)->network_offset;
#endif
}

/* The IPv6 header by which a packet was merged, in a gro_complete. */
static inline const struct ipv6hdr *
shim6_gro_complete_iph(const struct sk_buff *skb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return ipv6_hdr(skb);
#else
	return (const struct ipv6hdr *)
		(skb->data +
		 NAPI_GRO_CB(skb)->network_offsets[skb->encapsulation]);
#endif
}

/*
 * BIG TCP (GSO packets of more than 64 KiB): up to 6.x such a packet bears a
 * Hop-by-Hop jumbo option, which the code that cuts it expects right before TCP.
 * Since 7.0 it has no option; its Payload Length is 0.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
/* Octets of the option in a GSO packet, which its segments do not have. */
static inline unsigned int shim6_jumbo_length(const struct sk_buff *skb)
{
	return ipv6_has_hopopt_jumbo(skb) ? sizeof(struct hop_jumbo_hdr) : 0;
}

/* Is a packet too long for Payload Length, now that the option is gone? */
static inline bool shim6_jumbo_foreign(const struct sk_buff *skb)
{
	return skb->len + 8 - sizeof(struct ipv6hdr) > IPV6_MAXPLEN;
}

/*
 * Take the option out; data is at the IPv6 header. Returns 1 if it was there, 0 if
 * not, or a negative errno.
 */
static inline int shim6_jumbo_remove(struct sk_buff *skb)
{
	const unsigned int len = sizeof(struct hop_jumbo_hdr);
	u8 nexthdr = ipv6_has_hopopt_jumbo(skb);

	if (likely(!nexthdr))
		return 0;
	if (skb_cow_head(skb, 0))
		return -ENOMEM;
	memmove(skb->data + len, skb->data, sizeof(struct ipv6hdr));
	__skb_pull(skb, len);
	skb_reset_network_header(skb);
	ipv6_hdr(skb)->nexthdr = nexthdr;
	return 1;
}
#else
static inline unsigned int shim6_jumbo_length(const struct sk_buff *skb)
{
	return 0;
}

static inline bool shim6_jumbo_foreign(const struct sk_buff *skb)
{
	return false;
}

static inline int shim6_jumbo_remove(struct sk_buff *skb)
{
	return 0;
}
#endif

static inline void shim6_set_payload_len(struct ipv6hdr *iph, unsigned int len)
{
	iph->payload_len = len <= IPV6_MAXPLEN ? htons(len) : 0;
}

/*
 * The verdict of a hook that drops a packet, with a reason, and with an error for
 * the sender. Newer kernels have the packet freed here, older ones in netfilter.
 */
static inline int shim6_nf_drop(struct sk_buff *skb,
				enum skb_drop_reason reason, int err)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return NF_DROP_ERR(err);
#else
	/* As NF_DROP_REASON(), which takes constants only. */
	kfree_skb_reason(skb, reason);
	return -err << 16 | NF_STOLEN;
#endif
}

/*
 * The verdict on a packet that is gone. @err: what the sender is told, 0 or a
 * negative errno; older kernels have no room for it.
 */
static inline int shim6_nf_stolen(int err)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return NF_STOLEN;
#else
	return -err << 16 | NF_STOLEN;
#endif
}

/* The second argument of __assign_str() went with 6.10. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define shim6_assign_str(dst, src)	__assign_str(dst, src)
#else
#define shim6_assign_str(dst, src)	__assign_str(dst)
#endif

#ifndef dst_rt6_info
static inline struct rt6_info *dst_rt6_info(const struct dst_entry *dst)
{
	return (struct rt6_info *)container_of(dst, struct rt6_info, dst);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0) && !defined(timer_container_of)
#define timer_container_of	from_timer
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync	del_timer_sync
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define system_dfl_wq	system_unbound_wq
#endif

#endif /* _SHIM6_COMPAT_H */
