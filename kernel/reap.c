// SPDX-License-Identifier: GPL-2.0
/*
 * Liveness of contexts (RFC 5534 section 4.1 and 6, RFC 5533 section 9).
 *
 * One kernel timer stands for three:
 *
 * The Send Timer runs from the first payload packet sent since something was
 * heard. Anything heard stops it. When it has run for the Send Timeout, the
 * context becomes Exploring, and the daemon is told.
 *
 * The Keepalive Timer runs from the first payload packet heard since something
 * was sent. Payload that is sent stops it; payload that is heard does not restart
 * it. While it runs, a Keepalive is sent every Keepalive Interval, which is one
 * third to one half of the Keepalive Timeout, and a last one when it has run for
 * the Keepalive Timeout.
 *
 * Quiescence is counted while neither runs. After the idle timeout the daemon is
 * told, and again after each while nothing changes. A context whose payload bears
 * our header sends a Keepalive now and then, so that stateful routers go on letting
 * IP protocol 140 through. One whose current pair is in UDP does so more often, also
 * while payload flows without the header.
 *
 * The first two exclude each other, so one word per context, the clock, says which
 * of them runs and since when. Packets write that word only when it changes: in a
 * stream, when the direction changes. They touch the kernel timer only when
 * neither ran before. While one of them runs, the kernel timer fires every
 * Keepalive Interval and looks what there is to do.
 *
 * An Exploring context has neither timer; an InboundOK one has only the Send
 * Timer. Without a daemon nobody could explore. So a context stays Operational
 * then, and becomes Operational when the daemon goes. Probes also start and stop
 * these timers; the daemon sees them and tells us by reap-timer.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/timer.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "answer.h"
#include "compat.h"
#include "control_out.h"
#include "event.h"
#include "path.h"
#include "reap.h"
#include "rhythm.h"
#include "state.h"
#include "stats.h"
#include "table.h"

/*
 * How long an idle context sends nothing that a stateful router could see. UDP is
 * forgotten after 30 seconds by many, and the timer wheel is late by up to an
 * eighth.
 */
#define SHIM6_REMIND		(240 * HZ)
#define SHIM6_REMIND_UDP	(20 * HZ)

static unsigned long shim6_clock(unsigned long which)
{
	const unsigned long now = jiffies;

	return (now << SHIM6_CLOCK_BITS) | which;
}

static unsigned long shim6_clock_elapsed(unsigned long clock)
{
	return (shim6_clock(0) - (clock & ~SHIM6_CLOCK_MASK)) >>
	       SHIM6_CLOCK_BITS;
}

/*
 * A Keepalive Interval in jiffies: one third to one half of the timeout, at random,
 * so that hosts do not fall into step. The timer wheel may be late by one eighth;
 * at most four ninths leave room for that.
 */
static unsigned long shim6_interval(const struct shim6_context *ctx)
{
	unsigned long t = msecs_to_jiffies(READ_ONCE(ctx->keepalive_timeout));

	return t / 3 + get_random_u32() % (t / 9 + 1);
}

/* One of the two timers has started: let the kernel timer fire soon enough. */
static void shim6_reap_kick(struct shim6_context *ctx)
{
	/* But never later than the timer itself has set in the meantime. */
	if (!READ_ONCE(ctx->dead))
		timer_reduce(&ctx->timer, jiffies + shim6_interval(ctx));
}

/**
 * shim6_reap_start_clock - one of the two timers starts
 * @ctx: the context; the caller is in an RCU read-side section or holds the table's
 *	lock
 * @which: SHIM6_CLOCK_SEND or SHIM6_CLOCK_KEEPALIVE, which does not run yet
 */
void shim6_reap_start_clock(struct shim6_context *ctx, unsigned long which)
{
	const unsigned long was = READ_ONCE(ctx->clock);

	WRITE_ONCE(ctx->clock, shim6_clock(which));
	if (shim6_clock_which(was) == SHIM6_CLOCK_NONE)
		shim6_reap_kick(ctx);
}

static void shim6_reap_stop(struct shim6_context *ctx, unsigned long which)
{
	if (shim6_clock_which(READ_ONCE(ctx->clock)) == which)
		WRITE_ONCE(ctx->clock, 0);
}

/*
 * TCP does not doubt a path that has been silent for less than this, in
 * microseconds, however short its round trip is: the peer's processor may pause.
 */
