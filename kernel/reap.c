// SPDX-License-Identifier: GPL-2.0
/*
 * Liveness of contexts (RFC 5534 section 4.1 and 6, RFC 5533 section 9).
 *
 * One kernel timer stands for three:
 *
 * The Send Timer runs from the first payload packet sent since something was
 * heard. It is stopped by whatever is heard. When it has run for the Send
 * Timeout, the context is Exploring, and the daemon is told.
 *
 * The Keepalive Timer runs from the first payload packet heard since something
 * was sent. It is stopped by payload that is sent, and not started anew by
 * more that is heard. While it runs, a Keepalive is sent every Keepalive
 * Interval, one third to one half of the Keepalive Timeout, and a last one when
 * it has run for the Keepalive Timeout.
 *
 * Quiescence is counted while neither runs. After the idle timeout the daemon
 * is told, again and again while nothing changes. A context whose payload bears
 * our header sends a Keepalive now and then, so that stateful routers go on to
 * let IP protocol 140 through.
 *
 * The first two exclude each other, so one word per context says which of them
 * runs and since when. Packets write that word only when it changes, which in
 * a stream is when the direction changes, and they touch the kernel timer only
 * when neither ran before: it fires every Keepalive Interval while one of them
 * runs and looks what there is to do.
 *
 * Exploring has neither timer; InboundOK has the Send Timer alone. Without a
 * daemon nobody could explore, so a context stays Operational, or becomes it
 * when the daemon goes. What Probes do to the timers the daemon says, who has
 * seen them.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/timer.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "control_out.h"
#include "event.h"
#include "path.h"
#include "reap.h"
#include "state.h"
#include "stats.h"

/* The low bits of the clock say which timer runs; the rest is jiffies. */
enum { SHIM6_CLOCK_NONE, SHIM6_CLOCK_SEND, SHIM6_CLOCK_KEEPALIVE };
#define SHIM6_CLOCK_BITS	2
#define SHIM6_CLOCK_MASK	((1UL << SHIM6_CLOCK_BITS) - 1)

/* How long a stateful router has nothing to see of an idle context. */
#define SHIM6_REMIND	(240 * HZ)

static unsigned long shim6_clock(unsigned long which)
{
	const unsigned long now = jiffies;

	return (now << SHIM6_CLOCK_BITS) | which;
}

static unsigned long shim6_clock_which(unsigned long clock)
{
	return clock & SHIM6_CLOCK_MASK;
}

static unsigned long shim6_clock_elapsed(unsigned long clock)
{
	return (shim6_clock(0) - (clock & ~SHIM6_CLOCK_MASK)) >>
	       SHIM6_CLOCK_BITS;
}

/*
 * Keepalive Interval: one third to one half, so that hosts do not fall into
 * step. The timer wheel may be late by one eighth, which four ninths leave
 * room for.
 */
static unsigned long shim6_interval(const struct shim6_context *ctx)
{
	unsigned long t = msecs_to_jiffies(READ_ONCE(ctx->keepalive_timeout));

	return t / 3 + get_random_u32() % (t / 9 + 1);
}

/* A timer has begun to run: the kernel timer is needed this soon. */
static void shim6_reap_kick(struct shim6_context *ctx)
{
	/* Never later than what the timer itself has set meanwhile. */
	if (!READ_ONCE(ctx->dead))
		timer_reduce(&ctx->timer, jiffies + shim6_interval(ctx));
}

static void shim6_reap_run(struct shim6_context *ctx, unsigned long which)
{
	unsigned long was = READ_ONCE(ctx->clock);

	if (shim6_clock_which(was) == which)
		return;
	WRITE_ONCE(ctx->clock, shim6_clock(which));
	if (shim6_clock_which(was) == SHIM6_CLOCK_NONE)
		shim6_reap_kick(ctx);
}

static void shim6_reap_stop(struct shim6_context *ctx, unsigned long which)
{
	if (shim6_clock_which(READ_ONCE(ctx->clock)) == which)
		WRITE_ONCE(ctx->clock, 0);
}

/* Never 0, which stands for never. */
static void shim6_reap_stamp(unsigned long *stamp)
{
	const unsigned long now = jiffies ?: 1;

	if (READ_ONCE(*stamp) != now)
		WRITE_ONCE(*stamp, now);
}

/* Was it stamped within the last second? */
static bool shim6_reap_lately(const unsigned long *stamp)
{
	const unsigned long was = READ_ONCE(*stamp);
	const unsigned long now = jiffies;

	return was && now - was < HZ;
}

/*
 * Does a connection get on? Nothing that it has sent has had to be sent again by
 * the timer, and within the last second the peer has acknowledged something or
 * sent something new. Neither queue is looked into, for the reason below.
 */
static bool shim6_reap_gets_on(const struct inet_connection_sock *icsk,
			       const struct tcp_sock *tp)
{
	const u32 now = tcp_jiffies32;

	return !READ_ONCE(icsk->icsk_retransmits) &&
	       (now - READ_ONCE(tp->rcv_tstamp) < HZ ||
		now - READ_ONCE(icsk->icsk_ack.lrcvtime) < HZ);
}

