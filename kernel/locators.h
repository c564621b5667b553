/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_LOCATORS_H
#define _SHIM6_LOCATORS_H

#include <net/ipv6.h>

#include "path.h"
#include "state.h"

struct shim6_context_change;

bool shim6_context_is_local(const struct shim6_context *ctx,
			    const struct in6_addr *addr);
bool shim6_context_is_host(const struct shim6_context *ctx, struct net *net,
			   const struct in6_addr *addr);
bool shim6_context_is_peer(const struct shim6_context *ctx,
			   const struct in6_addr *addr);
void shim6_context_pair(const struct shim6_context *ctx,
			struct shim6_pair *pair);
struct shim6_locators *
shim6_locators_merge(const struct shim6_locators *old,
		     const struct shim6_context_change *c);

/**
 * shim6_context_is_here - is a packet with the tag of a context for this host?
 * @ctx: the context; the caller is in an RCU read-side section
 * @net: the namespace
 * @addr: the packet's destination
 *
 * A router may have a context with the same tag by chance, and then has to
 * forward the packet. Most packets are for the locator by which this host sends,
 * which spares the other questions.
 */
static inline bool shim6_context_is_here(const struct shim6_context *ctx,
					 struct net *net,
					 const struct in6_addr *addr)
{
	const struct shim6_path *path = rcu_dereference(ctx->path);

	return (path && ipv6_addr_equal(addr, &path->pair.local)) ||
	       shim6_context_is_host(ctx, net, addr);
}

#endif /* _SHIM6_LOCATORS_H */
