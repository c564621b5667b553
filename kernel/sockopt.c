// SPDX-License-Identifier: GPL-2.0
/*
 * The socket options of RFC 6316: what unprivileged programs can ask of Shim6 for
 * their own sockets. The IPv6 code hands options that it does not know to modules
 * that have registered them, at the level IPPROTO_IPV6.
 *
 * A program learns of a context that has the ULID pair of its connected socket, and
 * of no other. sockets.c keeps its wishes.
 */
#include <linux/netfilter.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include <uapi/linux/shim6_socket.h>

#include "event.h"
#include "path.h"
#include "sender.h"
#include "sockets.h"
#include "sockopt.h"
#include "state.h"

/* REAP's constants of RFC 5534 section 7, which are the daemon's. */
#define SHIM6_PROBES_INITIAL		4
#define SHIM6_PROBE_TIMEOUT_INITIAL	500

/* Is a socket one for which there are options? */
static bool shim6_sockopt_serves(const struct sock *sk)
{
	if (sk->sk_family != AF_INET6)
		return false;
	switch (sk->sk_type) {
	case SOCK_STREAM:
		return sk->sk_protocol == IPPROTO_TCP;
	case SOCK_DGRAM:
		return sk->sk_protocol == IPPROTO_UDP ||
		       sk->sk_protocol == IPPROTO_UDPLITE ||
		       sk->sk_protocol == IPPROTO_ICMPV6;
	default:
		return sk->sk_type == SOCK_RAW;
	}
}

static bool shim6_sockopt_connected(const struct sock *sk)
{
	const int state = READ_ONCE(sk->sk_state);

	if (sk->sk_protocol == IPPROTO_TCP && sk->sk_type == SOCK_STREAM)
		return state != TCP_CLOSE && state != TCP_LISTEN &&
		       state != TCP_SYN_SENT;
	return state == TCP_ESTABLISHED;
}

/* Is it too late for SHIM_DONTSHIM: has a connection begun? */
static bool shim6_sockopt_begun(const struct sock *sk)
{
	return shim6_sockopt_connected(sk) ||
	       READ_ONCE(sk->sk_state) == TCP_SYN_SENT;
}

/*
 * The context of a socket, in an RCU section: -EOPNOTSUPP if the socket is not
 * connected, -ENOENT if it has none.
 */
static struct shim6_context *shim6_sockopt_context(const struct sock *sk)
{
	struct shim6_net *sn = shim6_pernet(sock_net(sk));
	struct shim6_sock_values values;
	struct shim6_context *ctx;
	struct shim6_ulids ulids;

	if (!shim6_sockopt_connected(sk))
		return ERR_PTR(-EOPNOTSUPP);
	if (!sn)
		return ERR_PTR(-ENOENT);
	shim6_sock_get(sk, &values);
	if (values.dontshim)
		return ERR_PTR(-ENOENT);
	shim6_sender_key_sock(sk, &ulids);
	ctx = shim6_context_by_ulids(sn, &ulids);
	return ctx && READ_ONCE(ctx->state) >= SHIM6_CONTEXT_STATE_ESTABLISHED ?
		       ctx : ERR_PTR(-ENOENT);
}

/* 0 if a socket has a context, or what shim6_sockopt_context() says. */
static int shim6_sockopt_has_context(const struct sock *sk)
{
	int err;

	rcu_read_lock();
	err = PTR_ERR_OR_ZERO(shim6_sockopt_context(sk));
	rcu_read_unlock();
	return err;
}

/* A socket needs a context, and REAP, which is the daemon's. */
static int shim6_sockopt_has_reap(const struct sock *sk)
{
	int err = shim6_sockopt_has_context(sk);

	if (!err && !shim6_has_daemon(shim6_pernet(sock_net(sk))))
		err = -EOPNOTSUPP;
	return err;
}

static int shim6_sockopt_put(void __user *user, int *len, const void *value,
			     int size)
{
	if (*len < size)
		return -EINVAL;
	*len = size;
	return copy_to_user(user, value, size) ? -EFAULT : 0;
}

static int shim6_sockopt_put_int(void __user *user, int *len, int value)
{
	return shim6_sockopt_put(user, len, &value, sizeof(value));
}

