/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_RHYTHM_H
#define _SHIM6_RHYTHM_H

#include <linux/jiffies.h>

#include "state.h"

void shim6_rhythm_beat(struct shim6_context *ctx, unsigned long gap);
bool shim6_rhythm_count(struct shim6_hints *hints);
bool shim6_rhythm_wanted(const struct shim6_net *sn);
bool shim6_rhythm_matters(const struct shim6_context *ctx);
void shim6_rhythm_forgive(struct shim6_context *ctx);
void shim6_rhythm_free(struct shim6_context *ctx);

/**
 * shim6_rhythm_heard - note when payload of a context was heard last
 * @ctx: the context; the caller is in an RCU read-side section
 *
 * Of the packets of one jiffy only the first does more than look at the time.
 */
static inline void shim6_rhythm_heard(struct shim6_context *ctx)
{
	/* 0 stands for never. */
	const unsigned long was = READ_ONCE(ctx->last_heard);
	const unsigned long now = jiffies ?: 1;

	if (was == now)
		return;
	WRITE_ONCE(ctx->last_heard, now);
	if (now - was > READ_ONCE(ctx->gap) || !READ_ONCE(ctx->rhythm))
		shim6_rhythm_beat(ctx, now - was);
}

#endif /* _SHIM6_RHYTHM_H */
