// SPDX-License-Identifier: GPL-2.0
/*
 * Asks the rest of the stack about a packet that is re-homed.
 *
 * For filters there are two packets, as with a tunnel. The one with the ULIDs has
 * passed OUTPUT before we get it, and passes POSTROUTING before it is changed.
 * After the change it is a new packet for conntrack: with the locators and IP
 * protocol 140 it passes OUTPUT and POSTROUTING, with the device by which it
 * leaves.
 *
 * A cgroup's egress programs see the ULIDs, as its ingress programs do, and the
 * device by which the packet leaves. They run once.
 */
#include <linux/bpf-cgroup.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "compat.h"
#include "filter.h"

/**
 * shim6_filter_cgroup_ask - shim6_filter_cgroup() where cgroups have egress programs
 * @sk: the socket whose packet the stack is told it is
 * @skb: the packet, with its ULIDs
 * @dev: the device by which the packet is to leave
 *
 * Return: as shim6_filter_cgroup().
 */
int shim6_filter_cgroup_ask(struct sock *sk, struct sk_buff *skb,
			    struct net_device *dev)
{
#ifdef CONFIG_CGROUP_BPF
	struct net_device *was = skb->dev;
	struct sock *full;
	int err;

	full = sk_to_full_sk(sk);
	if (!full || !sk_fullsock(full) || full != skb_to_full_sk(skb) ||
	    !cgroup_bpf_sock_enabled(full, CGROUP_INET_EGRESS))
		return 0;
	skb->dev = dev;
	skb->protocol = htons(ETH_P_IPV6);
	err = __cgroup_bpf_run_filter_skb(full, skb, CGROUP_INET_EGRESS);
	skb->dev = was;
	/* Congestion is no refusal. */
	if (err && err != NET_XMIT_CN)
		return err < 0 ? err : -EPERM;
	return 1;
#else
	return 0;
#endif
}

/**
 * shim6_filter_send - OUTPUT for a packet that has its locators now, and send it
 * @net: the namespace
 * @sk: the socket whose packet the stack is told it is
 * @skb: the packet, taken over
 *
 * Return: 0 or a negative errno.
 */
int shim6_filter_send(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	int err;

	nf_reset_ct(skb);
	err = ip6_local_out(net, sk, skb);
	return err > 0 ? net_xmit_errno(err) : err;
}
