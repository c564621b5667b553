// SPDX-License-Identifier: GPL-2.0
/*
 * A stream of packets that stops is a hint that its path has failed (RFC 5534
 * section 3.3 allows such hints). TCP notices a failure by itself, but only where
 * it sends. For all else, and for a host that only receives, this is what notices:
 * a call, a game or a tunnel has a rhythm, and no packet for several of its
 * intervals is unusual.
 *
 * The rhythm of a context is watched once SHIM6_RHYTHM_BEATS packets have come
 * with gaps of at most SHIM6_RHYTHM_GAP. A timer looks at it several times a
 * second, and remembers the longest gap of late. After SHIM6_RHYTHM_STEADY windows
 * of time the stream counts as steady. If nothing comes for three times its
 * longest gap then, the daemon is told, which asks the current locator pair.
 *
 * The path may only have paused, or the stream may have ended. So the context is
 * watched for a few seconds more. If the stream goes on, the daemon is told that
 * too, and a silence is told only after a longer time from then on. And silences
 * are told a few times in succession, but then seldom, unless packets go by another
 * pair meanwhile.
 *
 * If the timer is late, this host has been stopped, and not the stream. Packets have
 * come meanwhile that will be looked at soon, so the wait begins again.
 *
 * Packets write their time of arrival, as before, and a gap that is longer than
 * those before. Only a context that is watched takes memory for it.
 *
 * daemon/internal/sim has a model of this file, which must do the same: both are
 * tested by tests/selftests/rhythm_vectors.txt.
 */
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "compat.h"
#include "event.h"
#include "rhythm.h"
#include "state.h"

/* About ten packets a second, some of which are late. */
#define SHIM6_RHYTHM_GAP	(HZ * 15 / 100)
#define SHIM6_RHYTHM_BEATS	8

/* How long a window is, and how many of them make a steady stream. */
#define SHIM6_RHYTHM_WINDOW	(HZ / 4)
#define SHIM6_RHYTHM_STEADY	4

/* The shortest silence that says something: queues and Wi-Fi pause as long. */
#define SHIM6_RHYTHM_PAUSE	(HZ * 6 / 100)

/* For how long after a silence a stream may go on, and the longest pause learned. */
#define SHIM6_RHYTHM_RESUME	(3 * HZ)
#define SHIM6_RHYTHM_LONGEST	(2 * HZ)

/* After how many calm windows a learned pause becomes shorter by a quarter. */
#define SHIM6_RHYTHM_CALM	480

/* How many silences are told in succession, and after how long one more is. */
#define SHIM6_RHYTHM_BURST	3
#define SHIM6_RHYTHM_FALSE	(120 * HZ)

/**
 * struct shim6_rhythm - the rhythm of what a context hears
 * @timer: looks at it
 * @rcu: frees it
 * @ctx: the context
 * @window: jiffies when the present window ends
 * @usual: the longest gap of late, in jiffies
 * @late: jiffies from which on @timer is too late to say anything
 * @since: jiffies before which a silence does not count
 * @steady: how many windows the stream has been there
 * @calm: how many windows have passed since @ctx->pause was changed
 * @stopped: the stream has stopped, and may go on; a packet clears it. Not every
 *	architecture has an xchg() for one octet.
 * @moved: packets go or come by another locator pair since it stopped
 * @told: the daemon was told so
 * @waits: the timer has not seen yet that it goes on
 */
struct shim6_rhythm {
	struct timer_list timer;
	struct rcu_head rcu;
	struct shim6_context *ctx;
	unsigned long window;
	unsigned long usual;
	unsigned long late;
	unsigned long since;
	unsigned int steady;
	unsigned int calm;
	u32 stopped;
	bool moved;
	bool told;
	bool waits;
};

static bool shim6_rhythm_is_steady(const struct shim6_rhythm *r)
{
	return r->steady >= SHIM6_RHYTHM_STEADY;
}

/* After how many jiffies without a packet the stream has stopped. */
static unsigned long shim6_rhythm_limit(const struct shim6_rhythm *r)
{
	if (!shim6_rhythm_is_steady(r))
		return SHIM6_RHYTHM_GAP;
	return max3(3 * r->usual, (unsigned long)SHIM6_RHYTHM_PAUSE,
		    (unsigned long)READ_ONCE(r->ctx->pause));
}

/* For how many jiffies no packet has come. */
static unsigned long shim6_rhythm_quiet(struct shim6_rhythm *r)
{
	const unsigned long heard = READ_ONCE(r->ctx->last_heard);
	long quiet;

	/* It follows, or jiffies would come round to it one day. */
	if (time_after(heard, r->since))
		r->since = heard;
	/* A packet that came at jiffies 0 is said to have come at 1. */
	quiet = jiffies - r->since;
	return max(quiet, 0L);
}

