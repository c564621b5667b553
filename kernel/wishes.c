// SPDX-License-Identifier: GPL-2.0
/*
 * The wishes of all sockets of a ULID pair, taken together. A context is
 * shared by all of them, so the most careful wish counts: a pair is kept in reserve
 * if any socket wants that, and the least Send Timeout is the context's.
 *
 * The daemon is told by a work item, so a program that changes its mind all the time
 * costs it no more than ten events a second.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "event.h"
#include "sender.h"
#include "sockets.h"
#include "state.h"
#include "wishes.h"

/* The Send Timeouts that a socket can ask for, in seconds. */
#define SHIM6_WISH_LEAST	(SHIM6_SEND_TIMEOUT_MIN / MSEC_PER_SEC)
#define SHIM6_WISH_MOST		(SHIM6_SEND_TIMEOUT_MAX / MSEC_PER_SEC)

/* How long changes are gathered, and how many pairs are told of at a time. */
#define SHIM6_WISH_DELAY	(HZ / 10)
#define SHIM6_WISH_BATCH	64

/**
 * struct shim6_wish_key - a ULID pair in a namespace
 * @net: the namespace
 * @ulids: the pair
 */
struct shim6_wish_key {
	struct net *net;
	struct shim6_ulids ulids;
};

/**
 * struct shim6_wish - what is asked of a ULID pair
 * @node: in the table
 * @key: the key; the namespace is held from when it is in the table
 * @list: in the list of all
 * @untold: in the list of those of which the daemon has to be told, or empty
 * @users: how many sockets there are
 * @standby: how many of them want a pair in reserve
 * @timeouts: how many want each Send Timeout
 * @rcu: frees it
 */
struct shim6_wish {
	struct rhash_head node;
	struct shim6_wish_key key;
	struct list_head list;
	struct list_head untold;
	u32 users;
	u32 standby;
	u32 timeouts[SHIM6_WISH_MOST - SHIM6_WISH_LEAST + 1];
	struct rcu_head rcu;
};

static const struct rhashtable_params shim6_wish_params = {
	.head_offset = offsetof(struct shim6_wish, node),
	.key_offset = offsetof(struct shim6_wish, key),
	.key_len = offsetofend(struct shim6_wish_key, ulids),
	.automatic_shrinking = true,
};

static struct rhashtable shim6_wish_table;
static LIST_HEAD(shim6_wish_list);
static LIST_HEAD(shim6_wish_untold);
static bool shim6_wish_stopped;
/* Of all wishes. Inside the lock of the table of sockets. */
static DEFINE_SPINLOCK(shim6_wish_lock);

static void shim6_wish_tell(struct work_struct *work);
static DECLARE_DELAYED_WORK(shim6_wish_work, shim6_wish_tell);

/**
 * shim6_wish_new - make a wish of a socket's pair; may sleep
 * @sk: the socket
 *
 * Return: the wish, for shim6_wish_join() or shim6_wish_free(), or NULL.
 */
struct shim6_wish *shim6_wish_new(const struct sock *sk)
{
	struct shim6_wish *wish = kzalloc(sizeof(*wish), GFP_KERNEL_ACCOUNT);

	if (!wish)
		return NULL;
	wish->key.net = sock_net(sk);
	shim6_sender_key_sock(sk, &wish->key.ulids);
	INIT_LIST_HEAD(&wish->untold);
	return wish;
}

/**
 * shim6_wish_free - free a wish that nobody has joined
 * @wish: the wish or NULL
 */
void shim6_wish_free(struct shim6_wish *wish)
{
	kfree(wish);
}

static void shim6_wish_changed(struct shim6_wish *wish)
{
	lockdep_assert_held(&shim6_wish_lock);
	if (shim6_wish_stopped)
		return;
	if (list_empty(&wish->untold))
		list_add_tail(&wish->untold, &shim6_wish_untold);
	queue_delayed_work(system_dfl_wq, &shim6_wish_work,
			   SHIM6_WISH_DELAY);
}

static void shim6_wish_count(struct shim6_wish *wish,
			     const struct shim6_sock_values *v, int by)
{
	wish->users += by;
	if (v->standby)
		wish->standby += by;
	if (v->app_timeout)
		wish->timeouts[v->app_timeout - SHIM6_WISH_LEAST] += by;
	shim6_wish_changed(wish);
}

/**
 * shim6_wish_join - a socket asks for something
 * @new: a wish of its pair, which becomes NULL if it is taken; the caller frees it
 *	otherwise
 * @values: what the socket asks for
 *
 * Return: the wish of the pair, or NULL if there is no memory.
 */
