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

static const struct netlink_range_validation shim6_a_config_udp_port_range = {
	.max	= SHIM6_UDP_PORT_MAX,
};

static const struct netlink_range_validation shim6_a_context_tag_local_range = {
	.max	= SHIM6_TAG_MAX,
};

static const struct netlink_range_validation shim6_a_context_tag_peer_range = {
	.max	= SHIM6_TAG_MAX,
};

static const struct netlink_range_validation shim6_a_context_send_timeout_range = {
	.min	= SHIM6_SEND_TIMEOUT_MIN,
	.max	= SHIM6_SEND_TIMEOUT_MAX,
};

static const struct netlink_range_validation shim6_a_context_keepalive_timeout_range = {
	.min	= 1000ULL,
	.max	= SHIM6_KEEPALIVE_TIMEOUT_MAX,
};

static const struct netlink_range_validation shim6_a_policy_trigger_packets_range = {
	.max	= SHIM6_TRIGGER_PACKETS_LIMIT,
};

static const struct netlink_range_validation shim6_a_policy_trigger_time_range = {
	.max	= SHIM6_TRIGGER_TIME_LIMIT,
};

static const struct netlink_range_validation shim6_a_control_length_range = {
	.max	= SHIM6_PACKET_LENGTH_LIMIT,
};

/* Common nested types */
const struct nla_policy shim6_locators_nl_policy[SHIM6_A_LOCATORS_LOCATOR + 1] = {
	[SHIM6_A_LOCATORS_LOCATOR] = NLA_POLICY_EXACT_LEN(16),
};

/* SHIM6_CMD_CONFIG_SET - do */
static const struct nla_policy shim6_config_set_nl_policy[SHIM6_A_CONFIG_WATCH_STREAMS + 1] = {
	[SHIM6_A_CONFIG_MAX_CONTEXTS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_max_contexts_range),
	[SHIM6_A_CONFIG_MAX_FLOWS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_max_flows_range),
	[SHIM6_A_CONFIG_TRIGGER_PACKETS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_trigger_packets_range),
	[SHIM6_A_CONFIG_TRIGGER_TIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_trigger_time_range),
	[SHIM6_A_CONFIG_SEND_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_send_timeout_range),
	[SHIM6_A_CONFIG_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_idle_timeout_range),
	[SHIM6_A_CONFIG_ICMP_TO_ULP] = NLA_POLICY_MAX(NLA_U32, 1),
	[SHIM6_A_CONFIG_UDP_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_config_udp_port_range),
	[SHIM6_A_CONFIG_WATCH_STREAMS] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* SHIM6_CMD_CONTEXT_NEW - do */
static const struct nla_policy shim6_context_new_nl_policy[SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION + 1] = {
	[SHIM6_A_CONTEXT_ULID_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_ULID_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_FII] = { .type = NLA_U32, },
	[SHIM6_A_CONTEXT_TAG_LOCAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_local_range),
	[SHIM6_A_CONTEXT_TAG_PEER] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_peer_range),
	[SHIM6_A_CONTEXT_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 4),
	[SHIM6_A_CONTEXT_LOCATOR_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_LOCATOR_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_LOCATORS_LOCAL] = NLA_POLICY_NESTED(shim6_locators_nl_policy),
	[SHIM6_A_CONTEXT_LOCATORS_PEER] = NLA_POLICY_NESTED(shim6_locators_nl_policy),
	[SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_SEND_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_context_send_timeout_range),
	[SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_context_keepalive_timeout_range),
	[SHIM6_A_CONTEXT_REAP_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_CONTEXT_REAP_TIMER] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_CONTEXT_HEADER] = NLA_POLICY_MAX(NLA_U32, 1),
	[SHIM6_A_CONTEXT_ENCAPSULATION] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
};

