/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_HOME_H
#define _SHIM6_HOME_H

#include "state.h"

struct icmp6hdr;
struct shim6_path;
struct shim6_place;

struct shim6_path *shim6_home_path(struct shim6_context *ctx,
				   struct shim6_path *path);

/**
 * shim6_home_heard - a payload header of a context has arrived
 * @ctx: the context; the caller is in an RCU read-side section
 */
static inline void shim6_home_heard(struct shim6_context *ctx)
{
	if (unlikely(!READ_ONCE(ctx->header)))
		WRITE_ONCE(ctx->header, true);
}

void shim6_home_refused(struct shim6_context *ctx,
			const struct icmp6hdr *icmp,
			const struct shim6_place *place);

#endif /* _SHIM6_HOME_H */
