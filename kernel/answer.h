/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_ANSWER_H
#define _SHIM6_ANSWER_H

#include <linux/jiffies.h>

#include "state.h"

/* A packet that is sent sooner after another one is no question. */
#define SHIM6_ANSWER_QUIET	(HZ * 15 / 100)

void shim6_answer_asked(struct shim6_context *ctx);
void shim6_answer_came(struct shim6_context *ctx, unsigned long asked);
void shim6_answer_forgive(struct shim6_context *ctx);
unsigned long shim6_answer_look(struct shim6_context *ctx);

/**
 * shim6_answer_sent - see whether payload that is being sent is a question
 * @ctx: the context, whose time of the last payload sent is still that of the one
 *	before; the caller is in an RCU read-side section
 */
static inline void shim6_answer_sent(struct shim6_context *ctx)
{
	const unsigned long now = jiffies ?: 1;

	if (now - READ_ONCE(ctx->last_sent) > SHIM6_ANSWER_QUIET &&
	    now - READ_ONCE(ctx->last_heard) > SHIM6_ANSWER_QUIET &&
	    !READ_ONCE(ctx->asked))
		shim6_answer_asked(ctx);
}

/**
 * shim6_answer_heard - see whether payload that was heard is an answer
 * @ctx: the context; the caller is in an RCU read-side section
 */
static inline void shim6_answer_heard(struct shim6_context *ctx)
{
	const unsigned long asked = READ_ONCE(ctx->asked);

	if (asked)
		shim6_answer_came(ctx, asked);
}

#endif /* _SHIM6_ANSWER_H */
