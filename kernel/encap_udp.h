/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_ENCAP_UDP_H
#define _SHIM6_ENCAP_UDP_H

#include <linux/compiler.h>
#include <linux/in.h>
#include <linux/types.h>

#include "header.h"
#include "state.h"

/* The answer to a request for UDP without a port. */
#define SHIM6_NO_UDP_PORT \
	"the namespace has no UDP port: set udp-port of the configuration first"

/* The namespace's UDP port in host order, 0 if it has none. */
static inline u16 shim6_udp_port(const struct shim6_net *sn)
{
	return READ_ONCE(sn->config.udp_port);
}

bool shim6_udp_is_sent(const struct sk_buff *skb,
		       const struct shim6_place *place, u16 port);
bool shim6_udp_is_to(const struct sk_buff *skb, unsigned int at, u16 port);
bool shim6_udp_is_whole(const struct sk_buff *skb, unsigned int offset);
bool shim6_udp_verify(struct sk_buff *skb, unsigned int offset);
void shim6_udp_verified(struct sk_buff *skb);

/*
 * Is what is at a place of a packet that this host sends, or has sent, a datagram
 * of ours? Both of its ports are the namespace's, which no other socket can have.
 */
static inline bool shim6_is_udp_sent(const struct shim6_net *sn,
				     const struct sk_buff *skb,
				     const struct shim6_place *place)
{
	return place->nexthdr == IPPROTO_UDP && shim6_udp_port(sn) &&
	       shim6_udp_is_sent(skb, place, shim6_udp_port(sn));
}

#endif /* _SHIM6_ENCAP_UDP_H */