/* Fill in a locator, a local one with its device. In an RCU section. */
static void shim6_sockopt_locator(struct net *net, struct shim_locator *l,
				  const struct in6_addr *addr, bool local,
				  bool udp)
{
	const struct net_device *dev = NULL;

	memset(l, 0, sizeof(*l));
	l->lc_family = AF_INET6;
	l->lc_proto = udp ? IPPROTO_UDP : 0;
	l->lc_addr = *addr;
	if (local)
		dev = ipv6_dev_find(net, addr, NULL);
	if (dev)
		l->lc_ifidx = dev->ifindex;
}

static int shim6_sockopt_get_associated(struct sock *sk, void __user *user,
					int *len)
{
	const int err = shim6_sockopt_has_context(sk);

	return err == -EOPNOTSUPP ? err :
				    shim6_sockopt_put_int(user, len, !err);
}

/*
 * The values of a socket, which has to have a context for all but SHIM_DONTSHIM. A
 * socket that has lost it can still be asked whether its program wants to know
 * locators, since those are zero then (RFC 6316 section 7.1).
 */
static int shim6_sockopt_get_value(struct sock *sk, int option,
				   void __user *user, int *len)
{
	struct shim6_sock_values v;
	int err, value = 0;

	shim6_sock_get(sk, &v);
	err = option == SHIM_DONTSHIM ? 0 : shim6_sockopt_has_context(sk);
	if (err == -ENOENT && ((option == SHIM_LOC_LOCAL_RECV && v.recv_local) ||
			       (option == SHIM_LOC_PEER_RECV && v.recv_peer)))
		err = 0;
	if (err)
		return err;
	switch (option) {
	case SHIM_DONTSHIM:
		value = v.dontshim;
		break;
	case SHIM_HOT_STANDBY:
		value = v.standby;
		break;
	case SHIM_LOC_LOCAL_RECV:
		value = v.recv_local;
		break;
	case SHIM_LOC_PEER_RECV:
		value = v.recv_peer;
		break;
	case SHIM_APP_TIMEOUT:
		value = v.app_timeout;
		break;
	}
	return shim6_sockopt_put_int(user, len, value);
}

/* Ls(local) or Ls(peer), the ULID first. Returns how many, or a negative errno. */
static int shim6_sockopt_locators(const struct sock *sk, bool local,
				  struct shim_locator *list)
{
	const struct shim6_locators *ls;
	const struct in6_addr *addr;
	struct shim6_context *ctx;
	int i, n = 0, count = 0;

	ctx = shim6_sockopt_context(sk);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	shim6_sockopt_locator(sock_net(sk), &list[n++],
			      local ? &ctx->ulids.local : &ctx->ulids.peer,
			      local, false);
	ls = rcu_dereference(ctx->locators);
	addr = ls ? ls->addr : NULL;
	if (ls)
		count = local ? ls->locals : ls->peers;
	if (ls && !local)
		addr += ls->locals;
	for (i = 0; i < count && n < SHIM_MAX_LOCATORS; i++)
		shim6_sockopt_locator(sock_net(sk), &list[n++], &addr[i],
				      local, false);
	return n;
}

/* The same in memory of its own, which the caller frees, if it is not NULL. */
static struct shim_locator *shim6_sockopt_list(const struct sock *sk,
					       bool local, int *n)
{
	struct shim_locator *list;

	list = kcalloc(SHIM_MAX_LOCATORS, sizeof(*list), GFP_KERNEL);
	*n = -ENOMEM;
	if (!list)
		return NULL;
	rcu_read_lock();
	*n = shim6_sockopt_locators(sk, local, list);
	rcu_read_unlock();
	return list;
}

static int shim6_sockopt_get_list(struct sock *sk, bool local,
				  void __user *user, int *len)
{
	struct shim_locator *list;
	int n, err;

	list = shim6_sockopt_list(sk, local, &n);
	if (n < 0)
		err = n;
	else if (*len < 0 || *len < n * sizeof(*list))
		err = -ETOOMANYLOCATORS;
	else
		err = shim6_sockopt_put(user, len, list, n * sizeof(*list));
	kfree(list);
	return err;
}

