// SPDX-License-Identifier: GPL-2.0
/*
 * TCP after a switch (RFC 5533 section 15.1). The round trip and capacity that a
 * connection has measured on the old path mean nothing on the new path, and a timer that
 * has backed off for seconds would keep a healthy path idle. So the connections
 * of the ULID pair restart, and retransmit at once. A connection with nothing to
 * retransmit sends an ACK: the peer may have switched before us, and all that we
 * have answered since went by the old pair.
 *
 * One walk over the established connections serves all contexts that have
 * switched since the last walk: many switch together when a provider fails. The
 * table of connections belongs to the whole machine. So no walk is made for a
 * namespace without a TCP socket, and for any other namespace walks take at most
 * a twentieth of a CPU's time.
 *
 * This code never waits for the lock of a socket: the socket's user can keep it as
 * long as it likes. A locked socket is tried again for some seconds, apart from
 * the walk.
 */
#include <linux/slab.h>
#include <net/inet_hashtables.h>
#include <net/tcp.h>
#include <net/transp_v6.h>

#include "compat.h"
#include "sender.h"
#include "state.h"
#include "stats.h"
#include "tcp.h"

/* How many sockets are taken from a bucket at a time, to work without its lock. */
#define SHIM6_TCP_BATCH	32
/* The pause after a walk: so many times its duration, within these limits. */
#define SHIM6_TCP_PAUSES	20
#define SHIM6_TCP_PAUSE_MIN	(HZ / 50 ?: 1)
#define SHIM6_TCP_PAUSE_MAX	HZ
/* How many locked sockets of a namespace are tried again, and how often. */
#define SHIM6_TCP_BUSY	1024
#define SHIM6_TCP_TRIES	14
/* Pauses between the tries double each time, from one jiffy to this. */
#define SHIM6_TCP_WAIT	HZ

/* The next step with a socket. */
enum shim6_tcp_step {
	SHIM6_TCP_DONE,
	SHIM6_TCP_RESTART,
	SHIM6_TCP_NO_WAY_BACK,
};

/* A socket, with a reference, that was locked when it was to be restarted. */
struct shim6_tcp_busy {
	struct list_head list;
	struct sock *sk;
	enum shim6_tcp_step step;
	int tries;
};

/*
 * The caller holds the socket's lock. Returns whether the timer was made to
 * expire, which it does when the lock is released.
 */
static bool shim6_tcp_restart_sock(struct sock *sk)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	/*
	 * Past retransmissions stay counted: a peer that makes us switch all
	 * the time must not keep a connection alive that tcp_retries2 would end.
	 */
	icsk->icsk_backoff = 0;
	icsk->icsk_rto = TCP_TIMEOUT_INIT;
	tp->srtt_us = 0;
	tp->rttvar_us = 0;
	tp->mdev_us = jiffies_to_usecs(TCP_TIMEOUT_INIT);
	minmax_reset(&tp->rtt_min, tcp_jiffies32, ~0U);

	if (tp->packets_out) {
		/* The timer's own work begins slow start. */
		inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, 0,
					  TCP_RTO_MAX);
		if (!test_and_set_bit(TCP_WRITE_TIMER_DEFERRED,
				      &sk->sk_tsq_flags))
			sock_hold(sk);
		return true;
	}
	shim6_tcp_send_ack(sk);
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	tcp_snd_cwnd_set(tp, min_t(u32, tcp_snd_cwnd(tp), TCP_INIT_CWND));
	if (icsk->icsk_pending == ICSK_TIME_PROBE0)
		inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, 1, TCP_RTO_MAX);
	return false;
}

/*
 * The timer has retransmitted one segment, as after a time-out on a path of which
 * nothing is known any more. But this path is another one, where a new connection
 * would send its initial window at once (RFC 6928). So does this one with what is
 * lost. Otherwise the answer to a segment that had arrived would cost a round trip.
 */
static void shim6_tcp_send_lost(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	const u32 window = min_t(u32, tp->packets_out, TCP_INIT_CWND);

	if (inet_csk(sk)->icsk_ca_state != TCP_CA_Loss ||
	    tp->lost_out <= tp->retrans_out)
		return;
	if (tcp_snd_cwnd(tp) < window)
		tcp_snd_cwnd_set(tp, window);
	/* It is sent when the lock is released. */
	if (!test_and_set_bit(TCP_TSQ_DEFERRED, &sk->sk_tsq_flags))
		sock_hold(sk);
}

