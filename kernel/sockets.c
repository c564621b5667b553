// SPDX-License-Identifier: GPL-2.0
/*
 * The wishes of programs for their sockets (sockopt.c), for as long as the sockets
 * live.
 *
 * The kernel tells no module that a socket ends. So each socket that has asked for
 * something is held by a reference, and a collector lets those go, once a second,
 * that their programs have closed. Until then such a socket is as any closed one to
 * which a packet in a queue refers: it is in no table, and only its memory waits. A
 * reference is all that there is, so the module can be unloaded at any time. It also
 * holds the namespace, which thus ends a second later at most.
 *
 * A program must not take the memory of others. So each user has a limit, and all
 * users together have one; the memory is charged to the user's cgroup.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/tcp.h>

#include <uapi/linux/shim6_socket.h>

#include "compat.h"
#include "sockets.h"
#include "wishes.h"

/* How many sockets can have options in all. */
#define SHIM6_SOCKETS_LIMIT	1048576

/* How many sockets of a user that listen can have heirs, of all ports with one hash. */
#define SHIM6_SOCKETS_PORT_DEPTH	16

/* How often closed sockets are looked for, and how many at a time. */
#define SHIM6_SOCKETS_PERIOD	HZ
#define SHIM6_SOCKETS_BATCH	256U

static unsigned int shim6_sockets_per_user = 131072;
module_param_named(sockets_per_user, shim6_sockets_per_user, uint, 0644);
MODULE_PARM_DESC(sockets_per_user,
		 "How many sockets of a user without CAP_NET_ADMIN can have options");

/**
 * struct shim6_sock_user - how many entries a user has
 * @node: in the table of users
 * @uid: the user
 * @count: how many entries there are, at least 1
 */
struct shim6_sock_user {
	struct hlist_node node;
	kuid_t uid;
	u32 count;
};

/**
 * struct shim6_sock - the entry of a socket
 * @node: in the table of sockets
 * @list: in the list of all
 * @port_node: in the table of ports, for a TCP socket with @dontshim that has
 *	answered a SYN
 * @sk: the socket, held; the key
 * @user: whose it is
 * @uid: the same, for readers under RCU
 * @values: what was asked
 * @wish: what the daemon has to know of @values, or NULL
 * @port: the key of @port_node, in host order
 * @rcu: frees it
 */
struct shim6_sock {
	struct rhash_head node;
	struct list_head list;
	struct hlist_node port_node;
	struct sock *sk;
	struct shim6_sock_user *user;
	kuid_t uid;
	struct shim6_sock_values values;
	struct shim6_wish *wish;
	u16 port;
	struct rcu_head rcu;
};

static const struct rhashtable_params shim6_sock_params = {
	.head_offset = offsetof(struct shim6_sock, node),
	.key_offset = offsetof(struct shim6_sock, sk),
	.key_len = sizeof(struct sock *),
	.automatic_shrinking = true,
};

static struct rhashtable shim6_sock_table;
static LIST_HEAD(shim6_sock_list);
static DEFINE_HASHTABLE(shim6_sock_users, 8);
static DEFINE_HASHTABLE(shim6_sock_ports, 8);
static unsigned int shim6_sock_count;
static bool shim6_sock_stopped;
/* Of all that is above, and of what entries hold. */
static DEFINE_SPINLOCK(shim6_sock_lock);

atomic_t shim6_sockets_dontshim = ATOMIC_INIT(0);
/* How many entries are in the table of ports. */
static atomic_t shim6_sock_listeners = ATOMIC_INIT(0);

static void shim6_sock_collect(struct work_struct *work);
static DECLARE_DELAYED_WORK(shim6_sock_work, shim6_sock_collect);

static struct shim6_sock *shim6_sock_lookup(const struct sock *sk)
{
	return rhashtable_lookup(&shim6_sock_table, &sk, shim6_sock_params);
}

static struct shim6_sock_user *shim6_sock_user_find(kuid_t uid)
{
	struct shim6_sock_user *user;