/* Octets of the packet as it leaves; of a large one, of one that it is cut to. */
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
	return path ? len + shim6_path_encap(path)->overhead : len;
}

/*
 * How TCP sees that a path is dead, long before the Send Timer does: its timer for
 * retransmissions has fired, or it is half-way from when the ACK of several
 * segments was due. A single segment may be left for later by a peer that saves
 * ACKs. No queue is looked into, since the socket may not be locked: a packet
 * can come here late, out of IPsec.
 *
 * A connection that is not made yet is in doubt about its peer, more than about
 * the path, and is not counted as stuck.
 *
 * Return: whether it is so, and *doubt says what is known.
 */
static bool shim6_reap_overdue(struct shim6_context *ctx,
			       const struct sk_buff *skb,
			       struct shim6_doubt *doubt)
{
	const struct inet_connection_sock *icsk;
	const struct sock *sk = skb->sk;
	const struct tcp_sock *tp;
	s64 waited;

	if (!sk || !sk_fullsock(sk) || !sk_is_tcp(sk))
		return false;
	icsk = inet_csk(sk);
	tp = tcp_sk(sk);
	if (shim6_reap_gets_on(icsk, tp))
		shim6_reap_stamp(&ctx->last_progress);
	doubt->rtt = READ_ONCE(tp->srtt_us) >> 3;
	doubt->retransmits = READ_ONCE(icsk->icsk_retransmits);
	if (!doubt->retransmits) {
		if (!doubt->rtt || READ_ONCE(tp->packets_out) < 2)
			return false;
		waited = READ_ONCE(tp->tcp_mstamp) -
			 READ_ONCE(tp->delivered_mstamp);
		if (waited <= (jiffies_to_usecs(READ_ONCE(icsk->icsk_rto)) +
			       doubt->rtt) / 2)
			return false;
	}
	if (READ_ONCE(sk->sk_state) == TCP_SYN_SENT)
		doubt->retransmits = 0;
	doubt->length = shim6_reap_length(ctx, skb, tp);
	doubt->progress = shim6_reap_lately(&ctx->last_progress);
	return true;
}

/**
 * shim6_reap_sent - payload is being sent in a context
 * @ctx: the context; the caller is in an RCU read-side section
 * @skb: the packet; that TCP waits in vain is a hint for the daemon (RFC 5534
 *	section 3.3), and changes nothing here
 */
void shim6_reap_sent(struct shim6_context *ctx, const struct sk_buff *skb)
{
	struct shim6_doubt doubt = {};

	shim6_reap_stamp(&ctx->last_sent);
	shim6_reap_control_sent(ctx);
	if (READ_ONCE(ctx->state) != SHIM6_CONTEXT_STATE_ESTABLISHED ||
	    READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_OPERATIONAL)
		return;
	if (shim6_reap_overdue(ctx, skb, &doubt))
		shim6_event_reap_limited(ctx, SHIM6_REAP_EVENT_RETRANSMISSION,
					 &doubt);
}

/**
 * shim6_reap_control_sent - a control message is being sent in a context, which
 * the peer answers as it would payload, but which is no use of the context
 * @ctx: the context; the caller is in an RCU read-side section
 */
void shim6_reap_control_sent(struct shim6_context *ctx)
{
	if (READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_EXPLORING)
		shim6_reap_run(ctx, SHIM6_CLOCK_SEND);
}

/* The peer is there after all: the first to notice tells the daemon. */
static void shim6_reap_inbound(struct shim6_context *ctx)
{
	if (cmpxchg(&ctx->reap_state, SHIM6_REAP_STATE_EXPLORING,
		    SHIM6_REAP_STATE_INBOUND_OK) != SHIM6_REAP_STATE_EXPLORING)
		return;
	shim6_reap_run(ctx, SHIM6_CLOCK_SEND);
	shim6_event_reap(ctx, SHIM6_REAP_EVENT_INBOUND, NULL);
}

/**
 * shim6_reap_heard - payload of a context has arrived
 * @ctx: the context; the caller is in an RCU read-side section
 */
void shim6_reap_heard(struct shim6_context *ctx)
{
	shim6_reap_stamp(&ctx->last_heard);
	switch (READ_ONCE(ctx->reap_state)) {
	case SHIM6_REAP_STATE_EXPLORING:
		shim6_reap_inbound(ctx);
		break;
	case SHIM6_REAP_STATE_INBOUND_OK:
		shim6_reap_stop(ctx, SHIM6_CLOCK_SEND);
		break;
	default:
		shim6_reap_run(ctx, SHIM6_CLOCK_KEEPALIVE);
	}
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
		shim6_reap_stamp(&ctx->last_heard);
		shim6_reap_inbound(ctx);
	} else if (which == SHIM6_CLOCK_SEND) {
		shim6_reap_stamp(&ctx->last_heard);
		shim6_reap_stop(ctx, SHIM6_CLOCK_SEND);
	}
	/* What answers nothing of ours makes the context no less idle. */
}

