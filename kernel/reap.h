/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_REAP_H
#define _SHIM6_REAP_H

#include <linux/types.h>

struct shim6_context;
struct sk_buff;

/**
 * struct shim6_doubt - why a TCP connection doubts its path
 * @rtt: its round-trip time in microseconds, 0 if that is not known
 * @retransmits: how often its timer has expired since data that it has sent was
 *	last acknowledged
 * @length: octets of the packet that it sends, as the packet leaves
 * @progress: other connections of the context get on, or did a second ago
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
void shim6_reap_moved(struct shim6_context *ctx);
void shim6_reap_orphan(struct shim6_context *ctx);

#endif /* _SHIM6_REAP_H */
