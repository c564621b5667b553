/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_REAP_H
#define _SHIM6_REAP_H

#include <linux/types.h>

struct shim6_context;
struct sk_buff;

/**
 * struct shim6_doubt - what makes a TCP connection doubt its path
 * @rtt: round-trip time in microseconds, 0 if that is not known
 * @retransmits: how often its timer has expired since something that it has sent
 *	was acknowledged
 * @length: octets of the packet that it sends, as it leaves
 * @progress: other connections of the context get on
 */
struct shim6_doubt {
	u32 rtt;
	u32 retransmits;
	u32 length;
	bool progress;
};

void shim6_reap_init(struct shim6_context *ctx);
void shim6_reap_start(struct shim6_context *ctx);
void shim6_reap_sent(struct shim6_context *ctx, const struct sk_buff *skb);
void shim6_reap_control_sent(struct shim6_context *ctx);
void shim6_reap_heard(struct shim6_context *ctx);
void shim6_reap_keepalive(struct shim6_context *ctx);
void shim6_reap_probed(struct shim6_context *ctx);
void shim6_reap_set_state(struct shim6_context *ctx, u32 state);
void shim6_reap_set_timer(struct shim6_context *ctx, u32 timer);
void shim6_reap_orphan(struct shim6_context *ctx);

#endif /* _SHIM6_REAP_H */