/* SHIM6_CMD_CONTEXT_SET - do */
static const struct nla_policy shim6_context_set_nl_policy[SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION + 1] = {
	[SHIM6_A_CONTEXT_ULID_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_ULID_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_FII] = { .type = NLA_U32, },
	[SHIM6_A_CONTEXT_TAG_LOCAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_local_range),
	[SHIM6_A_CONTEXT_TAG_PEER] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_peer_range),
	[SHIM6_A_CONTEXT_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 4),
	[SHIM6_A_CONTEXT_LOCATOR_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_LOCATOR_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_LOCATORS_LOCAL] = NLA_POLICY_NESTED(shim6_locators_nl_policy),
	[SHIM6_A_CONTEXT_LOCATORS_PEER] = NLA_POLICY_NESTED(shim6_locators_nl_policy),
	[SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_SEND_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_context_send_timeout_range),
	[SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_context_keepalive_timeout_range),
	[SHIM6_A_CONTEXT_REAP_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_CONTEXT_REAP_TIMER] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_CONTEXT_HEADER] = NLA_POLICY_MAX(NLA_U32, 1),
	[SHIM6_A_CONTEXT_ENCAPSULATION] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
};

/* SHIM6_CMD_CONTEXT_GET - do */
static const struct nla_policy shim6_context_get_do_nl_policy[SHIM6_A_CONTEXT_TAG_LOCAL + 1] = {
	[SHIM6_A_CONTEXT_ULID_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_ULID_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_FII] = { .type = NLA_U32, },
	[SHIM6_A_CONTEXT_TAG_LOCAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_local_range),
};

/* SHIM6_CMD_CONTEXT_GET - dump */
static const struct nla_policy shim6_context_get_dump_nl_policy[SHIM6_A_CONTEXT_ACTIVE_WITHIN + 1] = {
	[SHIM6_A_CONTEXT_ULID_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_ULID_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_FII] = { .type = NLA_U32, },
	[SHIM6_A_CONTEXT_TAG_LOCAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_local_range),
	[SHIM6_A_CONTEXT_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 4),
	[SHIM6_A_CONTEXT_REAP_STATE] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_CONTEXT_ACTIVE_WITHIN] = { .type = NLA_U32, },
};

/* SHIM6_CMD_CONTEXT_DEL - do */
static const struct nla_policy shim6_context_del_nl_policy[SHIM6_A_CONTEXT_TAG_LOCAL + 1] = {
	[SHIM6_A_CONTEXT_ULID_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_ULID_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTEXT_FII] = { .type = NLA_U32, },
	[SHIM6_A_CONTEXT_TAG_LOCAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &shim6_a_context_tag_local_range),
};

/* SHIM6_CMD_POLICY_NEW - do */
static const struct nla_policy shim6_policy_new_nl_policy[SHIM6_A_POLICY_TRIGGER_TIME + 1] = {
	[SHIM6_A_POLICY_PREFERENCE] = { .type = NLA_U32, },
	[SHIM6_A_POLICY_LOCAL] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_POLICY_LOCAL_LENGTH] = NLA_POLICY_MAX(NLA_U8, 128),
	[SHIM6_A_POLICY_PEER] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_POLICY_PEER_LENGTH] = NLA_POLICY_MAX(NLA_U8, 128),
	[SHIM6_A_POLICY_PROTOCOL] = { .type = NLA_U8, },
	[SHIM6_A_POLICY_PORT_LOCAL] = { .type = NLA_U16, },
	[SHIM6_A_POLICY_PORT_PEER] = { .type = NLA_U16, },
	[SHIM6_A_POLICY_PORT] = { .type = NLA_U16, },
	[SHIM6_A_POLICY_MARK] = { .type = NLA_U32, },
	[SHIM6_A_POLICY_MARK_MASK] = { .type = NLA_U32, },
	[SHIM6_A_POLICY_MPTCP] = { .type = NLA_FLAG, },
	[SHIM6_A_POLICY_ACTION] = NLA_POLICY_RANGE(NLA_U32, 1, 3),
	[SHIM6_A_POLICY_TRIGGER_PACKETS] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_policy_trigger_packets_range),
	[SHIM6_A_POLICY_TRIGGER_TIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_policy_trigger_time_range),
};

