// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of a network namespace.
 */
#include <linux/compiler.h>

#include <uapi/linux/shim6.h>

#include "config.h"

/**
 * shim6_config_init - give a new namespace the defaults of the spec
 * @config: the configuration to fill, seen by nobody else yet
 */
void shim6_config_init(struct shim6_config *config)
{
	*config = (struct shim6_config) {
		.max_contexts = SHIM6_MAX_CONTEXTS_DEFAULT,
		.max_flows = SHIM6_MAX_FLOWS_DEFAULT,
		.trigger_packets = SHIM6_TRIGGER_PACKETS_DEFAULT,
		.trigger_time = SHIM6_TRIGGER_TIME_DEFAULT,
		.send_timeout = SHIM6_SEND_TIMEOUT_DEFAULT,
		.idle_timeout = SHIM6_IDLE_TIMEOUT_DEFAULT,
	};
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
	WRITE_ONCE(config->max_contexts, from->max_contexts);
	WRITE_ONCE(config->max_flows, from->max_flows);
	WRITE_ONCE(config->trigger_packets, from->trigger_packets);
	WRITE_ONCE(config->trigger_time, from->trigger_time);
	WRITE_ONCE(config->send_timeout, from->send_timeout);
	WRITE_ONCE(config->idle_timeout, from->idle_timeout);
	WRITE_ONCE(config->icmp_to_ulp, from->icmp_to_ulp);
}
