/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	netlink/shim6.yaml */
/* To regenerate run: make generate */
/* YNL-GEN kernel header */

#ifndef _LINUX_SHIM6_GEN_H
#define _LINUX_SHIM6_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/shim6.h>

/* Common nested types */
extern const struct nla_policy shim6_locators_nl_policy[SHIM6_A_LOCATORS_LOCATOR + 1];

int shim6_nl_config_get_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_config_set_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_context_new_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_context_set_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_context_get_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_context_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int shim6_nl_context_del_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_context_flush_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_policy_new_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_policy_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int shim6_nl_policy_flush_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_daemon_register_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_control_send_doit(struct sk_buff *skb, struct genl_info *info);
int shim6_nl_flow_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);

enum {
	SHIM6_NLGRP_CONFIG,
	SHIM6_NLGRP_CONTEXT,
	SHIM6_NLGRP_POLICY,
};

extern struct genl_family shim6_nl_family;

#endif /* _LINUX_SHIM6_GEN_H */