/* Look at it again at a time. The wheel is late by an eighth, and nobody's fault. */
static void shim6_rhythm_at(struct shim6_rhythm *r, unsigned long at)
{
	r->late = at + max((long)(at - jiffies), 0L) / 8 + max(HZ / 50, 2);
	mod_timer(&r->timer, at);
}

/**
 * shim6_rhythm_wanted - does anybody want to know of silences?
 * @sn: the namespace's state
 *
 * Return: whether there is a daemon, and the configuration has streams watched
 */
bool shim6_rhythm_wanted(const struct shim6_net *sn)
{
	return READ_ONCE(sn->config.watch_streams) && shim6_has_daemon(sn);
}

/**
 * shim6_rhythm_matters - could the daemon do anything about a silence?
 * @ctx: the context; the caller is in an RCU read-side section
 *
 * Return: whether it could
 */
bool shim6_rhythm_matters(const struct shim6_context *ctx)
{
	return shim6_rhythm_wanted(ctx->sn) &&
	       READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED &&
	       READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_OPERATIONAL;
}

/**
 * shim6_rhythm_count - may the daemon be told of a hint? One that may is counted.
 * @hints: how many it was told lately, and since when they are counted down; the
 *	caller is in an RCU read-side section of their context
 *
 * Return: whether it may
 */
bool shim6_rhythm_count(struct shim6_hints *hints)
{
	const u32 now = (u32)jiffies, was = READ_ONCE(hints->since);
	u32 n = READ_ONCE(hints->count);
	const u32 gone = (now - was) / SHIM6_RHYTHM_FALSE;

	if (gone < n) {
		n -= gone;
		WRITE_ONCE(hints->since, was + gone * SHIM6_RHYTHM_FALSE);
	} else {
		n = 0;
		WRITE_ONCE(hints->since, now);
	}
	if (n >= SHIM6_RHYTHM_BURST) {
		WRITE_ONCE(hints->count, n);
		return false;
	}
	WRITE_ONCE(hints->count, n + 1);
	return true;
}

/* The stream has stopped: tell the daemon, unless it was told too often. */
static void shim6_rhythm_stop(struct shim6_rhythm *r)
{
	WRITE_ONCE(r->told, shim6_rhythm_count(&r->ctx->silences));
	WRITE_ONCE(r->ctx->gap, 0);
	r->waits = true;
	WRITE_ONCE(r->moved, false);
	r->window = jiffies + SHIM6_RHYTHM_RESUME;
	/* Before a packet can say that the stream goes on. */
	if (r->told)
		shim6_event_reap(r->ctx, SHIM6_REAP_EVENT_SILENCE, NULL);
	/* The first packet from now on may say it. */
	smp_store_release(&r->stopped, true);
}

/* The stream goes on after a gap. The path has paused, unless packets go by another. */
static void shim6_rhythm_resume(struct shim6_rhythm *r, unsigned long gap)
{
	struct shim6_context *ctx = r->ctx;

	if (!xchg(&r->stopped, false))
		return;
	gap = min_t(unsigned long, gap + gap / 4, SHIM6_RHYTHM_LONGEST);
	if (!READ_ONCE(r->moved) && gap > READ_ONCE(ctx->pause))
		WRITE_ONCE(ctx->pause, gap);
	WRITE_ONCE(ctx->gap, 0);
	if (READ_ONCE(r->told))
		shim6_event_reap(ctx, SHIM6_REAP_EVENT_RESUMPTION, NULL);
}

/*
 * A window of time has passed. Returns whether the stream still has a rhythm. A gap
 * that has not ended yet may be a failure, and is no part of the rhythm.
 */
static bool shim6_rhythm_pass(struct shim6_rhythm *r)
{
	const unsigned long gap = xchg(&r->ctx->gap, 0);
	const u32 pause = READ_ONCE(r->ctx->pause);

	r->usual = max(r->usual - DIV_ROUND_UP(r->usual, 8), gap);
	r->window = jiffies + SHIM6_RHYTHM_WINDOW;
	if (!shim6_rhythm_is_steady(r))
		r->steady++;
	if (++r->calm >= SHIM6_RHYTHM_CALM) {
		r->calm = 0;
		WRITE_ONCE(r->ctx->pause, pause - pause / 4);
	}
	return r->usual <= 3 * SHIM6_RHYTHM_GAP;
}

