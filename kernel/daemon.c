// SPDX-License-Identifier: GPL-2.0
/*
 * The one daemon of a namespace. It exists from the moment when it registers its
 * socket until that socket is closed. event.c has what the daemon is told.
 */
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <net/sock.h>

#include "compat.h"
#include "daemon.h"
#include "fair.h"
#include "flow.h"
#include "hooks.h"
#include "reap.h"
#include "state.h"
#include "wishes.h"

static struct sock *shim6_socket_sk(struct shim6_net *sn,
				    const struct shim6_socket *socket)
{
	return rcu_dereference_protected(socket->sk,
					 lockdep_is_held(&sn->table.lock));
}

static void shim6_socket_set(struct shim6_net *sn, struct shim6_socket *socket,
			     struct sock *sk, u32 port)
{
	lockdep_assert_held(&sn->table.lock);
	sock_hold(sk);
	rcu_assign_pointer(socket->sk, sk);
	WRITE_ONCE(socket->port, port);
}

/* The networking core frees the socket itself, after a grace period. */
static void shim6_socket_clear(struct shim6_net *sn,
			       struct shim6_socket *socket)
{
	struct sock *sk = shim6_socket_sk(sn, socket);

	WRITE_ONCE(socket->port, 0);
	RCU_INIT_POINTER(socket->sk, NULL);
	if (sk)
		sock_put(sk);
}

static int shim6_daemon_set(struct shim6_net *sn, struct sock *sk, u32 port)
{
	struct shim6_flow_table *flows;
	struct shim6_fair *fair;
	int err = -ENOMEM;

	flows = shim6_flow_table_new(READ_ONCE(sn->config.max_flows));
	fair = shim6_fair_new();
	if (!flows || !fair)
		goto err;
	err = shim6_hooks_get(sn);
	if (err)
		goto err;
	/* There is no old table: that of the last daemon went with it. */
	shim6_flow_use(sn, flows);
	rcu_assign_pointer(sn->fair, fair);
	shim6_socket_set(sn, &sn->daemon, sk, port);
	return 0;

err:
	kvfree(fair);
	shim6_flow_table_free(flows);
	return err;
}

/* Tables that packets may still read when the daemon's socket is closed. */
struct shim6_daemon_tables {
	struct shim6_flow_table *flows;
	struct shim6_fair *fair;
};

/* Free the tables. This waits for a grace period: not under the table's lock. */
static void shim6_daemon_free(struct shim6_daemon_tables *gone)
{
	if (!gone->flows && !gone->fair)
		return;
	synchronize_rcu();
	shim6_flow_table_free(gone->flows);
	kvfree(gone->fair);
}

/* *@gone: the caller gives it to shim6_daemon_free(), without the lock. */
static void shim6_daemon_clear(struct shim6_net *sn,
			       struct shim6_daemon_tables *gone)
{
	struct shim6_context *ctx;
	unsigned long id;

	lockdep_assert_held(&sn->table.lock);
	if (!shim6_socket_sk(sn, &sn->daemon))
		return;
	shim6_socket_clear(sn, &sn->daemon);
	gone->fair = rcu_replace_pointer(sn->fair, NULL,
					 lockdep_is_held(&sn->table.lock));
	gone->flows = shim6_flow_use(sn, NULL);
	shim6_hooks_put(sn);
	xa_for_each(&sn->table.all, id, ctx) {
		shim6_reap_orphan(ctx);
		cond_resched();
	}
}

/**
 * shim6_daemon_register - a socket becomes the namespace's daemon
 * @sn: the namespace's state
 * @sk: the socket; a reference is taken
 * @port: its netlink port
 * @outside: it becomes the daemon's socket for events that others can cause at
 *	will, instead
 * @extack: where to say why not
 *
 * A socket that is registered already stays so.
 *
 * Return: 0 or a negative errno.
 */
int shim6_daemon_register(struct shim6_net *sn, struct sock *sk, u32 port,
			  bool outside, struct netlink_ext_ack *extack)
{
	struct sock *was;
	int err = 0;

	mutex_lock(&sn->table.lock);
	was = shim6_socket_sk(sn, outside ? &sn->outside : &sn->daemon);
	if (was && was != sk) {
		NL_SET_ERR_MSG(extack,
			       "the network namespace has a daemon already");
		err = -EBUSY;
	} else if (!was && outside) {
		shim6_socket_set(sn, &sn->outside, sk, port);
	} else if (!was) {
		err = shim6_daemon_set(sn, sk, port);
		if (!err)
			shim6_wishes_again(sn, NULL);
	}
	mutex_unlock(&sn->table.lock);
	return err;
}

/*
 * A socket is being closed, and its port may already be another socket's. So
 * nothing is sent to the port from now on, even before we get the table's lock.
 */
static bool shim6_socket_closed(struct shim6_socket *socket, u32 port)
{
	const struct sock *sk;
	bool closed;

	rcu_read_lock();
	sk = rcu_dereference(socket->sk);
	closed = sk && sock_flag(sk, SOCK_DEAD) &&
		 cmpxchg(&socket->port, port, 0) == port;
	rcu_read_unlock();
	return closed;
}

static int shim6_daemon_release(struct notifier_block *nb, unsigned long event,
				void *data)
{
	const struct netlink_notify *n = data;
	struct shim6_daemon_tables gone = {};
	bool daemon, outside;
	struct shim6_net *sn;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC ||
	    !n->portid)
		return NOTIFY_DONE;
	sn = shim6_pernet(n->net);
	if (!sn)
		return NOTIFY_DONE;
	daemon = shim6_socket_closed(&sn->daemon, n->portid);
	outside = shim6_socket_closed(&sn->outside, n->portid);
	if (!daemon && !outside)
		return NOTIFY_DONE;
	mutex_lock(&sn->table.lock);
	if (daemon)
		shim6_daemon_clear(sn, &gone);
	if (outside)
		shim6_socket_clear(sn, &sn->outside);
	mutex_unlock(&sn->table.lock);
	shim6_daemon_free(&gone);
	return NOTIFY_DONE;
}

static struct notifier_block shim6_daemon_notifier = {
	.notifier_call = shim6_daemon_release,
};

/**
 * shim6_daemon_net_exit - the namespace goes, and with it its daemon's sockets
 * @sn: the namespace's state
 */
void shim6_daemon_net_exit(struct shim6_net *sn)
{
	struct shim6_daemon_tables gone = {};

	mutex_lock(&sn->table.lock);
	shim6_daemon_clear(sn, &gone);
	shim6_socket_clear(sn, &sn->outside);
	mutex_unlock(&sn->table.lock);
	shim6_daemon_free(&gone);
}

/**
 * shim6_daemon_init - notice when a daemon's socket is closed
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_daemon_init(void)
{
	return netlink_register_notifier(&shim6_daemon_notifier);
}

/**
 * shim6_daemon_exit - undo shim6_daemon_init()
 */
void shim6_daemon_exit(void)
{
	netlink_unregister_notifier(&shim6_daemon_notifier);
}