struct shim6_wish *shim6_wish_join(struct shim6_wish **new,
				   const struct shim6_sock_values *values)
{
	struct shim6_wish *wish;

	spin_lock_bh(&shim6_wish_lock);
	rcu_read_lock();
	wish = rhashtable_lookup(&shim6_wish_table, &(*new)->key,
				 shim6_wish_params);
	rcu_read_unlock();
	if (!wish && !rhashtable_insert_fast(&shim6_wish_table, &(*new)->node,
					     shim6_wish_params)) {
		wish = *new;
		*new = NULL;
		list_add_tail(&wish->list, &shim6_wish_list);
		get_net(wish->key.net);
	}
	if (wish)
		shim6_wish_count(wish, values, 1);
	spin_unlock_bh(&shim6_wish_lock);
	return wish;
}

/**
 * shim6_wish_leave - a socket asks no more for what it has asked for
 * @wish: what shim6_wish_join() has returned
 * @values: as then
 */
void shim6_wish_leave(struct shim6_wish *wish,
		      const struct shim6_sock_values *values)
{
	spin_lock_bh(&shim6_wish_lock);
	shim6_wish_count(wish, values, -1);
	spin_unlock_bh(&shim6_wish_lock);
}

/**
 * shim6_wishes_again - the daemon has to be told again of what is asked
 * @sn: the namespace's state
 * @ulids: of this pair, or NULL for all
 */
void shim6_wishes_again(const struct shim6_net *sn,
			const struct shim6_ulids *ulids)
{
	struct shim6_wish_key key = { .net = sn->net };
	struct shim6_wish *wish;

	spin_lock_bh(&shim6_wish_lock);
	if (ulids) {
		key.ulids = *ulids;
		rcu_read_lock();
		wish = rhashtable_lookup(&shim6_wish_table, &key,
					 shim6_wish_params);
		rcu_read_unlock();
		if (wish)
			shim6_wish_changed(wish);
	} else {
		list_for_each_entry(wish, &shim6_wish_list, list)
			if (net_eq(wish->key.net, sn->net))
				shim6_wish_changed(wish);
	}
	spin_unlock_bh(&shim6_wish_lock);
}

static u32 shim6_wish_timeout(const struct shim6_wish *wish)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(wish->timeouts); i++)
		if (wish->timeouts[i])
			return (i + SHIM6_WISH_LEAST) * MSEC_PER_SEC;
	return 0;
}

/*
 * Tell of one pair. A wish that nobody has any more goes. One whose daemon does not
 * listen waits behind all others, which may have another daemon. Returns false if
 * there is none.
 */
static bool shim6_wish_tell_one(void)
{
	bool standby, gone, told;
	struct shim6_ulids ulids;
	struct shim6_wish *wish;
	struct shim6_net *sn;
	struct net *net;
	u32 timeout;

	spin_lock_bh(&shim6_wish_lock);
	wish = list_first_entry_or_null(&shim6_wish_untold, struct shim6_wish,
					untold);
	if (!wish) {
		spin_unlock_bh(&shim6_wish_lock);
		return false;
	}
	net = wish->key.net;
	ulids = wish->key.ulids;
	standby = wish->standby;
	timeout = shim6_wish_timeout(wish);
	gone = !wish->users;
	sn = shim6_pernet(net);
	told = !sn || !shim6_has_daemon(sn) ||
	       shim6_event_socket(sn, &ulids, standby, timeout);
	if (told)
		list_del_init(&wish->untold);
	else
		list_move_tail(&wish->untold, &shim6_wish_untold);
	if (told && gone) {
		list_del(&wish->list);
		rhashtable_remove_fast(&shim6_wish_table, &wish->node,
				       shim6_wish_params);
	}
	spin_unlock_bh(&shim6_wish_lock);
	if (told && gone) {
		kfree_rcu(wish, rcu);
		put_net(net);
	}
	return true;
}

static void shim6_wish_tell(struct work_struct *work)
{
	int n = 0;

	while (n < SHIM6_WISH_BATCH && shim6_wish_tell_one())
		n++;
	spin_lock_bh(&shim6_wish_lock);
	if (!list_empty(&shim6_wish_untold) && !shim6_wish_stopped)
		queue_delayed_work(system_dfl_wq, &shim6_wish_work,
				   SHIM6_WISH_DELAY);
	spin_unlock_bh(&shim6_wish_lock);
}

/**
 * shim6_wishes_init - set up the table
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_wishes_init(void)
{
	return rhashtable_init(&shim6_wish_table, &shim6_wish_params);
}

/**
 * shim6_wishes_stop - from now on the daemon is told nothing
 */
void shim6_wishes_stop(void)
{
	spin_lock_bh(&shim6_wish_lock);
	shim6_wish_stopped = true;
	spin_unlock_bh(&shim6_wish_lock);
	cancel_delayed_work_sync(&shim6_wish_work);
}

static void shim6_wish_drop(void *ptr, void *arg)
{
	struct shim6_wish *wish = ptr;
	struct net *net = wish->key.net;

	kfree(wish);
	put_net(net);
}

/**
 * shim6_wishes_exit - free all; no socket has a wish any more
 */
void shim6_wishes_exit(void)
{
	rhashtable_free_and_destroy(&shim6_wish_table, shim6_wish_drop, NULL);
}