#define SHIM6_REAP_WAIT_MIN	(20 * USEC_PER_MSEC)

/* Was a time noted within the last second? */
static bool shim6_reap_lately(const unsigned long *stamp)
{
	const unsigned long was = READ_ONCE(*stamp);
	const unsigned long now = jiffies;

	return was && now - was < HZ;
}

/*
 * Does a connection get on? It does if its timer has retransmitted nothing, and
 * the peer has acknowledged or sent something new within the last second. Neither
 * queue is looked into, for the reason given at shim6_reap_overdue().
 */
static bool shim6_reap_gets_on(const struct inet_connection_sock *icsk,
			       const struct tcp_sock *tp)
{
	const u32 now = tcp_jiffies32;

	return !READ_ONCE(icsk->icsk_retransmits) &&
	       (now - READ_ONCE(tp->rcv_tstamp) < HZ ||
		now - READ_ONCE(icsk->icsk_ack.lrcvtime) < HZ);
}

/* Octets of the packet as it leaves; for a GSO packet, of one segment of it. */
static u32 shim6_reap_length(const struct shim6_context *ctx,
			     const struct sk_buff *skb,
			     const struct tcp_sock *tp)
{
	const struct shim6_path *path = rcu_dereference(ctx->path);
	u32 len = skb->len;

	if (skb_is_gso(skb))
		len = min_t(u32, len, sizeof(struct ipv6hdr) +
			    READ_ONCE(tp->tcp_header_len) +
			    skb_shinfo(skb)->gso_size);
	if (!path || (path->home && !READ_ONCE(ctx->header)))
		return len;
	return len + shim6_path_encap(path)->overhead;
}

/*
 * Does TCP doubt its path? It sees a dead path long before the Send Timer does. It
 * doubts if its retransmission timer has fired, or if nothing of several segments
 * was acknowledged for longer than its round trips differ, by the sum of RFC 6298
 * without its least of 200 ms: one and a quarter at least. With the congestion window
 * used up there may be no later packet before the tail loss probe (RFC 8985 section
 * 7.2), two round trips after the last. A peer that saves ACKs may acknowledge a
 * single segment later. No queue is looked into, since the socket may not be locked:
 * a packet can come here late, out of IPsec.
 *
 * A connection that is not established yet doubts its peer more than the path, and
 * is not counted as stuck.
 *
 * Return: whether TCP doubts, with *doubt filled in.
 */
static bool shim6_reap_overdue(struct shim6_context *ctx,
			       const struct sk_buff *skb,
			       struct shim6_doubt *doubt)
{
	const struct inet_connection_sock *icsk;
	const struct sock *sk = skb->sk;
	const struct tcp_sock *tp;
	s64 waited, due;

	icsk = inet_csk(sk);
	tp = tcp_sk(sk);
	if (shim6_reap_gets_on(icsk, tp))
		shim6_reap_stamp(&ctx->last_progress);
	doubt->rtt = READ_ONCE(tp->srtt_us) >> 3;
	doubt->deviation = READ_ONCE(tp->mdev_us);
	doubt->retransmits = READ_ONCE(icsk->icsk_retransmits);
	if (!doubt->retransmits) {
		if (!doubt->rtt || READ_ONCE(tp->packets_out) < 2)
			return false;
		waited = READ_ONCE(tp->tcp_mstamp) -
			 READ_ONCE(tp->delivered_mstamp);
		due = doubt->rtt + max(doubt->rtt / 4, doubt->deviation);
		if (waited < max_t(s64, due, SHIM6_REAP_WAIT_MIN))
			return false;
	}
	if (READ_ONCE(sk->sk_state) == TCP_SYN_SENT)
		doubt->retransmits = 0;
	doubt->length = shim6_reap_length(ctx, skb, tp);
	doubt->progress = shim6_reap_lately(&ctx->last_progress);
	return true;
}

/**
 * shim6_reap_ask_tcp - does the connection of a packet that is being sent doubt its
 * path?
 * @ctx: the context; the caller is in an RCU read-side section
 * @skb: the packet, of a TCP socket; if that waits without an answer, it is a hint
 *	for the daemon (RFC 5534 section 3.3), and changes nothing here
 */