/*
 * The peer's first answer on the new pair may acknowledge data that arrived by the
 * old pair before that failed, and may be older than our retransmission. TCP
 * would take it as a proof that nothing was lost: it would undo its slow start,
 * and wait more than a second for data that the old pair has swallowed. So this
 * takes the proof away. Nothing on the new pair has timed out yet, so the timer
 * that we made expire does not back off.
 */
static void shim6_tcp_no_way_back(struct sock *sk)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	tp->undo_marker = 0;
	tp->frto = 0;
	/* The lock was not free for so long that the new pair has timed out. */
	if (icsk->icsk_backoff > 1)
		return;
	shim6_tcp_send_lost(sk);
	if (!icsk->icsk_backoff || icsk->icsk_pending != ICSK_TIME_RETRANS)
		return;
	icsk->icsk_backoff = 0;
	icsk->icsk_rto = TCP_TIMEOUT_INIT;
	inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT,
				  TCP_RTO_MAX);
}

/* Has the namespace a TCP socket at all? Without one there is no walk. */
static bool shim6_tcp_any(struct net *net)
{
#ifdef CONFIG_PROC_FS
	return sock_prot_inuse_get(net, &tcpv6_prot) > 0;
#else
	return true;
#endif
}

/* The context of a socket, or NULL. The caller is in an RCU section. */
static struct shim6_context *shim6_tcp_context(struct shim6_net *sn,
					       const struct sock *sk)
{
	struct shim6_ulids ulids;

	if (sk->sk_family != AF_INET6 || !net_eq(sock_net(sk), sn->net) ||
	    !(BIT(READ_ONCE(sk->sk_state)) &
	      (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 |
	       TCPF_CLOSING | TCPF_LAST_ACK)))
		return NULL;
	shim6_sender_key_sock(sk, &ulids);
	return shim6_context_by_ulids(sn, &ulids);
}

/* Has the context of a socket switched for this round? */
static bool shim6_tcp_wanted(struct shim6_net *sn, const struct sock *sk,
			     u32 round)
{
	const struct shim6_context *ctx = shim6_tcp_context(sn, sk);

	return ctx && READ_ONCE(ctx->restart) == round;
}

/* Has a bucket a socket for us? Most have none, so this takes no lock. */
static bool shim6_tcp_bucket_wanted(struct shim6_net *sn,
				    struct inet_ehash_bucket *head, u32 round)
{
	struct hlist_nulls_node *node;
	struct sock *sk;

	sk_nulls_for_each_rcu(sk, node, &head->chain)
		if (shim6_tcp_wanted(sn, sk, round))
			return true;
	return false;
}

/* Take the sockets of one bucket after the first @skip; returns how many. */
static int shim6_tcp_collect(struct shim6_net *sn, struct inet_hashinfo *table,
			     unsigned int bucket, int skip, u32 round,
			     struct sock **batch)
{
	struct inet_ehash_bucket *head = &table->ehash[bucket];
	spinlock_t *lock = inet_ehash_lockp(table, bucket);
	struct hlist_nulls_node *node;
	struct sock *sk;
	int n = 0;

	if (hlist_nulls_empty(&head->chain))
		return 0;
	rcu_read_lock();
	if (!shim6_tcp_bucket_wanted(sn, head, round))
		goto out;
	spin_lock_bh(lock);
	sk_nulls_for_each(sk, node, &head->chain) {
		if (!shim6_tcp_wanted(sn, sk, round) || skip-- > 0 ||
		    !refcount_inc_not_zero(&sk->sk_refcnt))
			continue;
		batch[n++] = sk;
		if (n == SHIM6_TCP_BATCH)
			break;
	}
	spin_unlock_bh(lock);
out:
	rcu_read_unlock();
	return n;
}

