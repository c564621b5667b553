// SPDX-License-Identifier: GPL-2.0
/*
 * An answer that does not come is a hint that a path has failed, as a stream is that
 * stops (rhythm.c). Where there is a question a second and its answer, no stream is
 * steady, and the Send Timer takes 15 seconds.
 *
 * A question is payload that is sent after nothing was sent or heard for
 * SHIM6_ANSWER_QUIET: most that acknowledges something follows it sooner. Its answer
 * is whatever is heard next. A peer that has answered SHIM6_ANSWERS questions in
 * succession, each within SHIM6_ANSWER_SOON, is expected to answer the next one. If
 * it does not within three times as long as the slowest answer of late, or
 * SHIM6_ANSWER_SOON, the daemon is told, which asks the current locator pair.
 *
 * A question or its answer may have been lost, or take its time, or it was none. So
 * the daemon is told when something comes, and an answer is missed only after a
 * quarter more than that from then on, and after two more answers that came soon.
 * Hints are limited as those of streams are, but not together with them.
 *
 * If the timer fires, this host may have been stopped, and an answer may wait to be
 * looked at. So the timer looks twice.
 *
 * Packets read the times of the last packets, which they write anyway. The timer is
 * that of reap.c, which a question makes fire sooner.
 *
 * daemon/internal/sim has a model of this file, which must do the same: both are
 * tested by tests/selftests/answer_vectors.txt.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/timer.h>

#include "answer.h"
#include "event.h"
#include "rhythm.h"
#include "state.h"

/* How many answers in succession show that questions are answered. */
#define SHIM6_ANSWERS		4

/* An answer takes no longer, and the shortest wait for one. */
#define SHIM6_ANSWER_SOON	(HZ / 2)

/* The longest wait that is learned from answers that were missed. */
#define SHIM6_ANSWER_LONGEST	(2 * HZ)

/* For how long the timer leaves room for what waits to be looked at. */
#define SHIM6_ANSWER_CATCH_UP	(HZ / 50)

/* How far it is known that an answer was not there in time. */
enum {
	SHIM6_ANSWER_NOT_LATE,
	SHIM6_ANSWER_LOOKED,	/* the timer has looked once */
	SHIM6_ANSWER_MISSED,	/* nobody was told: there were too many hints */
	SHIM6_ANSWER_TOLD,	/* the daemon was told */
};

/* After how many jiffies an answer is missed. */
static unsigned long shim6_answer_limit(const struct shim6_context *ctx)
{
	return max3(3UL * READ_ONCE(ctx->answer_time),
		    (unsigned long)SHIM6_ANSWER_SOON,
		    (unsigned long)READ_ONCE(ctx->answer_late));
}

/*
 * Let the context's timer fire after so many jiffies, or sooner. A timer that was once set
 * for seconds is late by an eighth of them, even if it is due soon by now. So a timer that
 * is due soon enough is set again. It is set one jiffy sooner, because mod_timer() does
 * nothing if the time stays the same.
 */
static void shim6_answer_wake(struct shim6_context *ctx, unsigned long after)
{
	const long due = READ_ONCE(ctx->timer.expires) - jiffies;

	if (!timer_pending(&ctx->timer) || due > (long)after)
		timer_reduce(&ctx->timer, jiffies + after);
	else
		mod_timer(&ctx->timer, jiffies + max(due - 1, 1L));
}

/**
 * shim6_answer_asked - payload is being sent that may be a question
 * @ctx: the context; the caller is in an RCU read-side section
 *
 * Nothing was sent or heard for SHIM6_ANSWER_QUIET, and no question is open.
 */
void shim6_answer_asked(struct shim6_context *ctx)
{
	const unsigned long now = jiffies ?: 1;

	WRITE_ONCE(ctx->answer_state, SHIM6_ANSWER_NOT_LATE);
	WRITE_ONCE(ctx->asked, now);
	if (READ_ONCE(ctx->answers) >= SHIM6_ANSWERS && !READ_ONCE(ctx->dead))
		shim6_answer_wake(ctx, shim6_answer_limit(ctx) + 1);
}

/* An answer was missed, and now something is heard. */
static void shim6_answer_late(struct shim6_context *ctx, unsigned long elapsed)
{
	elapsed = min_t(unsigned long, elapsed + elapsed / 4,
			SHIM6_ANSWER_LONGEST);
	if (elapsed > READ_ONCE(ctx->answer_late))
		WRITE_ONCE(ctx->answer_late, elapsed);
}

