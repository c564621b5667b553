/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETLINK_CONTEXT_H
#define _SHIM6_NETLINK_CONTEXT_H

#include <linux/types.h>

struct genl_info;
struct shim6_context;
struct shim6_net;
struct sk_buff;

struct sk_buff *shim6_nl_context_msg(const struct shim6_context *ctx);
int shim6_nl_context_fill(struct sk_buff *msg, const struct shim6_context *ctx,
			  bool tags, void *hdr);
void shim6_nl_context_notify(struct shim6_net *sn, struct shim6_context *ctx,
			     struct genl_info *info, u8 cmd);

#endif /* _SHIM6_NETLINK_CONTEXT_H */