	hash_for_each_possible(shim6_sock_users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static void shim6_sock_user_put(struct shim6_sock_user *user)
{
	if (--user->count)
		return;
	hash_del(&user->node);
	kfree(user);
}

/* One more entry of a user. Returns NULL if there is no memory or no room. */
static struct shim6_sock_user *shim6_sock_user_get(kuid_t uid, bool privileged)
{
	struct shim6_sock_user *user = shim6_sock_user_find(uid);

	if (shim6_sock_count >= SHIM6_SOCKETS_LIMIT ||
	    (!privileged && (user ? user->count : 0) >=
				    READ_ONCE(shim6_sockets_per_user)))
		return NULL;
	if (!user) {
		user = kzalloc(sizeof(*user), GFP_ATOMIC);
		if (!user)
			return NULL;
		user->uid = uid;
		hash_add(shim6_sock_users, &user->node, __kuid_val(uid));
	}
	user->count++;
	return user;
}

static void shim6_sock_collect_later(void)
{
	lockdep_assert_held(&shim6_sock_lock);
	if (shim6_sock_count && !shim6_sock_stopped)
		queue_delayed_work(system_dfl_wq, &shim6_sock_work,
				   SHIM6_SOCKETS_PERIOD);
}

/* Put an entry into the tables. Returns a negative errno with nothing changed. */
static int shim6_sock_add(struct shim6_sock *entry, struct sock *sk,
			  kuid_t uid, bool privileged)
{
	int err;

	lockdep_assert_held(&shim6_sock_lock);
	entry->user = shim6_sock_user_get(uid, privileged);
	if (!entry->user)
		return -ENOBUFS;
	entry->sk = sk;
	entry->uid = uid;
	err = rhashtable_insert_fast(&shim6_sock_table, &entry->node,
				     shim6_sock_params);
	/* A packet can come here late, out of IPsec, when its socket goes. */
	if (!err && !refcount_inc_not_zero(&sk->sk_refcnt)) {
		rhashtable_remove_fast(&shim6_sock_table, &entry->node,
				       shim6_sock_params);
		err = -ENOENT;
	}
	if (err) {
		shim6_sock_user_put(entry->user);
		return err;
	}
	list_add_tail(&entry->list, &shim6_sock_list);
	shim6_sock_count++;
	shim6_sock_collect_later();
	return 0;
}

static void shim6_sock_store_dontshim(struct shim6_sock *entry, bool on)
{
	if (entry->values.dontshim == on)
		return;
	WRITE_ONCE(entry->values.dontshim, on);
	if (on)
		atomic_inc(&shim6_sockets_dontshim);
	else
		atomic_dec(&shim6_sockets_dontshim);
	if (!on && !hlist_unhashed(&entry->port_node)) {
		hash_del_rcu(&entry->port_node);
		atomic_dec(&shim6_sock_listeners);
	}
}

/* Take an entry out of the tables. The caller lets its socket go, without the lock. */
static struct sock *shim6_sock_del(struct shim6_sock *entry)
{
	struct sock *sk = entry->sk;

	lockdep_assert_held(&shim6_sock_lock);
	shim6_sock_store_dontshim(entry, false);
	if (entry->wish)
		shim6_wish_leave(entry->wish, &entry->values);
	rhashtable_remove_fast(&shim6_sock_table, &entry->node,
			       shim6_sock_params);
	list_del(&entry->list);
	shim6_sock_count--;
	shim6_sock_user_put(entry->user);
	kfree_rcu(entry, rcu);
	return sk;
}

/*
 * Has its program closed a socket, and does TCP need it no more? Both last for ever.
 * A TCP socket in TIME-WAIT is another, smaller one.
 */
static bool shim6_sock_closed(const struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD) &&
	       (sk->sk_protocol != IPPROTO_TCP ||
		READ_ONCE(sk->sk_state) == TCP_CLOSE);
}

/*
 * Look at up to SHIM6_SOCKETS_BATCH entries, of all of them if @all. Their order
 * changes with this. Returns how many were looked at.
 */
static unsigned int shim6_sock_collect_some(unsigned int most, bool all)
{
	struct sock *gone[SHIM6_SOCKETS_BATCH / 8];
	unsigned int looks = 0, n = 0;
	struct shim6_sock *entry;

	spin_lock_bh(&shim6_sock_lock);
	while (looks < min(most, SHIM6_SOCKETS_BATCH) &&
	       n < ARRAY_SIZE(gone)) {
		entry = list_first_entry_or_null(&shim6_sock_list,
						 struct shim6_sock, list);
		if (!entry)
			break;
		looks++;
		if (all || shim6_sock_closed(entry->sk))
			gone[n++] = shim6_sock_del(entry);
		else
			list_move_tail(&entry->list, &shim6_sock_list);
	}
	spin_unlock_bh(&shim6_sock_lock);
	while (n)
		sock_put(gone[--n]);
	cond_resched();
	return looks;
}

static void shim6_sock_collect(struct work_struct *work)
{
	unsigned int left, looks;

	for (left = READ_ONCE(shim6_sock_count); left; left -= looks) {
		looks = shim6_sock_collect_some(left, false);
		if (!looks)
			break;
	}
	spin_lock_bh(&shim6_sock_lock);
	shim6_sock_collect_later();
	spin_unlock_bh(&shim6_sock_lock);
}

/*
 * A TCP socket that listens has answered a SYN: from now on sockets with its port can
 * be its children, which are to be as it is.
 */
static void shim6_sock_listens(struct shim6_sock *entry)
{
	const u16 port = inet_sk(entry->sk)->inet_num;
	struct shim6_sock *other;
	unsigned int n = 0;

	spin_lock_bh(&shim6_sock_lock);
	/* Any program can listen often at one port, and all packets would pay for it. */
	hash_for_each_possible(shim6_sock_ports, other, port_node, port)
		n += other->user == entry->user;
	if (entry->values.dontshim && hlist_unhashed(&entry->port_node) &&
	    n < SHIM6_SOCKETS_PORT_DEPTH) {
		entry->port = port;
		hash_add_rcu(shim6_sock_ports, &entry->port_node, entry->port);
		atomic_inc(&shim6_sock_listeners);
	}
	spin_unlock_bh(&shim6_sock_lock);
}

/* The listener of whose children a TCP socket without an entry is one, or NULL. */
static struct shim6_sock *shim6_sock_parent(const struct sock *sk)
{
	const u16 port = inet_sk(sk)->inet_num;
	struct shim6_sock *entry;

