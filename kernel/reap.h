/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_REAP_H
#define _SHIM6_REAP_H

#include <linux/jiffies.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include <uapi/linux/shim6.h>

#include "answer.h"
#include "rhythm.h"
#include "state.h"

/* The low bits of the clock say which timer runs; the rest is jiffies. */
enum { SHIM6_CLOCK_NONE, SHIM6_CLOCK_SEND, SHIM6_CLOCK_KEEPALIVE };
#define SHIM6_CLOCK_BITS	2
#define SHIM6_CLOCK_MASK	((1UL << SHIM6_CLOCK_BITS) - 1)

/**
 * struct shim6_doubt - why a TCP connection doubts its path
 * @rtt: its round-trip time in microseconds, 0 if that is not known
 * @deviation: four times the mean deviation of that, in microseconds, as in the
 *	time-out of RFC 6298
 * @retransmits: how often its timer has expired since data that it has sent was
 *	last acknowledged
 * @length: octets of the packet that it sends, as the packet leaves
 * @progress: other connections of the context get on, or did a second ago
 */
struct shim6_doubt {
	u32 rtt;
	u32 deviation;
	u32 retransmits;
	u32 length;
	bool progress;
};

void shim6_reap_init(struct shim6_context *ctx);
void shim6_reap_start(struct shim6_context *ctx);
void shim6_reap_start_clock(struct shim6_context *ctx, unsigned long which);
void shim6_reap_ask_tcp(struct shim6_context *ctx, const struct sk_buff *skb);
void shim6_reap_heard_exploring(struct shim6_context *ctx);
void shim6_reap_keepalive(struct shim6_context *ctx);
void shim6_reap_probed(struct shim6_context *ctx);
void shim6_reap_set_state(struct shim6_context *ctx, u32 state);
void shim6_reap_set_timer(struct shim6_context *ctx, u32 timer);
void shim6_reap_moved(struct shim6_context *ctx);
void shim6_reap_orphan(struct shim6_context *ctx);

/* Which timer a clock says that runs: SHIM6_CLOCK_x. */
static inline unsigned long shim6_clock_which(unsigned long clock)
{
	return clock & SHIM6_CLOCK_MASK;
}

/* Let a timer run, if it does not yet; the caller is as for shim6_reap_start_clock(). */
static inline void shim6_reap_run(struct shim6_context *ctx,
				  unsigned long which)
{
	if (unlikely(shim6_clock_which(READ_ONCE(ctx->clock)) != which))
		shim6_reap_start_clock(ctx, which);
}

/* Note the time in jiffies, but never 0, which stands for never. */
static inline void shim6_reap_stamp(unsigned long *stamp)
{
	const unsigned long now = jiffies ?: 1;

	if (READ_ONCE(*stamp) != now)
		WRITE_ONCE(*stamp, now);
}

/**
 * shim6_reap_control_sent - a control message is being sent in a context
 * @ctx: the context; the caller is in an RCU read-side section
 *
 * The peer answers it as it would answer payload, but the context is not in use
 * because of it.
 */
static inline void shim6_reap_control_sent(struct shim6_context *ctx)
{
	if (READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_EXPLORING)
		shim6_reap_run(ctx, SHIM6_CLOCK_SEND);
}

/**
 * shim6_reap_sent - payload is being sent in a context
 * @ctx: the context; the caller is in an RCU read-side section
 * @skb: the packet
 *
 * Of the packets of one jiffy only the first does more than look at the time, apart
 * from those of TCP.
 */
static inline void shim6_reap_sent(struct shim6_context *ctx,
				   const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;
	const unsigned long now = jiffies ?: 1;

	if (READ_ONCE(ctx->last_sent) != now) {
		shim6_answer_sent(ctx);
		WRITE_ONCE(ctx->last_sent, now);
	}
	shim6_reap_control_sent(ctx);
	if (sk && sk_fullsock(sk) && sk_is_tcp(sk))
		shim6_reap_ask_tcp(ctx, skb);
}

/**
 * shim6_reap_heard - payload of a context has arrived
 * @ctx: the context; the caller is in an RCU read-side section
 */
static inline void shim6_reap_heard(struct shim6_context *ctx)
{
	shim6_rhythm_heard(ctx);
	shim6_answer_heard(ctx);
	if (likely(READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_OPERATIONAL))
		shim6_reap_run(ctx, SHIM6_CLOCK_KEEPALIVE);
	else
		shim6_reap_heard_exploring(ctx);
}

#endif /* _SHIM6_REAP_H */
