// SPDX-License-Identifier: GPL-2.0
/*
 * The state of a network namespace, put together and taken apart. It is made when
 * somebody first changes something in the namespace, and goes with the namespace
 * or with the module.
 */
#include <linux/netfilter_ipv6.h>
#include <linux/slab.h>

#include "compat.h"
#include "context.h"
#include "daemon.h"
#include "hooks.h"
#include "input.h"
#include "mtu.h"
#include "netns.h"
#include "output.h"
#include "recent.h"
#include "rpfilter.h"
#include "state.h"
#include "tcp.h"
#include "udp.h"

static const struct nf_hook_ops shim6_hooks[SHIM6_HOOKS] = {
	[SHIM6_HOOK_INPUT] = {
		.hook = shim6_input,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		/* Before defragmentation and any hook at that priority. */
		.priority = NF_IP6_PRI_RAW_BEFORE_DEFRAG - 10,
	},
	[SHIM6_HOOK_OUTPUT] = {
		.hook = shim6_output,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
	[SHIM6_HOOK_LAST] = {
		.hook = shim6_rpfilter_end,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_LAST,
	},
};

static void shim6_net_free(struct shim6_net *sn)
{
	shim6_recent_exit(sn);
	shim6_stats_net_exit(sn);
	mutex_destroy(&sn->config_lock);
	kfree(sn);
}

static struct shim6_net *shim6_net_new(struct net *net)
{
	struct shim6_net *sn;

	sn = kzalloc(sizeof(*sn), GFP_KERNEL_ACCOUNT);
	if (!sn)
		return NULL;
	sn->net = net;
	shim6_hooks_net_init(sn, shim6_hooks);
	mutex_init(&sn->config_lock);
	shim6_config_init(&sn->config);
	shim6_tcp_net_init(sn);
	shim6_mtu_net_init(sn);
	if (shim6_stats_net_init(sn) || shim6_recent_init(sn) ||
	    shim6_table_init(sn))
		goto err;
	if (shim6_policy_net_init(sn))
		goto err_policy;
	return sn;

err_policy:
	shim6_context_net_exit(sn);
err:
	shim6_net_free(sn);
	return NULL;
}

/**
 * shim6_netns_use - the module's state in a namespace that uses Shim6 from now on
 * @net: the namespace, kept alive by the caller; may sleep
 *
 * Nobody waits for another caller's allocation: if several callers are the first
 * at the same time, each makes a state, and all use that of the fastest.
 *
 * Return: the state, or NULL if there is no memory.
 */
struct shim6_net *shim6_netns_use(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net), *other;

	if (sn)
		return sn;
	sn = shim6_net_new(net);
	if (!sn)
		return NULL;
	other = shim6_pernet_set(net, sn);
	if (!other)
		return sn;
	shim6_policy_net_exit(sn);
	shim6_context_net_exit(sn);
	shim6_net_free(sn);
	return other;
}

/*
 * A grace period passes between this and the exit. No first use can come any more:
 * requests hold the namespace, and the netlink family goes before the module.
 */
static void __net_exit shim6_net_pre_exit(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);

	if (!sn)
		return;
	shim6_hooks_net_pre_exit(sn);
	shim6_udp_close(sn->udp);
	sn->udp = NULL;
}

static void __net_exit shim6_net_exit(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);

	if (!sn)
		return;
	/*
	 * A packet that was in our hook when the hook was unregistered may
	 * wait in a queue for user space, and would go on in our code.
	 */
	nf_queue_nf_hook_drop(net);
	shim6_hooks_net_exit(sn);
	shim6_tcp_net_exit(sn);
	shim6_mtu_net_exit(sn);
	shim6_daemon_net_exit(sn);
	shim6_policy_net_exit(sn);
	shim6_context_net_exit(sn);
}

/*
 * The timers of contexts use the counters until a grace period has passed. One
 * wait serves all namespaces that go; without any context there is no wait.
 */
static void __net_exit shim6_net_exit_batch(struct list_head *nets)
{
	struct shim6_net *sn;
	bool used = false;
	struct net *net;

	list_for_each_entry(net, nets, exit_list) {
		sn = shim6_pernet(net);
		used |= sn && sn->table.used;
	}
	if (used)
		rcu_barrier();
	list_for_each_entry(net, nets, exit_list) {
		sn = shim6_pernet(net);
		if (sn)
			shim6_net_free(sn);
	}
}

static struct pernet_operations shim6_net_ops = {
	.pre_exit = shim6_net_pre_exit,
	.exit = shim6_net_exit,
	.exit_batch = shim6_net_exit_batch,
	.id = &shim6_net_id,
	.size = sizeof(struct shim6_net *),
};

/**
 * shim6_netns_init - from now on every namespace, old and new, can have a state
 *
 * Must run before anything that could look the state up.
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_netns_init(void)
{
	return register_pernet_subsys(&shim6_net_ops);
}

/**
 * shim6_netns_exit - drop the state of every namespace
 */
void shim6_netns_exit(void)
{
	unregister_pernet_subsys(&shim6_net_ops);
	/* Wait for those who were deciding on a queued packet at that moment. */
	synchronize_net();
}
