/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_WISHES_H
#define _SHIM6_WISHES_H

struct shim6_net;
struct shim6_sock_values;
struct shim6_ulids;
struct shim6_wish;
struct sock;

struct shim6_wish *shim6_wish_new(const struct sock *sk);
void shim6_wish_free(struct shim6_wish *wish);
struct shim6_wish *shim6_wish_join(struct shim6_wish **new,
				   const struct shim6_sock_values *values);
void shim6_wish_leave(struct shim6_wish *wish,
		      const struct shim6_sock_values *values);
void shim6_wishes_again(const struct shim6_net *sn,
			const struct shim6_ulids *ulids);
int shim6_wishes_init(void);
void shim6_wishes_stop(void);
void shim6_wishes_exit(void);

#endif /* _SHIM6_WISHES_H */