/**
 * shim6_answer_came - something was heard while a question is open
 * @ctx: the context; the caller is in an RCU read-side section
 * @asked: when it was asked, in jiffies
 */
void shim6_answer_came(struct shim6_context *ctx, unsigned long asked)
{
	const unsigned long elapsed = (jiffies ?: 1) - asked;
	const u32 time = READ_ONCE(ctx->answer_time);
	const u32 late = READ_ONCE(ctx->answer_late);
	const u8 answers = READ_ONCE(ctx->answers);
	u32 state;

	if (cmpxchg(&ctx->asked, asked, 0) != asked)
		return;
	state = xchg(&ctx->answer_state, SHIM6_ANSWER_NOT_LATE);
	if (state >= SHIM6_ANSWER_MISSED) {
		shim6_answer_late(ctx, elapsed);
		WRITE_ONCE(ctx->answers, SHIM6_ANSWERS / 2);
		if (state == SHIM6_ANSWER_TOLD)
			shim6_event_reap(ctx, SHIM6_REAP_EVENT_RESUMPTION,
					 NULL);
		return;
	}
	if (elapsed > SHIM6_ANSWER_SOON) {
		/* A peer that usually answers may be late, up to the learned wait. */
		if (answers < SHIM6_ANSWERS)
			WRITE_ONCE(ctx->answers, 0);
		return;
	}
	WRITE_ONCE(ctx->answer_time,
		   max_t(u32, time - DIV_ROUND_UP(time, 8), elapsed));
	WRITE_ONCE(ctx->answer_late, late - DIV_ROUND_UP(late, 256));
	if (answers < SHIM6_ANSWERS)
		WRITE_ONCE(ctx->answers, answers + 1);
}

/**
 * shim6_answer_look - see whether an answer is missed
 * @ctx: the context, whose timer has fired; the caller is in an RCU read-side
 *	section
 *
 * Return: after how many jiffies to come again, or MAX_JIFFY_OFFSET
 */
unsigned long shim6_answer_look(struct shim6_context *ctx)
{
	const unsigned long asked = READ_ONCE(ctx->asked);
	const unsigned long limit = shim6_answer_limit(ctx);
	long elapsed = jiffies - asked;

	if (!asked || READ_ONCE(ctx->answers) < SHIM6_ANSWERS ||
	    READ_ONCE(ctx->answer_state) >= SHIM6_ANSWER_MISSED)
		return MAX_JIFFY_OFFSET;
	if (elapsed <= (long)limit)
		return limit + 1 - elapsed;
	/* A stream says more, and sooner. */
	if (READ_ONCE(ctx->rhythm))
		return limit;
	if (!shim6_rhythm_matters(ctx)) {
		if (shim6_rhythm_wanted(ctx->sn))
			return limit;
		/* It will be too old when somebody wants to know. */
		cmpxchg(&ctx->asked, asked, 0);
		return MAX_JIFFY_OFFSET;
	}
	if (cmpxchg(&ctx->answer_state, SHIM6_ANSWER_NOT_LATE,
		    SHIM6_ANSWER_LOOKED) == SHIM6_ANSWER_NOT_LATE)
		return SHIM6_ANSWER_CATCH_UP + 1;
	if (!shim6_rhythm_count(&ctx->misses)) {
		cmpxchg(&ctx->answer_state, SHIM6_ANSWER_LOOKED,
			SHIM6_ANSWER_MISSED);
		return MAX_JIFFY_OFFSET;
	}
	/* Before a packet can say that something comes. */
	shim6_event_reap(ctx, SHIM6_REAP_EVENT_UNANSWERED, NULL);
	if (cmpxchg(&ctx->answer_state, SHIM6_ANSWER_LOOKED,
		    SHIM6_ANSWER_TOLD) != SHIM6_ANSWER_LOOKED)
		shim6_event_reap(ctx, SHIM6_REAP_EVENT_RESUMPTION, NULL);
	return MAX_JIFFY_OFFSET;
}

/**
 * shim6_answer_forgive - packets go or come by another locator pair from now on
 * @ctx: the context; the caller holds the table's lock
 *
 * An older question is not answered by it, and late answers say nothing of it.
 */
void shim6_answer_forgive(struct shim6_context *ctx)
{
	WRITE_ONCE(ctx->asked, 0);
	WRITE_ONCE(ctx->answer_late, 0);
	WRITE_ONCE(ctx->misses.count, 0);
}
