/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONTROL_H
#define _SHIM6_CONTROL_H

#include <linux/gfp_types.h>

struct in6_addr;
struct netlink_ext_ack;
struct shim6_net;
struct shim6_context;
struct sk_buff;

int shim6_control_in(struct shim6_net *sn, struct sk_buff *skb);
int shim6_control_out(struct shim6_net *sn, const struct in6_addr *source,
		      const struct in6_addr *destination, const void *message,
		      unsigned int len, unsigned int length, gfp_t gfp,
		      struct netlink_ext_ack *extack);
void shim6_control_sent(struct shim6_net *sn, const struct in6_addr *source,
			const struct in6_addr *destination, const u8 *message,
			unsigned int len);
void shim6_keepalive_out(struct shim6_context *ctx);

#endif /* _SHIM6_CONTROL_H */