	hash_for_each_possible_rcu(shim6_sock_ports, entry, port_node, port)
		if (entry->port == port &&
		    net_eq(sock_net(entry->sk), sock_net(sk)) &&
		    READ_ONCE(entry->sk->sk_state) == TCP_LISTEN &&
		    (!READ_ONCE(entry->sk->sk_bound_dev_if) ||
		     READ_ONCE(entry->sk->sk_bound_dev_if) ==
			     READ_ONCE(sk->sk_bound_dev_if)) &&
		    (ipv6_addr_any(&entry->sk->sk_v6_rcv_saddr) ||
		     ipv6_addr_equal(&entry->sk->sk_v6_rcv_saddr,
				     &sk->sk_v6_rcv_saddr)))
			return entry;
	return NULL;
}

/* A child sends for the first time: it has what its parent has, and keeps it. */
static void shim6_sock_inherit(struct sock *sk, kuid_t uid)
{
	struct shim6_sock *entry = kzalloc(sizeof(*entry), GFP_ATOMIC);

	if (!entry)
		return;
	INIT_HLIST_NODE(&entry->port_node);
	spin_lock_bh(&shim6_sock_lock);
	if (shim6_sock_add(entry, sk, uid, false))
		kfree(entry);
	else
		shim6_sock_store_dontshim(entry, true);
	spin_unlock_bh(&shim6_sock_lock);
}

/**
 * shim6_sock_find_dontshim - has a socket that sends asked not to be served?
 * @sk: the socket; the caller is in an RCU read-side section
 *
 * Programs that accept connections can ask for it only on the socket that listens,
 * since it is too late for those that are accepted.
 */
bool shim6_sock_find_dontshim(struct sock *sk)
{
	struct shim6_sock *entry;

	if (!sk_fullsock(sk))
		return false;
	entry = shim6_sock_lookup(sk);
	if (entry) {
		if (!READ_ONCE(entry->values.dontshim))
			return false;
		if (sk->sk_protocol == IPPROTO_TCP &&
		    READ_ONCE(sk->sk_state) == TCP_LISTEN &&
		    hlist_unhashed_lockless(&entry->port_node))
			shim6_sock_listens(entry);
		return true;
	}
	if (!atomic_read(&shim6_sock_listeners) ||
	    sk->sk_protocol != IPPROTO_TCP || sk->sk_family != AF_INET6 ||
	    READ_ONCE(sk->sk_state) == TCP_SYN_SENT)
		return false;
	entry = shim6_sock_parent(sk);
	if (!entry)
		return false;
	shim6_sock_inherit(sk, entry->uid);
	return true;
}

/**
 * shim6_sock_get - what was asked for a socket
 * @sk: the socket
 * @values: where it goes
 */
void shim6_sock_get(const struct sock *sk, struct shim6_sock_values *values)
{
	struct shim6_sock *entry;

	memset(values, 0, sizeof(*values));
	spin_lock_bh(&shim6_sock_lock);
	rcu_read_lock();
	entry = shim6_sock_lookup(sk);
	if (entry)
		*values = entry->values;
	rcu_read_unlock();
	spin_unlock_bh(&shim6_sock_lock);
}

static void shim6_sock_store(struct shim6_sock *entry, int option, u32 value)
{
	struct shim6_sock_values *v = &entry->values;

	switch (option) {
	case SHIM_DONTSHIM:
		shim6_sock_store_dontshim(entry, value);
		break;
	case SHIM_HOT_STANDBY:
		v->standby = value;
		break;
	case SHIM_LOC_LOCAL_RECV:
		v->recv_local = value;
		break;
	case SHIM_LOC_PEER_RECV:
		v->recv_peer = value;
		break;
	case SHIM_APP_TIMEOUT:
		v->app_timeout = value;
		break;
	}
}

/* As shim6_sock_store(), of a value that is the daemon's as well. 0 or -ENOMEM. */
static int shim6_sock_wish(struct shim6_sock *entry, int option, u32 value,
			   struct shim6_wish **new)
{
	struct shim6_sock_values *v = &entry->values;