void shim6_reap_ask_tcp(struct shim6_context *ctx, const struct sk_buff *skb)
{
	struct shim6_doubt doubt = {};

	/*
	 * In InboundOK the daemon may be in doubt because of a stream. TCP that waits as
	 * well is to shorten that.
	 */
	if (READ_ONCE(ctx->state) != SHIM6_CONTEXT_STATE_ESTABLISHED ||
	    READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_EXPLORING)
		return;
	if (shim6_reap_overdue(ctx, skb, &doubt))
		shim6_event_reap_limited(ctx, SHIM6_REAP_EVENT_RETRANSMISSION,
					 &doubt);
}

/* An Exploring context hears its peer: the first packet tells the daemon. */
static void shim6_reap_inbound(struct shim6_context *ctx)
{
	if (cmpxchg(&ctx->reap_state, SHIM6_REAP_STATE_EXPLORING,
		    SHIM6_REAP_STATE_INBOUND_OK) != SHIM6_REAP_STATE_EXPLORING)
		return;
	shim6_reap_run(ctx, SHIM6_CLOCK_SEND);
	shim6_event_reap(ctx, SHIM6_REAP_EVENT_INBOUND, NULL);
}

/**
 * shim6_reap_heard_exploring - payload has arrived of a context that is not
 * Operational
 * @ctx: the context; the caller is in an RCU read-side section
 */
void shim6_reap_heard_exploring(struct shim6_context *ctx)
{
	if (READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_EXPLORING)
		shim6_reap_inbound(ctx);
	else
		shim6_reap_stop(ctx, SHIM6_CLOCK_SEND);
}

/**
 * shim6_reap_probed - the peer has shown that it is there, by a Keepalive or, as the
 * daemon tells, by Probes
 * @ctx: the context; the caller is in an RCU read-side section or holds the table's
 *	lock
 *
 * The context is not in use because of it.
 */
void shim6_reap_probed(struct shim6_context *ctx)
{
	shim6_reap_stamp(&ctx->last_probed);
}

/**
 * shim6_reap_keepalive - a Keepalive of a context has arrived (RFC 5534
 * section 6.6)
 * @ctx: the context; the caller is in an RCU read-side section
 */
void shim6_reap_keepalive(struct shim6_context *ctx)
{
	const unsigned long which = shim6_clock_which(READ_ONCE(ctx->clock));

	if (READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_EXPLORING) {
		shim6_reap_probed(ctx);
		shim6_reap_inbound(ctx);
	} else if (which == SHIM6_CLOCK_SEND) {
		shim6_reap_probed(ctx);
		shim6_reap_stop(ctx, SHIM6_CLOCK_SEND);
	}
	/* A Keepalive that answers nothing of ours leaves the context idle. */
}

/**
 * shim6_reap_set_state - the daemon says which state a context is in
 * @ctx: the context; the caller holds the table's lock
 * @state: enum shim6_reap_state
 *
 * Another state than before starts or stops the timers. On the way to Operational
 * the peer waits for a sign of life (RFC 5534 section 6.9), so the Keepalive Timer
 * runs; in InboundOK the Send Timer runs.
 */
void shim6_reap_set_state(struct shim6_context *ctx, u32 state)
{
	static const u8 timers[] = {
		[SHIM6_REAP_STATE_OPERATIONAL] = SHIM6_REAP_TIMER_KEEPALIVE,
		[SHIM6_REAP_STATE_EXPLORING] = SHIM6_REAP_TIMER_NONE,
		[SHIM6_REAP_STATE_INBOUND_OK] = SHIM6_REAP_TIMER_SEND,
	};

	if (READ_ONCE(ctx->reap_state) == state)
		return;
	WRITE_ONCE(ctx->reap_state, state);
	shim6_reap_set_timer(ctx, timers[state]);
}

/**
 * shim6_reap_set_timer - the daemon restarts a timer or stops both
 * @ctx: the context; the caller holds the table's lock
 * @timer: enum shim6_reap_timer; the other one is stopped
 *
 * Probes demand it (RFC 5534 sections 6.5 and 6.7 to 6.9).
 */
void shim6_reap_set_timer(struct shim6_context *ctx, u32 timer)
{
	static const u8 clocks[] = {
		[SHIM6_REAP_TIMER_NONE] = SHIM6_CLOCK_NONE,
		[SHIM6_REAP_TIMER_SEND] = SHIM6_CLOCK_SEND,
		[SHIM6_REAP_TIMER_KEEPALIVE] = SHIM6_CLOCK_KEEPALIVE,
	};

	shim6_reap_probed(ctx);
	WRITE_ONCE(ctx->clock, 0);
	if (clocks[timer])
		shim6_reap_run(ctx, clocks[timer]);
}

