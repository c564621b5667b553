/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_REAP_H
#define _SHIM6_REAP_H

#include <linux/types.h>

struct shim6_context;
struct sock;

void shim6_reap_init(struct shim6_context *ctx);
void shim6_reap_start(struct shim6_context *ctx);
void shim6_reap_sent(struct shim6_context *ctx, const struct sock *sk);
void shim6_reap_control_sent(struct shim6_context *ctx);
void shim6_reap_heard(struct shim6_context *ctx);
void shim6_reap_keepalive(struct shim6_context *ctx);
void shim6_reap_set_state(struct shim6_context *ctx, u32 state);
void shim6_reap_set_timer(struct shim6_context *ctx, u32 timer);
void shim6_reap_orphan(struct shim6_context *ctx);

#endif /* _SHIM6_REAP_H */
