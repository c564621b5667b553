// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	netlink/shim6.yaml */
/* To regenerate run: make generate */
/* YNL-GEN kernel source */

#include "compat.h"

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/shim6.h>

/* Integer value ranges */
static const struct netlink_range_validation shim6_a_config_max_contexts_range = {
	.min	= 1ULL,
	.max	= SHIM6_MAX_CONTEXTS_LIMIT,
};

static const struct netlink_range_validation shim6_a_config_max_flows_range = {
	.min	= 1ULL,
	.max	= SHIM6_MAX_FLOWS_LIMIT,
};

static const struct netlink_range_validation shim6_a_config_trigger_packets_range = {
	.max	= SHIM6_TRIGGER_PACKETS_LIMIT,
};

static const struct netlink_range_validation shim6_a_config_trigger_time_range = {
	.max	= SHIM6_TRIGGER_TIME_LIMIT,
};

static const struct netlink_range_validation shim6_a_config_send_timeout_range = {
	.min	= SHIM6_SEND_TIMEOUT_MIN,
	.max	= SHIM6_SEND_TIMEOUT_MAX,
};

static const struct netlink_range_validation shim6_a_config_idle_timeout_range = {
	.min	= SHIM6_IDLE_TIMEOUT_MIN,
	.max	= SHIM6_IDLE_TIMEOUT_MAX,
};

/* SHIM6_CMD_CONFIG_SET - do */
static const struct nla_policy shim6_config_set_nl_policy[SHIM6_A_CONFIG_IDLE_TIMEOUT + 1] = {
	[SHIM6_A_CONFIG_MAX_CONTEXTS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_max_contexts_range),
	[SHIM6_A_CONFIG_MAX_FLOWS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_max_flows_range),
	[SHIM6_A_CONFIG_TRIGGER_PACKETS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_trigger_packets_range),
	[SHIM6_A_CONFIG_TRIGGER_TIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_trigger_time_range),
	[SHIM6_A_CONFIG_SEND_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_send_timeout_range),
	[SHIM6_A_CONFIG_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_idle_timeout_range),
};

/* Ops table for shim6 */
static const struct genl_split_ops shim6_nl_ops[] = {
	{
		.cmd	= SHIM6_CMD_CONFIG_GET,
		.doit	= shim6_nl_config_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONFIG_SET,
		.doit		= shim6_nl_config_set_doit,
		.policy		= shim6_config_set_nl_policy,
		.maxattr	= SHIM6_A_CONFIG_IDLE_TIMEOUT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group shim6_nl_mcgrps[] = {
	[SHIM6_NLGRP_CONFIG] = { "config", },
};

struct genl_family shim6_nl_family __ro_after_init = {
	.name		= SHIM6_FAMILY_NAME,
	.version	= SHIM6_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= shim6_nl_ops,
	.n_split_ops	= ARRAY_SIZE(shim6_nl_ops),
	.mcgrps		= shim6_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(shim6_nl_mcgrps),
};
