// SPDX-License-Identifier: GPL-2.0
/*
 * The UDP socket of a namespace (docs/udp-encapsulation.md): it holds the port,
 * and UDP gives to it what the hook at PRE_ROUTING has left (input.c). There is
 * one while the configuration names a port.
 */
#include <linux/netlink.h>
#include <net/udp_tunnel.h>

#include "compat.h"
#include "input.h"
#include "offload.h"
#include "state.h"
#include "udp.h"

/* Data is at the UDP header. Nothing is left for the socket itself. */
static int shim6_udp_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct shim6_net *sn = rcu_dereference_sk_user_data(sk);

	/* The socket is being closed. */
	if (sn)
		shim6_input_udp(sn, skb);
	else
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	return 0;
}

/**
 * shim6_udp_open - open the socket of a namespace
 * @sn: the namespace's state
 * @port: its port, in host order
 * @sock: the socket
 * @extack: where to say why not
 *
 * Return: 0 or a negative errno.
 */
int shim6_udp_open(struct shim6_net *sn, u16 port, struct socket **sock,
		   struct netlink_ext_ack *extack)
{
	struct udp_port_cfg where = {
		.family = AF_INET6,
		.local_udp_port = htons(port),
		.use_udp6_tx_checksums = true,
		.use_udp6_rx_checksums = true,
		.ipv6_v6only = true,
	};
	struct udp_tunnel_sock_cfg what = {
		.sk_user_data = sn,
		.encap_type = 1,
		.encap_rcv = shim6_udp_rcv,
		.gro_receive = shim6_udp_gro_receive,
		.gro_complete = shim6_udp_gro_complete,
	};
	int err;

	err = udp_sock_create(sn->net, &where, sock);
	if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(extack, "another socket has this UDP port");
	else if (err)
		NL_SET_ERR_MSG(extack, "the UDP port can't be opened");
	if (err)
		return err;
	shim6_setup_udp_tunnel(sn->net, *sock, &what);
	return 0;
}

/**
 * shim6_udp_close - close the socket of a namespace
 * @sock: the socket, or NULL; may sleep
 *
 * Packets that have found the socket before may still be on their way in
 * shim6_input_udp(), under RCU.
 */
void shim6_udp_close(struct socket *sock)
{
	if (sock)
		shim6_udp_release(sock);
}
