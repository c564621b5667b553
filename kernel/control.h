/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONTROL_H
#define _SHIM6_CONTROL_H

#include <linux/types.h>

struct in6_addr;
struct shim6_net;
struct sk_buff;

int shim6_control_in(struct shim6_net *sn, struct sk_buff *skb,
		     u32 encapsulation);
void shim6_control_sent(struct shim6_net *sn, const struct in6_addr *source,
			const struct in6_addr *destination, const u8 *message,
			unsigned int len);

#endif /* _SHIM6_CONTROL_H */
