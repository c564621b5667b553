/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_EVENT_H
#define _SHIM6_EVENT_H

#include <linux/types.h>

struct shim6_context;
struct shim6_doubt;
struct shim6_net;
struct shim6_ulids;
struct sk_buff;

bool shim6_has_daemon(const struct shim6_net *sn);
int shim6_event_control(struct shim6_net *sn, const struct sk_buff *skb,
			const void *message, unsigned int len,
			struct shim6_context *ctx, u32 encapsulation);
void shim6_event_no_context(struct shim6_net *sn, const struct sk_buff *skb,
			    u64 tag, u32 encapsulation);
bool shim6_event_acquire(struct shim6_net *sn, const struct shim6_ulids *ulids,
			 u64 packets);
bool shim6_event_reap(struct shim6_context *ctx, u32 event,
		      const struct shim6_doubt *doubt);
void shim6_event_reap_limited(struct shim6_context *ctx, u32 event,
			      const struct shim6_doubt *doubt);
bool shim6_event_socket(struct shim6_net *sn, const struct shim6_ulids *ulids,
			bool standby, u32 send_timeout);
void shim6_event_expire(struct shim6_context *ctx, u64 idle);
bool shim6_event_icmp(struct shim6_net *sn, const struct sk_buff *skb,
		      struct shim6_context *ctx, unsigned int inner,
		      unsigned int offset, u32 encapsulation);

#endif /* _SHIM6_EVENT_H */
