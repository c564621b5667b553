/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FILTER_H
#define _SHIM6_FILTER_H

#include <linux/netdevice.h>
#include <linux/netfilter_ipv6.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"

/**
 * shim6_filter_served - do packets of a device concern us?
 * @dev: the device of a packet's route, or by which it has arrived
 *
 * A VRF has routes and addresses of its own, and contexts know of no VRF. So its
 * packets are left alone, in both directions.
 */
static inline bool shim6_filter_served(const struct net_device *dev)
{
	return !netif_is_l3_slave(dev) && !netif_is_l3_master(dev);
}

/**
 * shim6_filter_bound - the device by which a packet's socket wants it to leave
 * @skb: a packet that this host sends
 *
 * Return: the device's index, or 0 if the socket names none (SO_BINDTODEVICE,
 * IPV6_UNICAST_IF).
 */
static inline int shim6_filter_bound(const struct sk_buff *skb)
{
	const struct sock *sk = skb_to_full_sk(skb);
	int oif;

	if (!sk)
		return 0;
	oif = READ_ONCE(sk->sk_bound_dev_if);
	/* Streams have no IPV6_UNICAST_IF. */
	if (!oif && sk_fullsock(sk) && sk->sk_family == AF_INET6 &&
	    sk->sk_type != SOCK_STREAM && inet6_sk(sk))
		oif = READ_ONCE(inet6_sk(sk)->ucast_oif);
	return oif;
}

/* Are there more than so many hooks? The caller is in an RCU read-side section. */
static inline bool shim6_filter_hooked(const struct net *net, unsigned int hook,
				       unsigned int than)
{
	const struct nf_hook_entries *e =
		rcu_dereference(net->nf.hooks_ipv6[hook]);

	return e && e->num_hook_entries > than;
}

/**
 * shim6_filter_ulids - POSTROUTING for a packet that still has its ULIDs
 * @net: the namespace
 * @sk: the socket whose packet netfilter is told it is
 * @skb: the packet; the caller holds the RCU read lock
 * @okfn: goes on with it if a hook has held it back for a while
 *
 * Return: 1 if the packet passes, and hooks may have changed it; 2 if there is no
 * hook; otherwise the packet is gone, and this is 0 or a negative errno.
 */
static inline int
shim6_filter_ulids(struct net *net, struct sock *sk, struct sk_buff *skb,
		   int (*okfn)(struct net *, struct sock *, struct sk_buff *))
{
	if (!shim6_filter_hooked(net, NF_INET_POST_ROUTING, 0))
		return 2;
	return nf_hook(NFPROTO_IPV6, NF_INET_POST_ROUTING, net, sk, skb, NULL,
		       skb_dst(skb)->dev, okfn);
}

/**
 * shim6_filter_locators - OUTPUT for a packet that has its locators now
 * @net: the namespace
 * @sk: the socket whose packet netfilter is told it is
 * @skb: the packet; the caller is in an RCU read-side section
 *
 * Return: 1 if the packet passes; otherwise it is gone, and this is 0 or a negative
 * errno.
 */
static inline int shim6_filter_locators(struct net *net, struct sock *sk,
					struct sk_buff *skb)
{
	nf_reset_ct(skb);
	/* One hook is our own, which leaves this packet alone. */
	if (!shim6_filter_hooked(net, NF_INET_LOCAL_OUT, 1))
		return 1;
	return nf_hook(NFPROTO_IPV6, NF_INET_LOCAL_OUT, net, sk, skb, NULL,
		       skb_dst(skb)->dev, dst_output);
}

int shim6_filter_cgroup_ask(struct sock *sk, struct sk_buff *skb,
			    struct net_device *dev);

/**
 * shim6_filter_cgroup - ask the egress programs of the cgroup of a packet's socket
 * @sk: the socket whose packet the stack is told it is
 * @skb: the packet, with its ULIDs
 * @dev: the device by which the packet is to leave
 *
 * Return: 0 if there are none; 1 if they pass the packet, which must be sent without
 * a socket then, so that they are not asked again; or a negative errno if they
 * refuse it.
 */
static inline int shim6_filter_cgroup(struct sock *sk, struct sk_buff *skb,
				      struct net_device *dev)
{
#ifdef CONFIG_CGROUP_BPF
	if (cgroup_bpf_enabled(CGROUP_INET_EGRESS) && sk)
		return shim6_filter_cgroup_ask(sk, skb, dev);
#endif
	return 0;
}

int shim6_filter_send(struct net *net, struct sock *sk, struct sk_buff *skb);

#endif /* _SHIM6_FILTER_H */
