// SPDX-License-Identifier: GPL-2.0
/*
 * TCP after a switch (RFC 5533 section 15.1): what a connection knows of the
 * old path's round trip and capacity means nothing on the new one, and a timer
 * that has backed off for seconds would keep a healthy path idle. So the
 * connections of the ULID pair start anew, and retransmit at once. Who has
 * nothing to retransmit sends an ACK: the peer may have switched before, and
 * what we have answered since went by the old pair.
 *
 * One walk over the established connections serves all contexts that have
 * switched since the last: many switch together when a provider fails.
 */
#include <linux/workqueue.h>
#include <net/inet_hashtables.h>
#include <net/tcp.h>

#include "compat.h"
#include "context.h"
#include "netns.h"
#include "path.h"
#include "stats.h"
#include "tcp.h"

/* Sockets taken from a bucket at a time, to be worked on without its lock. */
#define SHIM6_TCP_BATCH	32

/*
 * The caller holds the socket's lock. Returns whether the timer was made to
 * expire, which it does when the lock is released.
 */
static bool shim6_tcp_restart_sock(struct sock *sk, u32 mtu)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	/* What is retransmitted first has to fit, as if a router had said so. */
	if (mtu) {
		WRITE_ONCE(tp->mtu_info, mtu);
		icsk->icsk_af_ops->mtu_reduced(sk);
	}

	icsk->icsk_backoff = 0;
	WRITE_ONCE(icsk->icsk_retransmits, 0);
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
 * What the peer's first answer on the new pair acknowledges may have arrived by
 * the old pair before that failed, and the answer may be older than what was
 * retransmitted. TCP would take it for a proof that nothing was lost: it would
 * take back its slow start and wait for what the old pair has swallowed, for
 * more than a second. And nothing on the new pair has been waited for in vain
 * yet, so the timer that was made to expire does not back off.
 */
static void shim6_tcp_no_way_back(struct sock *sk)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	tp->undo_marker = 0;
	tp->frto = 0;
	if (!icsk->icsk_backoff || icsk->icsk_pending != ICSK_TIME_RETRANS)
		return;
	icsk->icsk_backoff = 0;
	icsk->icsk_rto = TCP_TIMEOUT_INIT;
	inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT,
				  TCP_RTO_MAX);
}

/* The context, if the socket is to be restarted. In an RCU section. */
static struct shim6_context *shim6_tcp_wanted(struct shim6_net *sn,
					      const struct sock *sk)
{
	struct shim6_context *ctx;
	struct shim6_ulids ulids = {};

	if (sk->sk_family != AF_INET6 || !net_eq(sock_net(sk), sn->net) ||
	    !(BIT(sk->sk_state) &
	      (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 |
	       TCPF_CLOSING | TCPF_LAST_ACK)))
		return NULL;
	ulids.local = sk->sk_v6_rcv_saddr;
	ulids.peer = sk->sk_v6_daddr;
	ctx = shim6_context_by_ulids(sn, &ulids);
	if (ctx && READ_ONCE(ctx->restart) == SHIM6_RESTART_NOW)
		return ctx;
	return NULL;
}

/* The sockets of one bucket, from the n-th on; returns how many. */
static int shim6_tcp_collect(struct shim6_net *sn, struct inet_hashinfo *table,
			     unsigned int bucket, int skip, struct sock **batch)
{
	struct inet_ehash_bucket *head = &table->ehash[bucket];
	spinlock_t *lock = inet_ehash_lockp(table, bucket);
	struct hlist_nulls_node *node;
	struct sock *sk;
	int n = 0;

	if (hlist_nulls_empty(&head->chain))
		return 0;
	rcu_read_lock();
	spin_lock_bh(lock);
	sk_nulls_for_each(sk, node, &head->chain) {
		if (!shim6_tcp_wanted(sn, sk) || skip-- > 0 ||
		    !refcount_inc_not_zero(&sk->sk_refcnt))
			continue;
		batch[n++] = sk;
		if (n == SHIM6_TCP_BATCH)
			break;
	}
	spin_unlock_bh(lock);
	rcu_read_unlock();
	return n;
}

/* It may be closed, or connected elsewhere, by now. */
static void shim6_tcp_restart_locked(struct shim6_net *sn, struct sock *sk)
{
	const struct shim6_context *ctx;
	const struct shim6_path *path;
	bool expires = false;
	u32 mtu = 0;

	lock_sock(sk);
	rcu_read_lock();
	ctx = shim6_tcp_wanted(sn, sk);
	path = ctx ? rcu_dereference(ctx->path) : NULL;
	if (path)
		mtu = READ_ONCE(path->told_mtu);
	rcu_read_unlock();
	if (ctx) {
		expires = shim6_tcp_restart_sock(sk, mtu);
		shim6_count(sn, SHIM6_A_STATS_TCP_RESTARTS);
	}
	release_sock(sk);
	if (!expires)
		return;
	lock_sock(sk);
	shim6_tcp_no_way_back(sk);
	release_sock(sk);
}

static void shim6_tcp_walk(struct shim6_net *sn)
{
	struct inet_hashinfo *table = sn->net->ipv4.tcp_death_row.hashinfo;
	struct sock *batch[SHIM6_TCP_BATCH];
	unsigned int bucket;
	int done, n, i;

	for (bucket = 0; bucket <= table->ehash_mask; bucket++) {
		done = 0;
		do {
			n = shim6_tcp_collect(sn, table, bucket, done, batch);
			for (i = 0; i < n; i++) {
				shim6_tcp_restart_locked(sn, batch[i]);
				sock_put(batch[i]);
			}
			done += n;
		} while (n == SHIM6_TCP_BATCH);
		cond_resched();
	}
}

/* Those that are marked up to now are this walk's; later ones the next's. */
static void shim6_tcp_mark(struct shim6_net *sn, u8 from, u8 to)
{
	struct shim6_context *ctx;
	unsigned long id;

	mutex_lock(&sn->table.lock);
	xa_for_each(&sn->table.all, id, ctx)
		if (ctx->restart == from)
			WRITE_ONCE(ctx->restart, to);
	mutex_unlock(&sn->table.lock);
}

/**
 * shim6_tcp_work - restart the sockets of all contexts that have switched
 * @work: of the namespace
 *
 * A context that switches again meanwhile is left to the next run.
 */
void shim6_tcp_work(struct work_struct *work)
{
	struct shim6_net *sn = container_of(work, struct shim6_net, tcp_work);

	shim6_tcp_mark(sn, SHIM6_RESTART_WANTED, SHIM6_RESTART_NOW);
	shim6_tcp_walk(sn);
	shim6_tcp_mark(sn, SHIM6_RESTART_NOW, SHIM6_RESTART_NONE);
}

/**
 * shim6_tcp_restart - a context has switched
 * @sn: the namespace's state
 * @ctx: the context; the caller holds the table's lock
 */
void shim6_tcp_restart(struct shim6_net *sn, struct shim6_context *ctx)
{
	WRITE_ONCE(ctx->restart, SHIM6_RESTART_WANTED);
	queue_work(system_dfl_wq, &sn->tcp_work);
}
