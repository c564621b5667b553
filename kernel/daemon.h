/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_DAEMON_H
#define _SHIM6_DAEMON_H

#include <linux/types.h>

struct netlink_ext_ack;
struct shim6_net;
struct sock;

/**
 * struct shim6_socket - a socket of the daemon
 * @sk: the socket, with a reference, or NULL; changed under the table's lock
 * @port: its netlink port; 0 as soon as the socket is being closed, which needs
 *	no lock
 */
struct shim6_socket {
	struct sock __rcu *sk;
	u32 port;
};

int shim6_daemon_register(struct shim6_net *sn, struct sock *sk, u32 port,
			  bool outside, struct netlink_ext_ack *extack);
void shim6_daemon_net_exit(struct shim6_net *sn);
int shim6_daemon_init(void);
void shim6_daemon_exit(void);

#endif /* _SHIM6_DAEMON_H */
