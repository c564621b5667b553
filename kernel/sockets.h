/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_SOCKETS_H
#define _SHIM6_SOCKETS_H

#include <linux/atomic.h>
#include <linux/types.h>

struct sock;

/**
 * struct shim6_sock_values - what a program has asked for a socket
 * @dontshim: its packets neither use a context nor cause one
 * @standby: a pair should be kept in reserve
 * @recv_local: the program wants to know the local locators of what it receives
 * @recv_peer: likewise the peer's
 * @app_timeout: Send Timeout in seconds, 0 for the default
 *
 * The default of each is 0.
 */
struct shim6_sock_values {
	bool dontshim;
	bool standby;
	bool recv_local;
	bool recv_peer;
	u16 app_timeout;
};

/* How many sockets have asked not to be served, in all namespaces. */
extern atomic_t shim6_sockets_dontshim;

bool shim6_sock_find_dontshim(struct sock *sk);

/*
 * Has a packet's socket asked not to be served? @sk: the socket that sends, as a
 * hook knows it, or NULL; it may be one that is not a full one. The caller is in an
 * RCU read-side section.
 */
static inline bool shim6_sock_dontshim(struct sock *sk)
{
	return unlikely(atomic_read(&shim6_sockets_dontshim)) && sk &&
	       shim6_sock_find_dontshim(sk);
}

void shim6_sock_get(const struct sock *sk, struct shim6_sock_values *values);
int shim6_sock_set(struct sock *sk, int option, u32 value);
void shim6_sockets_stop(void);
int shim6_sockets_init(void);
void shim6_sockets_exit(void);

#endif /* _SHIM6_SOCKETS_H */
