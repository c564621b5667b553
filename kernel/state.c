// SPDX-License-Identifier: GPL-2.0
/*
 * The way from a network namespace to the module's state there: a pointer, which
 * is NULL in a namespace that does not use Shim6.
 */
#include <net/netns/generic.h>

#include "state.h"

/* The place of the pointer, which netns.c registers. */
unsigned int shim6_net_id __read_mostly;

static struct shim6_net **shim6_net_slot(const struct net *net)
{
	return net_generic(net, shim6_net_id);
}

/**
 * shim6_pernet - the module's state in a network namespace
 * @net: the namespace, kept alive by the caller
 *
 * Return: the state, or NULL if nobody has used Shim6 there. Once it exists, it
 * stays as long as the namespace does; hooks and contexts come after it.
 */
struct shim6_net *shim6_pernet(const struct net *net)
{
	/* Pairs with the cmpxchg() of shim6_pernet_set(). */
	return READ_ONCE(*shim6_net_slot(net));
}

/**
 * shim6_pernet_set - give a namespace its state, if it has none
 * @net: the namespace, kept alive by the caller
 * @sn: the state, complete
 *
 * Return: NULL, or the state that the namespace has already.
 */
struct shim6_net *shim6_pernet_set(const struct net *net, struct shim6_net *sn)
{
	return cmpxchg(shim6_net_slot(net), NULL, sn);
}
