/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_ICMP_H
#define _SHIM6_ICMP_H

#include <linux/types.h>

struct net;
struct shim6_net;
struct sk_buff;

bool shim6_icmp_in(struct net *net, struct shim6_net *sn, struct sk_buff *skb);

#endif /* _SHIM6_ICMP_H */
