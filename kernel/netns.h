/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETNS_H
#define _SHIM6_NETNS_H

#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <net/net_namespace.h>

#include "config.h"
#include "context.h"
#include "daemon.h"
#include "flow.h"
#include "policy.h"
#include "stats.h"
#include "table.h"
#include "tcp.h"

struct shim6_fair;

/* At PRE_ROUTING and at LOCAL_OUT. */
#define SHIM6_HOOKS	2

/**
 * struct shim6_net - what the module keeps for one network namespace that uses
 * Shim6
 * @net: the namespace
 * @config_lock: held by whoever changes @config or copies all of it
 * @config: the configuration; single fields may be read without the lock by
 *	READ_ONCE()
 * @table: the contexts
 * @flows: what is counted without a context, while there is a daemon
 * @policies: the rules
 * @mib: the counters
 * @hook_ops: the hooks, which get this structure as their own
 * @hooks: how many contexts and daemons there are that need the hooks; changed
 *	under the table's lock
 * @hooks_gone: the namespace is on its way out, and has lost them
 * @daemon: the daemon's socket
 * @outside: its socket for what comes from outside
 * @fair: who is served first of those outside; while there is a daemon
 * @tcp: restarts TCP sockets after a switch
 * @told_lock: held by whoever looks at what sockets are told, mtu.c
 * @told: the paths that have a route to tell sockets by
 * @tells: the TCP connections that are to be told
 * @n_tells: how many
 * @tell_work: tells them
 */
struct shim6_net {
	struct net *net;
	struct mutex config_lock; /* of config as a whole */
	struct shim6_config config;
	struct shim6_table table;
	struct shim6_flow_table __rcu *flows;
	struct shim6_policies policies;
	struct shim6_mib __percpu *mib;
	struct nf_hook_ops hook_ops[SHIM6_HOOKS];
	u32 hooks;
	bool hooks_gone;
	struct shim6_socket daemon;
	struct shim6_socket outside;
	struct shim6_fair __rcu *fair;
	struct shim6_tcp tcp;
	spinlock_t told_lock; /* of what follows, and of told in paths */
	struct list_head told;
	struct list_head tells;
	unsigned int n_tells;
	struct delayed_work tell_work;
};

struct shim6_net *shim6_pernet(const struct net *net);
struct shim6_net *shim6_netns_use(struct net *net);
int shim6_hooks_get(struct shim6_net *sn);
void shim6_hooks_put(struct shim6_net *sn);
int shim6_netns_init(void);
void shim6_netns_exit(void);

#endif /* _SHIM6_NETNS_H */