/* As lock_sock(), without waiting. Returns whether the lock is ours. */
static bool shim6_tcp_trylock(struct sock *sk)
{
	bool free;

	spin_lock_bh(&sk->sk_lock.slock);
	free = !sock_owned_by_user_nocheck(sk);
	if (free) {
		sk->sk_lock.owned = 1;
		mutex_acquire(&sk->sk_lock.dep_map, 0, 1, _RET_IP_);
	}
	spin_unlock_bh(&sk->sk_lock.slock);
	return free;
}

/*
 * Restart a socket that the caller has locked. By now it may be closed or
 * connected elsewhere. Returns the next step.
 */
static enum shim6_tcp_step shim6_tcp_restart_owned(struct shim6_net *sn,
						   struct sock *sk)
{
	const struct shim6_context *ctx;

	rcu_read_lock();
	ctx = shim6_tcp_context(sn, sk);
	rcu_read_unlock();
	if (!ctx)
		return SHIM6_TCP_DONE;
	shim6_count(sn, SHIM6_A_STATS_TCP_RESTARTS);
	return shim6_tcp_restart_sock(sk) ? SHIM6_TCP_NO_WAY_BACK :
					    SHIM6_TCP_DONE;
}

/* Take steps with a socket until its user has it locked; returns the next step. */
static enum shim6_tcp_step shim6_tcp_try(struct shim6_net *sn, struct sock *sk,
					 enum shim6_tcp_step step)
{
	while (step != SHIM6_TCP_DONE && shim6_tcp_trylock(sk)) {
		if (step == SHIM6_TCP_RESTART) {
			step = shim6_tcp_restart_owned(sn, sk);
		} else {
			shim6_tcp_no_way_back(sk);
			step = SHIM6_TCP_DONE;
		}
		release_sock(sk);
	}
	return step;
}

/* A socket is queued once; places are limited. Returns 0 or a negative errno. */
static int shim6_tcp_enqueue(struct shim6_tcp *tcp, struct shim6_tcp_busy *busy)
{
	const struct shim6_tcp_busy *other;
	int err = 0;

	spin_lock(&tcp->lock);
	if (tcp->n_busy >= SHIM6_TCP_BUSY)
		err = -ENOSPC;
	list_for_each_entry(other, &tcp->busy, list)
		if (other->sk == busy->sk)
			err = -EEXIST;
	if (!err) {
		list_add_tail(&busy->list, &tcp->busy);
		tcp->n_busy++;
	}
	spin_unlock(&tcp->lock);
	return err;
}

/* Try a socket again later; takes over the reference to it. */
static void shim6_tcp_later(struct shim6_net *sn, struct sock *sk,
			    enum shim6_tcp_step step)
{
	struct shim6_tcp_busy *busy;
	int err = -ENOMEM;

	busy = kzalloc(sizeof(*busy), GFP_KERNEL);
	if (busy) {
		busy->sk = sk;
		busy->step = step;
		err = shim6_tcp_enqueue(&sn->tcp, busy);
	}
	if (!err) {
		mod_delayed_work(system_dfl_wq, &sn->tcp.retry, 1);
		return;
	}
	kfree(busy);
	if (err != -EEXIST)
		shim6_count(sn, SHIM6_A_STATS_TCP_RESTARTS_MISSED);
	sock_put(sk);
}

static void shim6_tcp_busy_free(struct shim6_tcp_busy *busy)
{
	sock_put(busy->sk);
	kfree(busy);
}

static void shim6_tcp_retry(struct work_struct *work)
{
	struct shim6_net *sn = container_of(to_delayed_work(work),
					    struct shim6_net, tcp.retry);
	struct shim6_tcp *tcp = &sn->tcp;
	struct shim6_tcp_busy *busy, *next;
	int tries = SHIM6_TCP_TRIES;
	LIST_HEAD(list);
	u32 done = 0;

	spin_lock(&tcp->lock);
	list_splice_init(&tcp->busy, &list);
	spin_unlock(&tcp->lock);
	list_for_each_entry_safe(busy, next, &list, list) {
		busy->step = shim6_tcp_try(sn, busy->sk, busy->step);
		if (busy->step != SHIM6_TCP_DONE) {
			if (++busy->tries < SHIM6_TCP_TRIES) {
				tries = min(tries, busy->tries);
				continue;
			}
			shim6_count(sn, SHIM6_A_STATS_TCP_RESTARTS_MISSED);
		}
		list_del(&busy->list);
		shim6_tcp_busy_free(busy);
		done++;
		cond_resched();
	}
	spin_lock(&tcp->lock);
	tcp->n_busy -= done;
	list_splice(&list, &tcp->busy);
	spin_unlock(&tcp->lock);
	if (tries < SHIM6_TCP_TRIES)
		queue_delayed_work(system_dfl_wq, &tcp->retry,
				   min(1UL << tries, (unsigned long)SHIM6_TCP_WAIT));
}