/**
 * shim6_reap_probed - the daemon tells what Probes have shown
 * @ctx: the context; the caller holds the table's lock
 */
void shim6_reap_probed(struct shim6_context *ctx)
{
	shim6_reap_stamp(&ctx->last_probed);
}

/**
 * shim6_reap_set_state - the daemon says which state a context is in
 * @ctx: the context; the caller holds the table's lock
 * @state: enum shim6_reap_state
 *
 * If it is another than before, that starts or stops the timers: on the way to
 * Operational the peer waits for a sign of life (RFC 5534 section 6.9), so the
 * Keepalive Timer runs; in InboundOK the Send Timer does.
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
 * shim6_reap_set_timer - the daemon starts a timer anew, and with it stops the
 * other, or stops both, as Probes demand (RFC 5534 sections 6.5 and 6.7 to 6.9)
 * @ctx: the context; the caller holds the table's lock
 * @timer: enum shim6_reap_timer
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
 * shim6_reap_orphan - nobody is there any more who could explore
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
	/* Before the event: the daemon's answer must not be overtaken. */
	if (shim6_has_daemon(ctx->sn))
		WRITE_ONCE(ctx->reap_state, SHIM6_REAP_STATE_EXPLORING);
	if (shim6_event_reap(ctx, SHIM6_REAP_EVENT_SEND_TIMEOUT, NULL))
		return;
	/*
	 * It could not be told: as if nothing had been noticed yet. A daemon that
	 * has gone meanwhile explores no more, so nobody does.
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
	 * Not before its time, though the first jiffy was not a whole one. The
	 * wheel is late by an eighth: so come early, and then again.
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

	/* Heard while it was about to explore: InboundOK sends none. */
	if (READ_ONCE(ctx->reap_state) != SHIM6_REAP_STATE_OPERATIONAL) {
		cmpxchg(&ctx->clock, clock, 0);
		return timeout;
	}
	if (elapsed < timeout / 3)
		return timeout / 3 - elapsed;
	if (READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED)
		shim6_keepalive_out(ctx);
	if (elapsed < timeout)
		return timeout - elapsed;
	cmpxchg(&ctx->clock, clock, 0);
	return timeout;
}

/*
 * A context with our header has been idle for so long. A stateful router forgets
 * IP protocol 140 (Linux after ten minutes) long before it forgets an idle TCP
 * connection, and then lets nothing in. Returns when to come again.
 */
static unsigned long shim6_reap_remind(struct shim6_context *ctx,
				       unsigned long idle)
{
	const unsigned long now = jiffies;

	idle = min(idle, now - ctx->reminded);
	if (idle < SHIM6_REMIND)
		return SHIM6_REMIND - idle;
	ctx->reminded = now;
	shim6_keepalive_out(ctx);
	return SHIM6_REMIND;
}

static unsigned long shim6_reap_idle(struct shim6_context *ctx)
{
	unsigned long timeout =
		msecs_to_jiffies(READ_ONCE(ctx->sn->config.idle_timeout));
	const unsigned long sent = READ_ONCE(ctx->last_sent);
	const unsigned long heard = READ_ONCE(ctx->last_heard);
	const unsigned long now = jiffies;
	unsigned long idle = now - ctx->created;

	if (sent)
		idle = min(idle, now - sent);
	if (heard)
		idle = min(idle, now - heard);
	if (idle < timeout)
		timeout -= idle;
	else
		shim6_event_expire(ctx, jiffies_to_msecs(idle));
	if (READ_ONCE(ctx->header) &&
	    READ_ONCE(ctx->state) == SHIM6_CONTEXT_STATE_ESTABLISHED &&
	    READ_ONCE(ctx->reap_state) == SHIM6_REAP_STATE_OPERATIONAL)
		timeout = min(timeout, shim6_reap_remind(ctx, idle));
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
		next = shim6_reap_send_timer(ctx, clock);
		break;
	case SHIM6_CLOCK_KEEPALIVE:
		next = shim6_reap_keepalive_timer(ctx, clock);
		break;
	default:
		next = shim6_reap_idle(ctx);
	}
	/*
	 * Whichever timer a packet starts from now on is noticed in time; out
	 * of quiescence by shim6_reap_kick(), else because this fires soon.
	 */
	if (shim6_clock_which(READ_ONCE(ctx->clock)) != SHIM6_CLOCK_NONE)
		next = min(next, shim6_interval(ctx));
	if (!READ_ONCE(ctx->dead))
		timer_reduce(&ctx->timer, jiffies + max(next, 1UL));
	rcu_read_unlock();
}

/**
 * shim6_reap_init - a context that has not been used
 * @ctx: the context, which nobody else knows yet
 */
void shim6_reap_init(struct shim6_context *ctx)
{
	timer_setup(&ctx->timer, shim6_reap_timer, 0);
}

/**
 * shim6_reap_start - the context can be found from now on
 * @ctx: the context; the caller holds the table's lock
 */
void shim6_reap_start(struct shim6_context *ctx)
{
	ctx->created = jiffies;
	mod_timer(&ctx->timer, jiffies + shim6_interval(ctx));
}
