/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_LOCATORS_H
#define _SHIM6_LOCATORS_H

#include <linux/types.h>

struct in6_addr;
struct net;
struct shim6_context;
struct shim6_context_change;
struct shim6_locators;
struct shim6_pair;

bool shim6_context_is_local(const struct shim6_context *ctx,
			    const struct in6_addr *addr);
bool shim6_context_is_here(const struct shim6_context *ctx, struct net *net,
			   const struct in6_addr *addr);
bool shim6_context_is_peer(const struct shim6_context *ctx,
			   const struct in6_addr *addr);
void shim6_context_pair(const struct shim6_context *ctx,
			struct shim6_pair *pair);
struct shim6_locators *
shim6_locators_merge(const struct shim6_locators *old,
		     const struct shim6_context_change *c);

#endif /* _SHIM6_LOCATORS_H */
