// SPDX-License-Identifier: GPL-2.0
/*
 * The locators of a context: which addresses belong to it. These are the ULIDs,
 * the lists Ls(local) and Ls(peer), and the current locator pair, which need not
 * be in the lists.
 */
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>

#include "context.h"
#include "locators.h"
#include "path.h"
#include "state.h"

static bool shim6_in_list(const struct in6_addr *addr,
			  const struct in6_addr *list, unsigned int n)
{
	while (n--)
		if (ipv6_addr_equal(addr, &list[n]))
			return true;
	return false;
}

/**
 * shim6_context_is_local - is an address a locator of this host in a context?
 * @ctx: the context; the caller is in an RCU read-side section or holds the
 *	table's lock
 * @addr: the address
 */
bool shim6_context_is_local(const struct shim6_context *ctx,
			    const struct in6_addr *addr)
{
	const struct shim6_locators *l = rcu_dereference_check(ctx->locators,
						      shim6_table_held(ctx->sn));
	const struct shim6_path *path = rcu_dereference_check(ctx->path,
							   shim6_table_held(ctx->sn));

	return ipv6_addr_equal(addr, &ctx->ulids.local) ||
	       (path && ipv6_addr_equal(addr, &path->pair.local)) ||
	       (l && shim6_in_list(addr, l->addr, l->locals));
}

/**
 * shim6_context_is_peer - is an address a locator of the peer in a context?
 * @ctx: the context; the caller is in an RCU read-side section or holds the
 *	table's lock
 * @addr: the address
 */
bool shim6_context_is_peer(const struct shim6_context *ctx,
			   const struct in6_addr *addr)
{
	const struct shim6_locators *l = rcu_dereference_check(ctx->locators,
						      shim6_table_held(ctx->sn));
	const struct shim6_path *path = rcu_dereference_check(ctx->path,
							   shim6_table_held(ctx->sn));

	return ipv6_addr_equal(addr, &ctx->ulids.peer) ||
	       (path && ipv6_addr_equal(addr, &path->pair.peer)) ||
	       (l && shim6_in_list(addr, l->addr + l->locals, l->peers));
}

/**
 * shim6_context_is_host - shim6_context_is_here() for any address
 * @ctx: the context; the caller is in an RCU read-side section
 * @net: the namespace
 * @addr: the packet's destination
 */
bool shim6_context_is_host(const struct shim6_context *ctx, struct net *net,
			   const struct in6_addr *addr)
{
	return shim6_context_is_local(ctx, addr) ||
	       ipv6_chk_addr(net, addr, NULL, 0);
}

/**
 * shim6_context_pair - the current locator pair of a context
 * @ctx: the context; the caller is in an RCU read-side section or holds the
 *	table's lock
 * @pair: where it goes; the ULIDs if the context is not re-homed
 */
void shim6_context_pair(const struct shim6_context *ctx,
			struct shim6_pair *pair)
{
	const struct shim6_path *path = rcu_dereference_check(ctx->path,
							   shim6_table_held(ctx->sn));

	if (path) {
		*pair = path->pair;
		return;
	}
	pair->local = ctx->ulids.local;
	pair->peer = ctx->ulids.peer;
	pair->encapsulation = SHIM6_ENCAPSULATION_NATIVE;
}

/**
 * shim6_locators_merge - the lists of a context after a change
 * @old: the lists before it, or NULL
 * @c: the change; a side that it does not name stays
 *
 * Return: the lists, which are the caller's, or NULL if there is no memory.
 */
struct shim6_locators *
shim6_locators_merge(const struct shim6_locators *old,
		     const struct shim6_context_change *c)
{
	const struct in6_addr *local = c->locals, *peer = c->peers;
	u16 locals = c->n_locals, peers = c->n_peers;
	struct shim6_locators *l;

	if (!shim6_change_has(c, SHIM6_A_CONTEXT_LOCATORS_LOCAL)) {
		locals = old ? old->locals : 0;
		local = old ? old->addr : NULL;
	}
	if (!shim6_change_has(c, SHIM6_A_CONTEXT_LOCATORS_PEER)) {
		peers = old ? old->peers : 0;
		peer = old ? old->addr + old->locals : NULL;
	}
	l = kmalloc(struct_size(l, addr, locals + peers), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->locals = locals;
	l->peers = peers;
	if (locals)
		memcpy(l->addr, local, locals * sizeof(*local));
	if (peers)
		memcpy(l->addr + locals, peer, peers * sizeof(*peer));
	return l;
}
