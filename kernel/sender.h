/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The key by which a sender's context is looked up: the ULID pair, and the FII
 * that says which of several contexts between them. This is the only place that
 * makes such a key: for a packet that is sent, before POSTROUTING and after it,
 * and for the trigger that counts such packets; and for the TCP connections that
 * a switch concerns.
 *
 * No sender can choose a fork yet, so all payload is sent by the default context.
 * A choice (by a socket option as in RFC 6316, or by a rule) belongs into
 * shim6_sender_fii(), and is then the same for a packet and for its socket.
 */
#ifndef _SHIM6_SENDER_H
#define _SHIM6_SENDER_H

#include <linux/skbuff.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "header.h"
#include "state.h"

/* @sk: the socket of a packet or NULL; it may be one that is not a full one. */
static inline u32 shim6_sender_fii(const struct sock *sk)
{
	return 0;
}

/**
 * shim6_sender_key - the key for a packet that this host sends
 * @skb: the packet, with its network header set and with ULIDs
 * @place: where its routing headers end, and where its final destination is
 * @key: where it goes
 *
 * Return: false if the packet can't be read so far: leave it alone.
 */
static inline bool shim6_sender_key(const struct sk_buff *skb,
				    const struct shim6_place *place,
				    struct shim6_ulids *key)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	key->local = iph->saddr;
	key->peer = iph->daddr;
	key->fii = shim6_sender_fii(skb->sk);
	return !place->final ||
	       !skb_copy_bits(skb, skb_network_offset(skb) + place->final,
			      &key->peer, sizeof(key->peer));
}

/**
 * shim6_sender_key_sock - the key for the packets of a connected socket
 * @sk: the socket, of AF_INET6
 * @key: where it goes
 */
static inline void shim6_sender_key_sock(const struct sock *sk,
					 struct shim6_ulids *key)
{
	key->local = sk->sk_v6_rcv_saddr;
	key->peer = sk->sk_v6_daddr;
	key->fii = shim6_sender_fii(sk);
}

#endif /* _SHIM6_SENDER_H */