/* Look at a stream that goes on, as far as is known. Returns whether it does. */
static bool shim6_rhythm_look(struct shim6_rhythm *r)
{
	const unsigned long now = jiffies;
	unsigned long limit, quiet;

	if (!shim6_rhythm_matters(r->ctx))
		return false;
	if (time_after(now, r->late))
		r->since = now;
	quiet = shim6_rhythm_quiet(r);
	if (quiet > shim6_rhythm_limit(r)) {
		if (!shim6_rhythm_is_steady(r))
			return false;
		shim6_rhythm_stop(r);
		shim6_rhythm_at(r, now + SHIM6_RHYTHM_WINDOW);
		return true;
	}
	if (time_after_eq(now, r->window) && !shim6_rhythm_pass(r))
		return false;
	limit = shim6_rhythm_limit(r);
	shim6_rhythm_at(r, time_before(now - quiet + limit + 1, r->window) ?
				   now - quiet + limit + 1 : r->window);
	return true;
}

/* Look at a stream that has stopped. Returns whether it may still go on. */
static bool shim6_rhythm_wait(struct shim6_rhythm *r)
{
	if (time_after_eq(jiffies, r->window))
		return false;
	shim6_rhythm_at(r, jiffies + SHIM6_RHYTHM_WINDOW);
	return true;
}

static void shim6_rhythm_timer(struct timer_list *t)
{
	struct shim6_rhythm *r = timer_container_of(r, t, timer);
	struct shim6_context *ctx = r->ctx;
	bool goes_on;

	rcu_read_lock();
	/* Whoever frees the context frees this as well. */
	if (READ_ONCE(ctx->dead))
		goto out;
	if (READ_ONCE(r->stopped)) {
		goes_on = shim6_rhythm_wait(r);
	} else {
		/* It has gone on since it was last looked at. */
		if (r->waits) {
			r->waits = false;
			r->calm = 0;
			r->window = jiffies + SHIM6_RHYTHM_WINDOW;
		}
		goes_on = shim6_rhythm_look(r);
	}
	if (goes_on)
		goto out;
	WRITE_ONCE(ctx->beats, 0);
	/* The context may be freed as soon as it does not have this any more. */
	if (xchg(&ctx->rhythm, NULL) == r)
		kfree_rcu(r, rcu);
out:
	rcu_read_unlock();
}

/* Begin to watch. Two packets may do so at once. */
static void shim6_rhythm_begin(struct shim6_context *ctx)
{
	struct shim6_rhythm *r;

	r = kzalloc(sizeof(*r), GFP_ATOMIC | __GFP_NOWARN | __GFP_ACCOUNT);
	if (!r)
		return;
	r->ctx = ctx;
	r->since = jiffies;
	r->window = jiffies + SHIM6_RHYTHM_WINDOW;
	timer_setup(&r->timer, shim6_rhythm_timer, 0);
	WRITE_ONCE(ctx->gap, 0);
	if (cmpxchg(&ctx->rhythm, NULL, r)) {
		kfree(r);
		return;
	}
	shim6_rhythm_at(r, jiffies + SHIM6_RHYTHM_GAP + 1);
}

/**
 * shim6_rhythm_beat - payload was heard after a gap that tells something
 * @ctx: the context; the caller is in an RCU read-side section
 * @gap: jiffies since payload was heard before
 */
void shim6_rhythm_beat(struct shim6_context *ctx, unsigned long gap)
{
	struct shim6_rhythm *r = READ_ONCE(ctx->rhythm);
	const u8 beats = READ_ONCE(ctx->beats);

	/* With the release in shim6_rhythm_stop(): what it has written is seen. */
	if (r && smp_load_acquire(&r->stopped)) {
		shim6_rhythm_resume(r, gap);
		return;
	}
	if (gap > READ_ONCE(ctx->gap))
		WRITE_ONCE(ctx->gap, gap);
	if (r)
		return;
	if (gap > SHIM6_RHYTHM_GAP)
		WRITE_ONCE(ctx->beats, 0);
	else if (beats < SHIM6_RHYTHM_BEATS)
		WRITE_ONCE(ctx->beats, beats + 1);
	else if (shim6_rhythm_matters(ctx))
		shim6_rhythm_begin(ctx);
}

/**
 * shim6_rhythm_forgive - packets go or come by another locator pair from now on
 * @ctx: the context; the caller holds the table's lock
 *
 * The next silences are told, however short a time ago the last ones were, and the
 * pauses of the pair before say nothing.
 */
void shim6_rhythm_forgive(struct shim6_context *ctx)
{
	struct shim6_rhythm *r;

	rcu_read_lock();
	r = READ_ONCE(ctx->rhythm);
	if (r)
		WRITE_ONCE(r->moved, true);
	rcu_read_unlock();
	WRITE_ONCE(ctx->silences.count, 0);
	WRITE_ONCE(ctx->pause, 0);
}

/**
 * shim6_rhythm_free - stop watching a context
 * @ctx: the context, which is dead, and which no packet uses any more
 */
void shim6_rhythm_free(struct shim6_context *ctx)
{
	struct shim6_rhythm *r = xchg(&ctx->rhythm, NULL);

	if (!r)
		return;
	timer_delete_sync(&r->timer);
	kfree(r);
}