/**
 * shim6_reap_orphan - the daemon has gone, so nobody could explore
 * @ctx: the context; the caller holds the table's lock
 */
void shim6_reap_orphan(struct shim6_context *ctx)
{
	shim6_reap_set_state(ctx, SHIM6_REAP_STATE_OPERATIONAL);
}

static void shim6_reap_timeout(struct shim6_context *ctx, unsigned long clock)
{
	u8 was = READ_ONCE(ctx->reap_state);

	if (cmpxchg(&ctx->clock, clock, 0) != clock)
		return;
	shim6_count(ctx->sn, SHIM6_A_STATS_SEND_TIMEOUTS);
	/* Before the event, or this could overwrite the daemon's answer. */
	if (shim6_has_daemon(ctx->sn))
		WRITE_ONCE(ctx->reap_state, SHIM6_REAP_STATE_EXPLORING);
	if (shim6_event_reap(ctx, SHIM6_REAP_EVENT_SEND_TIMEOUT, NULL))
		return;
	/*
	 * The daemon could not be told: go on as if nothing had been noticed yet.
	 * If it has gone in the meantime, nobody explores any more.
	 */
	if (!shim6_has_daemon(ctx->sn))
		was = SHIM6_REAP_STATE_OPERATIONAL;
	if (cmpxchg(&ctx->reap_state, SHIM6_REAP_STATE_EXPLORING, was) ==
		    SHIM6_REAP_STATE_EXPLORING &&
	    shim6_has_daemon(ctx->sn))
		shim6_reap_run(ctx, SHIM6_CLOCK_SEND);
}

static unsigned long shim6_reap_send_timer(struct shim6_context *ctx,
					   unsigned long clock)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(ctx->send_timeout));
	unsigned long elapsed = shim6_clock_elapsed(clock);
	unsigned long left;

	/*
	 * Never early, though the first jiffy was not a whole one. The timer
	 * wheel is late by up to an eighth: so fire early, and then again.
	 */
	if (elapsed <= timeout) {
		left = timeout + 1 - elapsed;
		return left - left / 8;
	}
	shim6_reap_timeout(ctx, clock);
	return timeout;
}

static unsigned long shim6_reap_keepalive_timer(struct shim6_context *ctx,
						unsigned long clock)
{
	unsigned long timeout =
		msecs_to_jiffies(READ_ONCE(ctx->keepalive_timeout));
	unsigned long elapsed = shim6_clock_elapsed(clock);

	/* A packet was heard while exploring began: InboundOK sends none. */
	if (READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_OPERATIONAL) {
		cmpxchg(&ctx->clock, clock, 0);
		return timeout;
	}
	if (elapsed < timeout / 3)
		return timeout / 3 - elapsed;
	if (READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED) {
		/* Routers see it as well. */
		ctx->reminded = jiffies;
		shim6_keepalive_out(ctx);
	}
	if (elapsed < timeout)
		return timeout - elapsed;
	cmpxchg(&ctx->clock, clock, 0);
	return timeout;
}

/*
 * Remind routers of a context; @idle: for how many jiffies they have seen nothing
 * of it, @often: how many that may be. A stateful router forgets IP protocol 140
 * (Linux after ten minutes) long before it forgets an idle TCP connection, and
 * then lets nothing in. Returns after how many jiffies to come again.
 */
static unsigned long shim6_reap_remind(struct shim6_context *ctx,
				       unsigned long idle, unsigned long often)
{
	const unsigned long now = jiffies;

	idle = min(idle, now - ctx->reminded);
	if (idle < often)
		return often - idle;
	ctx->reminded = now;
	shim6_keepalive_out(ctx);
	return often;
}

/*
 * How often routers are reminded of an idle context, in jiffies; 0 for never. In UDP
 * that is also for Keepalives and Probes of a peer whose payload needs no header.
 */
static unsigned long shim6_reap_reminds(const struct shim6_context *ctx)
{
	const struct shim6_path *path = rcu_dereference(ctx->path);

	if (READ_ONCE(ctx->state) != SHIM6_CONTEXT_STATE_ESTABLISHED ||
	    READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_OPERATIONAL)
		return 0;
	if (path && shim6_path_is_udp(path))
		return SHIM6_REMIND_UDP;
	return READ_ONCE(ctx->header) ? SHIM6_REMIND : 0;
}