/* The pair by which a context sends, and the one by which its peer does. */
static void shim6_sockopt_pairs(const struct shim6_context *ctx,
				struct shim_locator l[4])
{
	const struct shim6_path *path = rcu_dereference(ctx->path);
	const bool udp = path && shim6_path_is_udp(path);
	struct net *net = ctx->sn->net;
	const bool in_udp = ctx->inbound_encapsulation ==
			    SHIM6_ENCAPSULATION_UDP;

	shim6_sockopt_locator(net, &l[0], path ? &path->pair.local :
						 &ctx->ulids.local, true, udp);
	shim6_sockopt_locator(net, &l[1], path ? &path->pair.peer :
						 &ctx->ulids.peer, false, udp);
	shim6_sockopt_locator(net, &l[2],
			      ipv6_addr_any(&ctx->inbound_local) ?
				      &ctx->ulids.local : &ctx->inbound_local,
			      true, in_udp);
	shim6_sockopt_locator(net, &l[3],
			      ipv6_addr_any(&ctx->inbound_peer) ?
				      &ctx->ulids.peer : &ctx->inbound_peer,
			      false, in_udp);
}

/* Read the pairs of a socket's context as they are at one moment. */
static int shim6_sockopt_read_pairs(const struct sock *sk,
				    struct shim_locator l[4])
{
	struct shim6_net *sn = shim6_pernet(sock_net(sk));
	struct shim6_context *ctx;
	int err;

	if (!shim6_sockopt_connected(sk))
		return -EOPNOTSUPP;
	if (!sn)
		return -ENOENT;
	/* The inbound pair that is told changes under this lock. */
	mutex_lock(&sn->table.lock);
	rcu_read_lock();
	ctx = shim6_sockopt_context(sk);
	err = PTR_ERR_OR_ZERO(ctx);
	if (!err)
		shim6_sockopt_pairs(ctx, l);
	rcu_read_unlock();
	mutex_unlock(&sn->table.lock);
	return err;
}

static int shim6_sockopt_get_pairs(struct sock *sk, int option,
				   void __user *user, int *len)
{
	struct shim_locator l[4];
	int err;

	err = shim6_sockopt_read_pairs(sk, l);
	if (err)
		return err;
	switch (option) {
	case SHIM_LOC_LOCAL_PREF:
		return shim6_sockopt_put(user, len, &l[0], sizeof(l[0]));
	case SHIM_LOC_PEER_PREF:
		return shim6_sockopt_put(user, len, &l[1], sizeof(l[1]));
	case SHIM_LOC_LOCAL_SEND:
	case SHIM_LOC_PEER_SEND:
		/* Nothing is set: no socket can have locators of its own. */
		memset(&l[0], 0, sizeof(l[0]));
		return shim6_sockopt_put(user, len, &l[0], sizeof(l[0]));
	}
	return shim6_sockopt_put(user, len, l, sizeof(l));
}

static int shim6_sockopt_get_explore(struct sock *sk, void __user *user,
				     int *len)
{
	struct shim_pathexplore pe = {
		.pe_probenum = SHIM6_PROBES_INITIAL,
		.pe_initprobeto = SHIM6_PROBE_TIMEOUT_INITIAL,
	};
	struct shim6_context *ctx;
	int err;

	rcu_read_lock();
	ctx = shim6_sockopt_context(sk);
	err = PTR_ERR_OR_ZERO(ctx);
	if (!err) {
		pe.pe_keepaliveto = READ_ONCE(ctx->send_timeout) / MSEC_PER_SEC;
		pe.pe_keepaliveint = READ_ONCE(ctx->keepalive_timeout) /
				     (3 * MSEC_PER_SEC);
	}
	rcu_read_unlock();
	return err ?: shim6_sockopt_put(user, len, &pe, sizeof(pe));
}

