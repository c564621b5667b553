/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETNS_H
#define _SHIM6_NETNS_H

#include <linux/mutex.h>
#include <net/net_namespace.h>

#include "config.h"

/**
 * struct shim6_net - what the module keeps for one network namespace
 * @config_lock: held by whoever changes @config or copies all of it
 * @config: the configuration; single fields may be read without the lock by
 *	READ_ONCE()
 */
struct shim6_net {
	struct mutex config_lock; /* of config as a whole */
	struct shim6_config config;
};

struct shim6_net *shim6_pernet(const struct net *net);
int shim6_netns_init(void);
void shim6_netns_exit(void);

#endif /* _SHIM6_NETNS_H */
