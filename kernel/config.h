/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CONFIG_H
#define _SHIM6_CONFIG_H

#include <linux/types.h>

/**
 * struct shim6_config - what an administrator can set for a network namespace
 * @max_contexts: how many contexts the namespace may hold
 * @max_flows: how many ULID pairs without a context are counted at a time
 * @trigger_packets: packets after which a context is asked for, 0 for never
 * @trigger_time: milliseconds of exchange after which one is asked for, 0 for
 *	never
 * @send_timeout: Send Timeout of new contexts (RFC 5534 section 7), in
 *	milliseconds
 * @idle_timeout: milliseconds of quiescence (RFC 5533 section 9) after which
 *	a context is reported
 * @icmp_to_ulp: 1 if the ULP gets those errors as well that the daemon acts on
 * @udp_port: the port of the encapsulation in UDP, in host order; 0 for none
 * @watch_streams: 1 if the daemon is told of streams that stop
 *
 * config.c has a row for each.
 */
struct shim6_config {
	u32 max_contexts;
	u32 max_flows;
	u32 trigger_packets;
	u32 trigger_time;
	u32 send_timeout;
	u32 idle_timeout;
	u32 icmp_to_ulp;
	u32 udp_port;
	u32 watch_streams;
};

u32 shim6_config_get(const struct shim6_config *config, int attr);
void shim6_config_set(struct shim6_config *config, int attr, u32 value);
void shim6_config_init(struct shim6_config *config);
void shim6_config_store(struct shim6_config *config,
			const struct shim6_config *from);

#endif /* _SHIM6_CONFIG_H */