	if (entry->wish)
		shim6_wish_leave(entry->wish, v);
	entry->wish = NULL;
	shim6_sock_store(entry, option, value);
	if (!v->standby && !v->app_timeout)
		return 0;
	entry->wish = shim6_wish_join(new, v);
	return entry->wish ? 0 : -ENOMEM;
}

static bool shim6_sock_is_default(const struct shim6_sock *entry)
{
	const struct shim6_sock_values *v = &entry->values;

	return !v->dontshim && !v->standby && !v->recv_local && !v->recv_peer &&
	       !v->app_timeout;
}

/**
 * shim6_sock_set - a program asks for something for its socket; may sleep
 * @sk: the socket, which the caller holds
 * @option: SHIM_DONTSHIM, SHIM_HOT_STANDBY, SHIM_LOC_LOCAL_RECV, SHIM_LOC_PEER_RECV
 *	or SHIM_APP_TIMEOUT
 * @value: the value, which fits; 0 is the default
 *
 * A socket with which all is as by default has no entry.
 *
 * Return: 0, -ENOMEM, or -ENOBUFS if the user or all have as many sockets with
 * options as they can.
 */
int shim6_sock_set(struct sock *sk, int option, u32 value)
{
	const bool privileged = ns_capable_noaudit(&init_user_ns,
						   CAP_NET_ADMIN);
	struct shim6_sock *entry, *new = NULL;
	struct shim6_wish *wish = NULL;
	struct sock *gone = NULL;
	int err = 0;

	if (option == SHIM_HOT_STANDBY || option == SHIM_APP_TIMEOUT) {
		wish = shim6_wish_new(sk);
		if (!wish)
			return -ENOMEM;
	}
	if (value) {
		new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
		if (!new) {
			shim6_wish_free(wish);
			return -ENOMEM;
		}
		INIT_HLIST_NODE(&new->port_node);
	}
	spin_lock_bh(&shim6_sock_lock);
	rcu_read_lock();
	entry = shim6_sock_lookup(sk);
	if (!entry && new) {
		err = shim6_sock_add(new, sk, current_uid(), privileged);
		if (!err) {
			entry = new;
			new = NULL;
		}
	}
	if (entry) {
		if (wish)
			err = shim6_sock_wish(entry, option, value, &wish);
		else
			shim6_sock_store(entry, option, value);
		/* Without memory there is no wish, and no value that shows one. */
		if (err)
			shim6_sock_store(entry, option, 0);
		if (shim6_sock_is_default(entry))
			gone = shim6_sock_del(entry);
	}
	rcu_read_unlock();
	spin_unlock_bh(&shim6_sock_lock);
	kfree(new);
	shim6_wish_free(wish);
	if (gone)
		sock_put(gone);
	return err;
}

/**
 * shim6_sockets_init - set up the tables; before anything could look a socket up
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_sockets_init(void)
{
	int err;

	err = rhashtable_init(&shim6_sock_table, &shim6_sock_params);
	if (err)
		return err;
	err = shim6_wishes_init();
	if (err)
		rhashtable_destroy(&shim6_sock_table);
	return err;
}

/**
 * shim6_sockets_stop - from now on nothing is collected, and nothing told
 *
 * No program can ask for anything any more. Packets may still look sockets up.
 */
void shim6_sockets_stop(void)
{
	spin_lock_bh(&shim6_sock_lock);
	shim6_sock_stopped = true;
	spin_unlock_bh(&shim6_sock_lock);
	cancel_delayed_work_sync(&shim6_sock_work);
	shim6_wishes_stop();
}

/**
 * shim6_sockets_exit - let all sockets go; no packet looks one up any more
 */
void shim6_sockets_exit(void)
{
	while (shim6_sock_collect_some(UINT_MAX, true))
		;
	shim6_wishes_exit();
	rhashtable_destroy(&shim6_sock_table);
}