/* SHIM6_CMD_POLICY_DEL - do */
static const struct nla_policy shim6_policy_del_nl_policy[SHIM6_A_POLICY_PREFERENCE + 1] = {
	[SHIM6_A_POLICY_PREFERENCE] = { .type = NLA_U32, },
};

/* SHIM6_CMD_DAEMON_REGISTER - do */
static const struct nla_policy shim6_daemon_register_nl_policy[SHIM6_A_CONTROL_FROM_OUTSIDE + 1] = {
	[SHIM6_A_CONTROL_FROM_OUTSIDE] = { .type = NLA_FLAG, },
};

/* SHIM6_CMD_CONTROL_SEND - do */
static const struct nla_policy shim6_control_send_nl_policy[SHIM6_A_CONTROL_ENCAPSULATION + 1] = {
	[SHIM6_A_CONTROL_SOURCE] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTROL_DESTINATION] = NLA_POLICY_EXACT_LEN(16),
	[SHIM6_A_CONTROL_MESSAGE] = { .type = NLA_BINARY, },
	[SHIM6_A_CONTROL_LENGTH] = NLA_POLICY_FULL_RANGE(NLA_U32, &shim6_a_control_length_range),
	[SHIM6_A_CONTROL_ENCAPSULATION] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
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
		.maxattr	= SHIM6_A_CONFIG_WATCH_STREAMS,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONTEXT_NEW,
		.doit		= shim6_nl_context_new_doit,
		.policy		= shim6_context_new_nl_policy,
		.maxattr	= SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONTEXT_SET,
		.doit		= shim6_nl_context_set_doit,
		.policy		= shim6_context_set_nl_policy,
		.maxattr	= SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONTEXT_GET,
		.doit		= shim6_nl_context_get_doit,
		.policy		= shim6_context_get_do_nl_policy,
		.maxattr	= SHIM6_A_CONTEXT_TAG_LOCAL,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONTEXT_GET,
		.dumpit		= shim6_nl_context_get_dumpit,
		.policy		= shim6_context_get_dump_nl_policy,
		.maxattr	= SHIM6_A_CONTEXT_ACTIVE_WITHIN,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= SHIM6_CMD_CONTEXT_DEL,
		.doit		= shim6_nl_context_del_doit,
		.policy		= shim6_context_del_nl_policy,
		.maxattr	= SHIM6_A_CONTEXT_TAG_LOCAL,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= SHIM6_CMD_CONTEXT_FLUSH,
		.doit	= shim6_nl_context_flush_doit,
		.flags	= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_POLICY_NEW,
		.doit		= shim6_nl_policy_new_doit,
		.policy		= shim6_policy_new_nl_policy,
		.maxattr	= SHIM6_A_POLICY_TRIGGER_TIME,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_POLICY_DEL,
		.doit		= shim6_nl_policy_del_doit,
		.policy		= shim6_policy_del_nl_policy,
		.maxattr	= SHIM6_A_POLICY_PREFERENCE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= SHIM6_CMD_POLICY_GET,
		.dumpit	= shim6_nl_policy_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= SHIM6_CMD_POLICY_FLUSH,
		.doit	= shim6_nl_policy_flush_doit,
		.flags	= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= SHIM6_CMD_STATS_GET,
		.doit	= shim6_nl_stats_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_DAEMON_REGISTER,
		.doit		= shim6_nl_daemon_register_doit,
		.policy		= shim6_daemon_register_nl_policy,
		.maxattr	= SHIM6_A_CONTROL_FROM_OUTSIDE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= SHIM6_CMD_CONTROL_SEND,
		.doit		= shim6_nl_control_send_doit,
		.policy		= shim6_control_send_nl_policy,
		.maxattr	= SHIM6_A_CONTROL_ENCAPSULATION,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= SHIM6_CMD_FLOW_GET,
		.dumpit	= shim6_nl_flow_get_dumpit,
		.flags	= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group shim6_nl_mcgrps[] = {
	[SHIM6_NLGRP_CONFIG] = { "config", },
	[SHIM6_NLGRP_CONTEXT] = { "context", },
	[SHIM6_NLGRP_POLICY] = { "policy", },
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
