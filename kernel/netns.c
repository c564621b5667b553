// SPDX-License-Identifier: GPL-2.0
/*
 * State per network namespace: made when the module is loaded or a namespace
 * is created, whichever comes later, and gone with the first of the two.
 */
#include <linux/netfilter_ipv6.h>
#include <linux/random.h>
#include <net/netns/generic.h>

#include "compat.h"
#include "daemon.h"
#include "input.h"
#include "netns.h"
#include "output.h"
#include "tcp.h"

static unsigned int shim6_net_id __read_mostly;

static const struct nf_hook_ops shim6_hooks[] = {
	{
		/* Before defragmentation, and before who is before that. */
		.hook = shim6_input,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_RAW_BEFORE_DEFRAG - 10,
	},
	{
		.hook = shim6_output,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
};

/**
 * shim6_pernet - the module's state in a network namespace
 * @net: the namespace, kept alive by the caller
 *
 * Return: the state, never NULL between shim6_netns_init() and
 * shim6_netns_exit().
 */
struct shim6_net *shim6_pernet(const struct net *net)
{
	return net_generic(net, shim6_net_id);
}

/**
 * shim6_hooks_get - there is a context or a daemon more
 * @sn: the namespace's state, whose table's lock the caller holds
 *
 * The hooks are there from the first on: a namespace that does not use Shim6
 * does not pay for it.
 *
 * Return: 0 or a negative errno.
 */
int shim6_hooks_get(struct shim6_net *sn)
{
	int err;

	if (!sn->hooks && !sn->hooks_gone) {
		err = nf_register_net_hooks(sn->net, shim6_hooks,
					    ARRAY_SIZE(shim6_hooks));
		if (err)
			return err;
	}
	sn->hooks++;
	return 0;
}

/**
 * shim6_hooks_put - there is one less
 * @sn: the namespace's state, whose table's lock the caller holds
 */
void shim6_hooks_put(struct shim6_net *sn)
{
	if (!--sn->hooks && !sn->hooks_gone)
		nf_unregister_net_hooks(sn->net, shim6_hooks,
					ARRAY_SIZE(shim6_hooks));
}

static int __net_init shim6_net_init(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);
	int err;

	sn->net = net;
	sn->hash_seed = get_random_u32();
	mutex_init(&sn->config_lock);
	shim6_config_init(&sn->config);
	INIT_WORK(&sn->tcp_work, shim6_tcp_work);

	err = shim6_stats_net_init(net, sn);
	if (err)
		goto err_stats;
	err = shim6_table_init(sn);
	if (err)
		goto err_table;
	err = shim6_flow_net_init(sn);
	if (err)
		goto err_flow;
	err = shim6_policy_net_init(sn);
	if (err)
		goto err_policy;
	return 0;

err_policy:
	shim6_flow_net_exit(sn);
err_flow:
	shim6_table_exit(sn);
err_table:
	shim6_stats_net_exit(net, sn);
err_stats:
	mutex_destroy(&sn->config_lock);
	return err;
}

/* A grace period passes between this and the exit. */
static void __net_exit shim6_net_pre_exit(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);

	mutex_lock(&sn->table.lock);
	sn->hooks_gone = true;
	if (sn->hooks)
		nf_unregister_net_hooks(net, shim6_hooks,
					ARRAY_SIZE(shim6_hooks));
	mutex_unlock(&sn->table.lock);
}

static void __net_exit shim6_net_exit(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);

	cancel_work_sync(&sn->tcp_work);
	shim6_daemon_net_exit(sn);
	shim6_policy_net_exit(sn);
	shim6_flow_net_exit(sn);
	shim6_table_exit(sn);
	shim6_stats_net_exit(net, sn);
	mutex_destroy(&sn->config_lock);
}

static struct pernet_operations shim6_net_ops = {
	.init = shim6_net_init,
	.pre_exit = shim6_net_pre_exit,
	.exit = shim6_net_exit,
	.id = &shim6_net_id,
	.size = sizeof(struct shim6_net),
};

/**
 * shim6_netns_init - start to keep state in every namespace, old and new
 *
 * Comes before anything that could look the state up.
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
}
