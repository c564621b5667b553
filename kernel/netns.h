/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETNS_H
#define _SHIM6_NETNS_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "config.h"
#include "context.h"
#include "flow.h"
#include "policy.h"
#include "stats.h"
#include "table.h"

/* Slots of the limit on reports of unknown tags. */
#define SHIM6_SOURCES	512

/**
 * struct shim6_net - what the module keeps for one network namespace
 * @net: the namespace
 * @config_lock: held by whoever changes @config or copies all of it
 * @config: the configuration; single fields may be read without the lock by
 *	READ_ONCE()
 * @table: the contexts
 * @flows: what is counted without a context
 * @policies: the rules
 * @mib: the counters
 * @hooks: how many contexts and daemons there are that need the hooks; changed
 *	under the table's lock
 * @hooks_gone: the namespace is on its way out, and has lost them
 * @daemon: the netlink port of the daemon's socket, 0 without one; changed
 *	under the table's lock
 * @daemon_outside: the same of the socket for what comes from outside
 * @hash_seed: so that nobody outside knows which sources share a slot
 * @sources: jiffies of the last report of an unknown tag, by source
 * @tcp_work: restarts TCP sockets after a switch
 */
struct shim6_net {
	struct net *net;
	struct mutex config_lock; /* of config as a whole */
	struct shim6_config config;
	struct shim6_table table;
	struct shim6_flows flows;
	struct shim6_policies policies;
	struct shim6_mib __percpu *mib;
	u32 hooks;
	bool hooks_gone;
	u32 daemon;
	u32 daemon_outside;
	u32 hash_seed;
	unsigned long sources[SHIM6_SOURCES];
	struct work_struct tcp_work;
};

struct shim6_net *shim6_pernet(const struct net *net);
int shim6_hooks_get(struct shim6_net *sn);
void shim6_hooks_put(struct shim6_net *sn);
int shim6_netns_init(void);
void shim6_netns_exit(void);

#endif /* _SHIM6_NETNS_H */
