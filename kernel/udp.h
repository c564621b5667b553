/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_UDP_H
#define _SHIM6_UDP_H

#include <linux/types.h>

struct netlink_ext_ack;
struct shim6_net;
struct socket;

int shim6_udp_open(struct shim6_net *sn, u16 port, struct socket **sock,
		   struct netlink_ext_ack *extack);
void shim6_udp_close(struct socket *sock);

#endif /* _SHIM6_UDP_H */
