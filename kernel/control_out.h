/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONTROL_OUT_H
#define _SHIM6_CONTROL_OUT_H

#include <linux/gfp_types.h>

struct netlink_ext_ack;
struct shim6_context;
struct shim6_net;
struct shim6_pair;

int shim6_control_out(struct shim6_net *sn, const struct shim6_pair *pair,
		      const void *message, unsigned int len,
		      unsigned int length, gfp_t gfp,
		      struct netlink_ext_ack *extack);
void shim6_keepalive_out(struct shim6_context *ctx);

#endif /* _SHIM6_CONTROL_OUT_H */
