// SPDX-License-Identifier: GPL-2.0
/*
 * State per network namespace: made when the module is loaded or a namespace
 * is created, whichever comes later, and gone with the first of the two.
 */
#include <net/netns/generic.h>

#include "netns.h"

static unsigned int shim6_net_id __read_mostly;

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

static int __net_init shim6_net_init(struct net *net)
{
	struct shim6_net *sn = shim6_pernet(net);

	mutex_init(&sn->config_lock);
	shim6_config_init(&sn->config);
	return 0;
}

static void __net_exit shim6_net_exit(struct net *net)
{
	mutex_destroy(&shim6_pernet(net)->config_lock);
}

static struct pernet_operations shim6_net_ops = {
	.init = shim6_net_init,
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