static int shim6_sockopt_get(struct sock *sk, int option, void __user *user,
			     int *len)
{
	if (!shim6_sockopt_serves(sk))
		return -ENOPROTOOPT;
	switch (option) {
	case SHIM_ASSOCIATED:
		return shim6_sockopt_get_associated(sk, user, len);
	case SHIM_CONTEXT_DEFERRED_SETUP:
		return shim6_sockopt_connected(sk) ?
			       shim6_sockopt_put_int(user, len, 1) :
			       -EOPNOTSUPP;
	case SHIM_DONTSHIM:
	case SHIM_HOT_STANDBY:
	case SHIM_LOC_LOCAL_RECV:
	case SHIM_LOC_PEER_RECV:
	case SHIM_APP_TIMEOUT:
		return shim6_sockopt_get_value(sk, option, user, len);
	case SHIM_LOCLIST_LOCAL:
	case SHIM_LOCLIST_PEER:
		return shim6_sockopt_get_list(sk, option == SHIM_LOCLIST_LOCAL,
					      user, len);
	case SHIM_LOC_LOCAL_PREF:
	case SHIM_LOC_PEER_PREF:
	case SHIM_LOC_LOCAL_SEND:
	case SHIM_LOC_PEER_SEND:
	case SHIM_PAIRS:
		return shim6_sockopt_get_pairs(sk, option, user, len);
	case SHIM_PATHEXPLORE:
		return shim6_sockopt_get_explore(sk, user, len);
	}
	return -ENOPROTOOPT;
}

static int shim6_sockopt_take(sockptr_t arg, unsigned int len, void *value,
			      unsigned int size)
{
	if (len < size)
		return -EINVAL;
	return copy_from_sockptr(value, arg, size) ? -EFAULT : 0;
}

/* An option that is 0 or 1. */
static int shim6_sockopt_set_flag(struct sock *sk, int option, sockptr_t arg,
				  unsigned int len)
{
	int value, err;

	err = shim6_sockopt_take(arg, len, &value, sizeof(value));
	if (err)
		return err;
	if (value != 0 && value != 1)
		return -EINVAL;
	switch (option) {
	case SHIM_DONTSHIM:
		if (value && shim6_sockopt_begun(sk))
			return -EOPNOTSUPP;
		break;
	case SHIM_HOT_STANDBY:
		err = shim6_sockopt_has_reap(sk);
		break;
	default:
		err = shim6_sockopt_has_context(sk);
	}
	return err ?: shim6_sock_set(sk, option, value);
}

/* The Send Timeout for a context, in seconds; 0 for the default. */
static int shim6_sockopt_set_timeout(struct sock *sk, int seconds)
{
	const int err = shim6_sockopt_has_reap(sk);

	if (err)
		return err;
	if (seconds && (seconds < SHIM6_SEND_TIMEOUT_MIN / MSEC_PER_SEC ||
			seconds > SHIM6_SEND_TIMEOUT_MAX / MSEC_PER_SEC))
		return -EINVAL;
	return shim6_sock_set(sk, SHIM_APP_TIMEOUT, seconds);
}

/*
 * The values have to be those of RFC 5534 (RFC 6316 section 8.2). Of these only the
 * Send Timeout is one that hosts may choose.
 */
static int shim6_sockopt_set_explore(struct sock *sk, sockptr_t arg,
				     unsigned int len)
{
	struct shim_pathexplore pe;
	int err;

	err = shim6_sockopt_take(arg, len, &pe, sizeof(pe)) ?:
	      shim6_sockopt_has_reap(sk);
	if (err)
		return err;
	if ((pe.pe_probenum && pe.pe_probenum != SHIM6_PROBES_INITIAL) ||
	    (pe.pe_initprobeto &&
	     pe.pe_initprobeto != SHIM6_PROBE_TIMEOUT_INITIAL) ||
	    pe.pe_reserved)
		return -EINVAL;
	return shim6_sockopt_set_timeout(sk, pe.pe_keepaliveto);
}

/* Only what is bad is told: a program can't say of other programs that they get on. */
static int shim6_sockopt_set_feedback(struct sock *sk, sockptr_t arg,
				      unsigned int len)
{
	struct shim6_context *ctx;
	struct shim_feedback fb;
	int err;

	err = shim6_sockopt_take(arg, len, &fb, sizeof(fb)) ?:
	      shim6_sockopt_has_reap(sk);
	if (err)
		return err;
	if (fb.fb_direction > SHIM_FB_INBOUND ||
	    fb.fb_indicator > SHIM_FB_SATISFACTORY)
		return -EINVAL;
	if (fb.fb_indicator != SHIM_FB_UNABLE &&
	    fb.fb_indicator != SHIM_FB_UNSATISFACTORY)
		return 0;
	rcu_read_lock();
	ctx = shim6_sockopt_context(sk);
	if (!IS_ERR(ctx))
		shim6_event_reap_limited(ctx, SHIM6_REAP_EVENT_FEEDBACK, NULL);
	rcu_read_unlock();
	return PTR_ERR_OR_ZERO(ctx);
}

