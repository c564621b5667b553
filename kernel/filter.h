/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FILTER_H
#define _SHIM6_FILTER_H

#include <linux/types.h>

struct net;
struct net_device;
struct sk_buff;
struct sock;

bool shim6_filter_served(const struct net_device *dev);
int shim6_filter_bound(const struct sk_buff *skb);
int shim6_filter_ulids(struct net *net, struct sock *sk, struct sk_buff *skb,
		       int (*okfn)(struct net *, struct sock *,
				   struct sk_buff *));
int shim6_filter_cgroup(struct sock **sk, struct sk_buff *skb,
			struct net_device *dev);
int shim6_filter_locators(struct net *net, struct sock *sk,
			  struct sk_buff *skb);
int shim6_filter_send(struct net *net, struct sock *sk, struct sk_buff *skb);

#endif /* _SHIM6_FILTER_H */
