// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of a network namespace.
 */
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