static void shim6_tcp_walk(struct shim6_net *sn, u32 round)
{
	struct inet_hashinfo *table = sn->net->ipv4.tcp_death_row.hashinfo;
	struct sock *batch[SHIM6_TCP_BATCH];
	enum shim6_tcp_step step;
	unsigned int bucket;
	int done, n, i;

	for (bucket = 0; bucket <= table->ehash_mask; bucket++) {
		done = 0;
		do {
			n = shim6_tcp_collect(sn, table, bucket, done, round,
					      batch);
			for (i = 0; i < n; i++) {
				step = shim6_tcp_try(sn, batch[i],
						     SHIM6_TCP_RESTART);
				if (step == SHIM6_TCP_DONE)
					sock_put(batch[i]);
				else
					shim6_tcp_later(sn, batch[i], step);
			}
			done += n;
		} while (n == SHIM6_TCP_BATCH);
		cond_resched();
	}
}

/* One walk; contexts that switch during it are left to the next one. */
static void shim6_tcp_work(struct work_struct *work)
{
	struct shim6_net *sn = container_of(to_delayed_work(work),
					    struct shim6_net, tcp.work);
	u64 began, took;
	u32 round;

	mutex_lock(&sn->table.lock);
	round = sn->tcp.round;
	sn->tcp.round = round + 1 ?: 1;
	mutex_unlock(&sn->table.lock);
	began = ktime_get_ns();
	shim6_tcp_walk(sn, round);
	took = nsecs_to_jiffies64(SHIM6_TCP_PAUSES * (ktime_get_ns() - began));
	WRITE_ONCE(sn->tcp.pause, clamp_t(u64, took, SHIM6_TCP_PAUSE_MIN,
					  SHIM6_TCP_PAUSE_MAX));
	WRITE_ONCE(sn->tcp.last, jiffies ?: 1);
}

/**
 * shim6_tcp_restart - a context has switched: restart its TCP connections soon
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context
 */
void shim6_tcp_restart(struct shim6_net *sn, struct shim6_context *ctx)
{
	const unsigned long last = READ_ONCE(sn->tcp.last);
	const unsigned long pause = READ_ONCE(sn->tcp.pause);
	const unsigned long since = jiffies - last;

	lockdep_assert_held(&sn->table.lock);
	if (!shim6_tcp_any(sn->net))
		return;
	WRITE_ONCE(ctx->restart, sn->tcp.round);
	queue_delayed_work(system_dfl_wq, &sn->tcp.work,
			   last && since < pause ? pause - since : 0);
}

/**
 * shim6_tcp_net_init - prepare a new namespace
 * @sn: the namespace's state
 */
void shim6_tcp_net_init(struct shim6_net *sn)
{
	INIT_DELAYED_WORK(&sn->tcp.work, shim6_tcp_work);
	INIT_DELAYED_WORK(&sn->tcp.retry, shim6_tcp_retry);
	spin_lock_init(&sn->tcp.lock);
	INIT_LIST_HEAD(&sn->tcp.busy);
	sn->tcp.round = 1;
}

/**
 * shim6_tcp_net_exit - stop restarting sockets
 * @sn: the namespace's state, in which no context switches any more
 */
void shim6_tcp_net_exit(struct shim6_net *sn)
{
	struct shim6_tcp_busy *busy, *next;

	cancel_delayed_work_sync(&sn->tcp.work);
	cancel_delayed_work_sync(&sn->tcp.retry);
	list_for_each_entry_safe(busy, next, &sn->tcp.busy, list)
		shim6_tcp_busy_free(busy);
}