static bool shim6_sockopt_listed(const struct shim_locator *list, int n,
				 const struct in6_addr *addr)
{
	while (n--)
		if (ipv6_addr_equal(&list[n].lc_addr, addr))
			return true;
	return false;
}

/*
 * Locators of its own for a socket need a context of its own, a fork, which no
 * socket can have yet. A locator that is zero takes nothing back, as nothing was set.
 */
static int shim6_sockopt_set_locator(struct sock *sk, int option, sockptr_t arg,
				     unsigned int len)
{
	const bool local = option == SHIM_LOC_LOCAL_PREF ||
			   option == SHIM_LOC_LOCAL_SEND;
	struct shim_locator wanted, *list;
	int err, n;

	err = shim6_sockopt_take(arg, len, &wanted, sizeof(wanted)) ?:
	      shim6_sockopt_has_context(sk);
	if (err)
		return err;
	if (!memchr_inv(&wanted, 0, sizeof(wanted)))
		return 0;
	if (wanted.lc_family != AF_INET6 || wanted.lc_proto || wanted.lc_port)
		return -EINVALIDLOCATOR;
	list = shim6_sockopt_list(sk, local, &n);
	if (n < 0)
		err = n;
	else if (!shim6_sockopt_listed(list, n, &wanted.lc_addr))
		err = -EINVALIDLOCATOR;
	else
		err = -EOPNOTSUPP;
	kfree(list);
	return err;
}

static int shim6_sockopt_set(struct sock *sk, int option, sockptr_t arg,
			     unsigned int len)
{
	int value, err;

	if (!shim6_sockopt_serves(sk))
		return -ENOPROTOOPT;
	switch (option) {
	case SHIM_DONTSHIM:
	case SHIM_HOT_STANDBY:
	case SHIM_LOC_LOCAL_RECV:
	case SHIM_LOC_PEER_RECV:
		return shim6_sockopt_set_flag(sk, option, arg, len);
	case SHIM_APP_TIMEOUT:
		err = shim6_sockopt_take(arg, len, &value, sizeof(value));
		return err ?: shim6_sockopt_set_timeout(sk, value);
	case SHIM_PATHEXPLORE:
		return shim6_sockopt_set_explore(sk, arg, len);
	case SHIM_FEEDBACK:
		return shim6_sockopt_set_feedback(sk, arg, len);
	case SHIM_LOC_LOCAL_PREF:
	case SHIM_LOC_PEER_PREF:
	case SHIM_LOC_LOCAL_SEND:
	case SHIM_LOC_PEER_SEND:
		return shim6_sockopt_set_locator(sk, option, arg, len);
	case SHIM_LOCLIST_LOCAL:
	case SHIM_LOCLIST_PEER:
		err = shim6_sockopt_has_context(sk);
		return err ?: -EOPNOTSUPP;
	}
	return -ENOPROTOOPT;
}

static struct nf_sockopt_ops shim6_sockopt_ops = {
	.pf = PF_INET6,
	.set_optmin = SHIM_ASSOCIATED,
	.set_optmax = SHIM_PAIRS + 1,
	.set = shim6_sockopt_set,
	.get_optmin = SHIM_ASSOCIATED,
	.get_optmax = SHIM_PAIRS + 1,
	.get = shim6_sockopt_get,
	.owner = THIS_MODULE,
};

/**
 * shim6_sockopt_init - from now on programs can use the options
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_sockopt_init(void)
{
	return nf_register_sockopt(&shim6_sockopt_ops);
}

/**
 * shim6_sockopt_exit - no program uses an option, or can from now on
 */
void shim6_sockopt_exit(void)
{
	nf_unregister_sockopt(&shim6_sockopt_ops);
}
