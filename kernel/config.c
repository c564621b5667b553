// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of a network namespace: one row for each value, by the number
 * of its netlink attribute. All that walks over the values walks over these rows.
 */
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/stddef.h>

#include <uapi/linux/shim6.h>

#include "config.h"

struct shim6_config_value {
	u16 offset;
	u32 initially;
};

#define SHIM6_CONFIG_VALUE(member, default) \
	{ offsetof(struct shim6_config, member), default }

static const struct shim6_config_value shim6_config_values[] = {
	[SHIM6_A_CONFIG_MAX_CONTEXTS] =
		SHIM6_CONFIG_VALUE(max_contexts, SHIM6_MAX_CONTEXTS_DEFAULT),
	[SHIM6_A_CONFIG_MAX_FLOWS] =
		SHIM6_CONFIG_VALUE(max_flows, SHIM6_MAX_FLOWS_DEFAULT),
	[SHIM6_A_CONFIG_TRIGGER_PACKETS] =
		SHIM6_CONFIG_VALUE(trigger_packets,
				   SHIM6_TRIGGER_PACKETS_DEFAULT),
	[SHIM6_A_CONFIG_TRIGGER_TIME] =
		SHIM6_CONFIG_VALUE(trigger_time, SHIM6_TRIGGER_TIME_DEFAULT),
	[SHIM6_A_CONFIG_SEND_TIMEOUT] =
		SHIM6_CONFIG_VALUE(send_timeout, SHIM6_SEND_TIMEOUT_DEFAULT),
	[SHIM6_A_CONFIG_IDLE_TIMEOUT] =
		SHIM6_CONFIG_VALUE(idle_timeout, SHIM6_IDLE_TIMEOUT_DEFAULT),
	[SHIM6_A_CONFIG_ICMP_TO_ULP] = SHIM6_CONFIG_VALUE(icmp_to_ulp, 0),
	[SHIM6_A_CONFIG_UDP_PORT] =
		SHIM6_CONFIG_VALUE(udp_port, SHIM6_UDP_PORT_DEFAULT),
	[SHIM6_A_CONFIG_WATCH_STREAMS] =
		SHIM6_CONFIG_VALUE(watch_streams, SHIM6_WATCH_STREAMS_DEFAULT),
};

/* Attributes count from 1, and each has a member of the structure. */
static_assert(ARRAY_SIZE(shim6_config_values) == SHIM6_A_CONFIG_MAX + 1);
static_assert(sizeof(struct shim6_config) == SHIM6_A_CONFIG_MAX * sizeof(u32));

/**
 * shim6_config_get - a value of a configuration
 * @config: the configuration
 * @attr: SHIM6_A_CONFIG_*
 */
u32 shim6_config_get(const struct shim6_config *config, int attr)
{
	const void *at = (const u8 *)config + shim6_config_values[attr].offset;

	return READ_ONCE(*(const u32 *)at);
}

/**
 * shim6_config_set - set a value of a configuration
 * @config: the configuration; if it is in use, the caller holds its lock
 * @attr: SHIM6_A_CONFIG_*
 * @value: the value, in the range that the specification says
 */
void shim6_config_set(struct shim6_config *config, int attr, u32 value)
{
	void *at = (u8 *)config + shim6_config_values[attr].offset;

	WRITE_ONCE(*(u32 *)at, value);
}

/**
 * shim6_config_init - give a new namespace the defaults of the specification
 * @config: the configuration to fill, seen by nobody else yet
 */
void shim6_config_init(struct shim6_config *config)
{
	int attr;

	for (attr = 1; attr <= SHIM6_A_CONFIG_MAX; attr++)
		shim6_config_set(config, attr,
				 shim6_config_values[attr].initially);
}

/**
 * shim6_config_store - take over another configuration
 * @config: the configuration in use, whose lock the caller holds
 * @from: what it becomes
 *
 * Readers of single fields without the lock see the old value or the new one.
 */
void shim6_config_store(struct shim6_config *config,
			const struct shim6_config *from)
{
	int attr;

	for (attr = 1; attr <= SHIM6_A_CONFIG_MAX; attr++)
		shim6_config_set(config, attr, shim6_config_get(from, attr));
}