/*
 * Payload that flows on the ULIDs without our header does not keep the routers'
 * entry of our UDP port alive.
 */
static unsigned long shim6_reap_busy(struct shim6_context *ctx)
{
	const struct shim6_path *path = rcu_dereference(ctx->path);

	if (!path || !path->home || READ_ONCE(ctx->header) ||
	    !shim6_path_is_udp(path) || !shim6_reap_reminds(ctx))
		return MAX_JIFFY_OFFSET;
	return shim6_reap_remind(ctx, MAX_JIFFY_OFFSET, SHIM6_REMIND_UDP);
}

static unsigned long shim6_reap_idle(struct shim6_context *ctx)
{
	unsigned long timeout =
		msecs_to_jiffies(READ_ONCE(ctx->sn->config.idle_timeout));
	const unsigned long sent = READ_ONCE(ctx->last_sent);
	const unsigned long heard = READ_ONCE(ctx->last_heard);
	const unsigned long now = jiffies;
	const unsigned long often = shim6_reap_reminds(ctx);
	unsigned long idle = now - ctx->created;

	if (sent)
		idle = min(idle, now - sent);
	if (heard)
		idle = min(idle, now - heard);
	if (idle < timeout) {
		timeout -= idle;
	} else if (ctx->expired && now - ctx->expired < timeout) {
		timeout -= now - ctx->expired;
	} else {
		ctx->expired = now ?: 1;
		shim6_event_expire(ctx, jiffies_to_msecs(idle));
	}
	if (often)
		timeout = min(timeout, shim6_reap_remind(ctx, idle, often));
	return timeout;
}

static void shim6_reap_timer(struct timer_list *t)
{
	struct shim6_context *ctx = timer_container_of(ctx, t, timer);
	unsigned long clock, next;

	if (READ_ONCE(ctx->dead))
		return;
	rcu_read_lock();
	clock = READ_ONCE(ctx->clock);
	switch (shim6_clock_which(clock)) {
	case SHIM6_CLOCK_SEND:
		next = min(shim6_reap_send_timer(ctx, clock),
			   shim6_reap_busy(ctx));
		break;
	case SHIM6_CLOCK_KEEPALIVE:
		next = min(shim6_reap_keepalive_timer(ctx, clock),
			   shim6_reap_busy(ctx));
		break;
	default:
		next = MAX_JIFFY_OFFSET;
	}
	/*
	 * The clock may have stopped just now. Probes could start it again before the
	 * next time, each time, and quiescence would never be looked at.
	 */
	if (shim6_clock_which(READ_ONCE(ctx->clock)) == SHIM6_CLOCK_NONE)
		next = min(next, shim6_reap_idle(ctx));
	/*
	 * A timer that a packet starts from now on is noticed in time: out of
	 * quiescence by shim6_reap_kick(), otherwise because this fires soon.
	 */
	if (shim6_clock_which(READ_ONCE(ctx->clock)) != SHIM6_CLOCK_NONE)
		next = min(next, shim6_interval(ctx));
	next = min(next, shim6_answer_look(ctx));
	if (!READ_ONCE(ctx->dead))
		timer_reduce(&ctx->timer, jiffies + max(next, 1UL));
	rcu_read_unlock();
}

/**
 * shim6_reap_moved - a context has another current pair
 * @ctx: the context; the caller holds the table's lock
 *
 * In UDP, routers are to be reminded sooner than an idle context's timer fires.
 */
void shim6_reap_moved(struct shim6_context *ctx)
{
	const struct shim6_path *path = shim6_table_get(ctx->sn, ctx->path);

	if (path && shim6_path_is_udp(path) && !READ_ONCE(ctx->dead))
		timer_reduce(&ctx->timer, jiffies + SHIM6_REMIND_UDP);
}

/**
 * shim6_reap_init - prepare the timer of a new context
 * @ctx: the context, seen by nobody else yet
 */
void shim6_reap_init(struct shim6_context *ctx)
{
	timer_setup(&ctx->timer, shim6_reap_timer, 0);
}

/**
 * shim6_reap_start - start the timer of a context, which can be found now
 * @ctx: the context; the caller holds the table's lock
 */
void shim6_reap_start(struct shim6_context *ctx)
{
	ctx->created = jiffies;
	mod_timer(&ctx->timer, jiffies + shim6_interval(ctx));
}
