// SPDX-License-Identifier: GPL-2.0
/*
 * A re-homed packet is longer by its header (RFC 5533 section 15.4). Senders are
 * told, and too long packets are cut.
 *
 * A socket that keeps a route is told by a route of its own, the told route: a copy
 * of the one that it had, with a smaller MTU. No routing table knows that route,
 * so no other packet can meet it. It is revoked by one write as soon as the
 * context leaves the locator pair: the socket then looks its route up, as if the
 * route had changed. An exception in the routing table, as Packet Too Big makes
 * one, would stay for ten minutes, would count for the locator pair as well if
 * that has the same destination, and would be found before rules that suppress
 * default routes.
 *
 * Packets of a sender that is not told, or not yet, are cut: TCP into smaller
 * segments, everything else into fragments (output.c).
 */
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/lwtunnel.h>
#include <net/tcp.h>
#include <net/xfrm.h>

#include "compat.h"
#include "header.h"
#include "mtu.h"
#include "path.h"
#include "state.h"

/* How many connections may wait to be told; a later packet tells the others. */
#define SHIM6_TELLS_MAX	64

/* How often a connection that its process has locked is tried, a tick apart. */
#define SHIM6_TELL_TRIES	10

/* A segment with less data than this is not worth its headers. */
#define SHIM6_SEGMENT_MIN	64

/* How many sockets behind IPsec a path tells; packets of others are cut. */
#define SHIM6_BUNDLES_MAX	64

/* No cipher of IPsec pads to more than this. */
#define SHIM6_PADDING	16

/**
 * struct shim6_bundle - a socket's route through IPsec that carries less
 * @list: in the path's list; under told_lock
 * @dst: the route with a reference; it belongs to that socket alone
 * @mtu: the MTU that it was given
 */
struct shim6_bundle {
	struct list_head list;
	struct dst_entry *dst;
	u32 mtu;
};

/* A TCP connection to be told, and the route that tells it. */
struct shim6_tell {
	struct list_head list;
	struct sock *sk;
	struct rt6_info *rt;
	u8 tries;
};

/* Do two routes go the same way, by the same entry of the routing table? */
static bool shim6_same_way(const struct rt6_info *a, const struct rt6_info *b)
{
	return rcu_access_pointer(a->from) == rcu_access_pointer(b->from) &&
	       a->dst.dev == b->dst.dev &&
	       ipv6_addr_equal(&a->rt6i_gateway, &b->rt6i_gateway);
}

/* A copy of a route that carries less. The caller is in an RCU section. */
static struct rt6_info *shim6_told_new(const struct rt6_info *of,
				       const struct in6_addr *to, u32 mtu,
				       unsigned long expires)
{
	struct fib6_info *from = rcu_dereference(of->from);
	struct net_device *dev = of->dst.dev;
	struct rt6_info *rt;

	if (!from)
		return NULL;
	rt = ip6_dst_alloc(dev_net(dev), dev, 0);
	if (!rt)
		return NULL;
	if (!fib6_info_hold_safe(from)) {
		dst_release_immediate(&rt->dst);
		return NULL;
	}
	rcu_assign_pointer(rt->from, from);
	ip_dst_init_metrics(&rt->dst, from->fib6_metrics);
	rt->dst.input = of->dst.input;
	rt->dst.output = of->dst.output;
	rt->dst.error = of->dst.error;
	rt->dst.lwtstate = lwtstate_get(of->dst.lwtstate);
	rt->rt6i_idev = in6_dev_get(dev);
	rt->rt6i_gateway = of->rt6i_gateway;
	rt->rt6i_dst.addr = *to;
	rt->rt6i_dst.plen = 128;
	rt->rt6i_src = of->rt6i_src;
	rt->rt6i_flags = (of->rt6i_flags & ~RTF_PCPU) | RTF_CACHE | RTF_EXPIRES;
	rt->dst.expires = expires;
	dst_metric_set(&rt->dst, RTAX_MTU, mtu);
	return rt;
}

/*
 * Revoke the path's told route: sockets that hold it look for another one, and no
 * device waits for it. The caller holds told_lock.
 */
static void shim6_told_drop(struct shim6_path *path)
{
	struct rt6_info *rt = path->told;

	lockdep_assert_held(&path->sn->told_lock);
	if (!rt)
		return;
	path->told = NULL;
	list_del(&path->told_list);
	/* A socket that is asked for its MTU before it sends says the right one. */
	dst_metric_set(&rt->dst, RTAX_MTU, path->told_of);
	dst_dev_put(&rt->dst);
	dst_release(&rt->dst);
}

/* When to look again whether the locator pair carries more: in jiffies. */
static unsigned long shim6_told_expires(const struct rt6_info *carrier)
{
	const struct net *net = dev_net(carrier->dst.dev);
	unsigned long at = jiffies + net->ipv6.sysctl.ip6_rt_mtu_expires;

	if (carrier->rt6i_flags & RTF_EXPIRES &&
	    time_before(READ_ONCE(carrier->dst.expires), at))
		at = READ_ONCE(carrier->dst.expires);
	return at;
}

/*
 * The path's told route, in place of the route @of to @to, with a reference, or
 * NULL. By @carrier, the route of the locator pair, the ULP can send @mtu octets.
 */
static struct rt6_info *shim6_told_get(struct shim6_net *sn,
				       struct shim6_path *path,
				       const struct rt6_info *of,
				       const struct in6_addr *to,
				       const struct rt6_info *carrier, u32 mtu)
{
	struct rt6_info *rt;

	spin_lock_bh(&sn->told_lock);
	rt = path->told;
	/* The routing table has changed, or the locator pair's route. */
	if (rt && (rt6_get_cookie(rt) != path->told_cookie ||
		   time_after(jiffies, READ_ONCE(rt->dst.expires)) ||
		   (shim6_same_way(rt, of) && dst_mtu(&rt->dst) != mtu))) {
		shim6_told_drop(path);
		rt = NULL;
	}
	/* One a path: packets of sockets that go another way are cut. */
	if (rt && (!shim6_same_way(rt, of) ||
		   !ipv6_addr_equal(&rt->rt6i_dst.addr, to)))
		rt = NULL;
	else if (!rt && !path->gone)
		rt = shim6_told_new(of, to, mtu, shim6_told_expires(carrier));
	if (rt && rt != path->told) {
		path->told = rt;
		path->told_of = dst_mtu(&of->dst);
		path->told_cookie = rt6_get_cookie(rt);
		list_add(&path->told_list, &sn->told);
	}
	if (rt)
		dst_hold(&rt->dst);
	spin_unlock_bh(&sn->told_lock);
	return rt;
}

/*
 * IPsec makes a route for each socket; the packet's route is its last part. Make it
 * carry @less octets less, which takes no lock of the socket. Padding comes on
 * top of what the ULP sends, so a little more has to be saved.
 */
static void shim6_tell_bundle(struct shim6_net *sn, struct shim6_path *path,
			      struct dst_entry *dst, u32 less)
{
	const u32 now = dst_mtu(dst);
	struct shim6_bundle *bundle;
	unsigned int n = 0;

	less = round_up(less, SHIM6_PADDING);
	if (now < less + IPV6_MIN_MTU)
		return;
	spin_lock_bh(&sn->told_lock);
	list_for_each_entry(bundle, &path->bundles, list) {
		n++;
		if (bundle->dst != dst)
			continue;
		/* IPsec has computed the MTU again, unless this is an old packet. */
		if (now > bundle->mtu) {
			bundle->mtu = now - less;
			dst_metric_set(dst, RTAX_MTU, bundle->mtu);
		}
		goto out;
	}
	bundle = n < SHIM6_BUNDLES_MAX && !path->gone ?
		 kzalloc(sizeof(*bundle), GFP_ATOMIC) : NULL;
	if (!bundle)
		goto out;
	if (!dst_hold_safe(dst)) {
		kfree(bundle);
		goto out;
	}
	bundle->dst = dst;
	bundle->mtu = now - less;
	dst_metric_set(dst, RTAX_MTU, bundle->mtu);
	list_add(&bundle->list, &path->bundles);
out:
	spin_unlock_bh(&sn->told_lock);
}

/* Make the sockets look for other routes. The caller holds told_lock. */
static void shim6_bundles_drop(struct shim6_path *path)
{
	struct shim6_bundle *bundle, *next;

	lockdep_assert_held(&path->sn->told_lock);
	list_for_each_entry_safe(bundle, next, &path->bundles, list) {
		list_del(&bundle->list);
		WRITE_ONCE(bundle->dst->obsolete, DST_OBSOLETE_KILL);
		dst_release(bundle->dst);
		kfree(bundle);
	}
}

/*
 * Give a TCP socket its told route. The caller holds the socket's lock; @rt: a
 * reference that is taken over.
 */
static void shim6_tell_tcp(struct sock *sk, struct rt6_info *rt)
{
	const struct dst_entry *dst = __sk_dst_get(sk);
	const u32 mtu = dst_mtu(&rt->dst);

	if (!dst || !sk_fullsock(sk) || sk->sk_family != AF_INET6 ||
	    (BIT(sk->sk_state) & (TCPF_LISTEN | TCPF_CLOSE)) ||
	    READ_ONCE(rt->dst.obsolete) != DST_OBSOLETE_FORCE_CHK ||
	    dst_xfrm(dst) || dst->ops->family != AF_INET6 ||
	    !shim6_same_way(rt, dst_rt6_info(dst)) || dst_mtu(dst) <= mtu) {
		dst_release(&rt->dst);
		return;
	}
	inet6_sk(sk)->dst_cookie = rt6_get_cookie(rt);
	__sk_dst_set(sk, &rt->dst);
	inet_csk(sk)->icsk_sync_mss(sk, mtu);
}

static void shim6_tell_free(struct shim6_tell *tell)
{
	if (tell->rt)
		dst_release(&tell->rt->dst);
	sock_put(tell->sk);
	kfree(tell);
}

/*
 * TCP connections are told from here, since the hook can't know who has a socket
 * locked: a packet may have been in a queue of user space. This does not wait for
 * a socket's lock.
 */
static void shim6_mtu_work(struct work_struct *work)
{
	struct shim6_net *sn = container_of(to_delayed_work(work),
					    struct shim6_net, tell_work);
	struct shim6_tell *tell, *next;
	LIST_HEAD(again);
	LIST_HEAD(tells);

	spin_lock_bh(&sn->told_lock);
	list_splice_init(&sn->tells, &tells);
	sn->n_tells = 0;
	spin_unlock_bh(&sn->told_lock);

	list_for_each_entry_safe(tell, next, &tells, list) {
		local_bh_disable();
		bh_lock_sock(tell->sk);
		rcu_read_lock();
		if (!sock_owned_by_user(tell->sk)) {
			shim6_tell_tcp(tell->sk, tell->rt);
			tell->rt = NULL;
		}
		rcu_read_unlock();
		bh_unlock_sock(tell->sk);
		local_bh_enable();
		if (tell->rt && ++tell->tries < SHIM6_TELL_TRIES)
			list_move_tail(&tell->list, &again);
		else
			shim6_tell_free(tell);
	}
	if (list_empty(&again))
		return;
	spin_lock_bh(&sn->told_lock);
	list_for_each_entry(tell, &again, list)
		sn->n_tells++;
	list_splice(&again, &sn->tells);
	spin_unlock_bh(&sn->told_lock);
	schedule_delayed_work(&sn->tell_work, 1);
}

/* Tell a TCP socket later. @rt: a reference that is taken over. */
static void shim6_tell_later(struct shim6_net *sn, struct sock *sk,
			     struct rt6_info *rt)
{
	struct shim6_tell *tell;
	bool add;

	spin_lock_bh(&sn->told_lock);
	add = sn->n_tells < SHIM6_TELLS_MAX;
	list_for_each_entry(tell, &sn->tells, list)
		add = add && tell->sk != sk;
	tell = add ? kzalloc(sizeof(*tell), GFP_ATOMIC) : NULL;
	if (tell) {
		sock_hold(sk);
		tell->sk = sk;
		tell->rt = rt;
		list_add_tail(&tell->list, &sn->tells);
		sn->n_tells++;
	}
	spin_unlock_bh(&sn->told_lock);
	if (tell)
		schedule_delayed_work(&sn->tell_work, 0);
	else
		dst_release(&rt->dst);
}

/**
 * shim6_mtu_tell - tell a packet's socket how much its path carries
 * @sn: the namespace's state
 * @path: the current locator pair; the caller is in an RCU section
 * @skb: the packet, with the route of its ULIDs
 * @carrier: the route of the locator pair
 *
 * Only a socket that keeps the route by which the packet came can be told. The
 * socket of a packet inside a tunnel keeps another route, unless the tunnel is
 * IPsec's.
 *
 * Return: true if the socket has been told before this returns, and wants to
 * know: it is connected and has asked for no fragments. A TCP connection is told
 * a little later, so false.
 */
bool shim6_mtu_tell(struct shim6_net *sn, struct shim6_path *path,
		    const struct sk_buff *skb, const struct dst_entry *carrier)
{
	const u32 mtu = shim6_path_ulp_mtu(path, carrier);
	struct dst_entry *dst = skb_dst(skb), *kept;
	struct sock *sk = skb->sk;
	struct rt6_info *rt;

	if (!sk || !sk_fullsock(sk) || dst_mtu(dst) <= mtu)
		return false;
	kept = rcu_dereference(sk->sk_dst_cache);
	if (kept && kept != dst && dst_xfrm(kept) && xfrm_dst_path(kept) == dst)
		shim6_tell_bundle(sn, path, kept, dst_mtu(dst) - mtu);
	if (kept != dst || sk->sk_family != AF_INET6 ||
	    dst->ops->family != AF_INET6 || dst_xfrm(carrier) ||
	    carrier->ops->family != AF_INET6)
		return false;
	rt = shim6_told_get(sn, path, dst_rt6_info(dst), &ipv6_hdr(skb)->daddr,
			    dst_rt6_info(carrier), mtu);
	if (!rt)
		return false;
	if (sk->sk_protocol == IPPROTO_TCP) {
		shim6_tell_later(sn, sk, rt);
		return false;
	}
	inet6_sk(sk)->dst_cookie = rt6_get_cookie(rt);
	sk_dst_set(sk, &rt->dst);
	return inet6_sk(sk)->pmtudisc == IPV6_PMTUDISC_DO;
}

/**
 * shim6_mtu_untell - revoke what sockets were told of a locator pair
 * @path: the pair, which no context has as its current one any more
 */
void shim6_mtu_untell(struct shim6_path *path)
{
	spin_lock_bh(&path->sn->told_lock);
	path->gone = true;
	shim6_told_drop(path);
	shim6_bundles_drop(path);
	spin_unlock_bh(&path->sn->told_lock);
}

/* The route of a context's ULIDs, as the kernel finds it for what it learns. */
static struct dst_entry *shim6_ulid_route(const struct shim6_context *ctx)
{
	struct flowi6 fl6 = {
		.saddr = ctx->ulids.local,
		.daddr = ctx->ulids.peer,
		.flowi6_uid = make_kuid(&init_user_ns, 0),
	};

	return ip6_route_output(ctx->sn->net, NULL, &fl6);
}

/**
 * shim6_mtu_learn - a Packet Too Big is about to tell the ULIDs' sockets an MTU
 * @ctx: the context
 * @path: its current locator pair, which the Packet Too Big is about
 * @mtu: the MTU that they are told
 *
 * The kernel keeps the MTU as an exception of the ULIDs' route, for ten minutes,
 * unless their own path is known to carry less. This notes that it does.
 */
void shim6_mtu_learn(const struct shim6_context *ctx, struct shim6_path *path,
		     u32 mtu)
{
	struct dst_entry *dst = shim6_ulid_route(ctx);

	if (!dst->error && dst_mtu(dst) > mtu)
		WRITE_ONCE(path->learnt, true);
	dst_release(dst);
}

/**
 * shim6_mtu_forget - end the exception that shim6_mtu_learn() has noted
 * @ctx: the context
 * @path: the locator pair that it has left
 *
 * The exception expires now. A socket that is bound to a device may have an
 * exception of another route, which stays.
 */
void shim6_mtu_forget(const struct shim6_context *ctx,
		      const struct shim6_path *path)
{
	struct dst_entry *dst;
	struct rt6_info *rt;

	if (!READ_ONCE(path->learnt))
		return;
	dst = shim6_ulid_route(ctx);
	rt = dst_rt6_info(dst);
	/* But not an exception that a redirect has made. */
	if (!dst->error && dst->ops->family == AF_INET6 &&
	    rt->rt6i_flags & RTF_CACHE && rt->rt6i_flags & RTF_MODIFIED &&
	    rt->rt6i_flags & RTF_EXPIRES)
		WRITE_ONCE(dst->expires, jiffies - 1);
	dst_release(dst);
}

/* Octets of the headers that each TCP segment has; 0 if they can't be found. */
static unsigned int shim6_segment_headers(const struct sk_buff *skb)
{
	const struct tcphdr *th = skb->encapsulation ? inner_tcp_hdr(skb) :
						       tcp_hdr(skb);
	const int at = (unsigned char *)th - skb->data;

	if (at <= 0 || at + sizeof(*th) > skb_headlen(skb))
		return 0;
	return at + __tcp_hdrlen(th);
}

/* Is it one segment as TCP has sent it, which can be cut in two? */
static bool shim6_is_segment(const struct sk_buff *skb,
			     const struct shim6_place *place)
{
	const struct tcphdr *th = tcp_hdr(skb);

	return place->nexthdr == IPPROTO_TCP &&
	       skb->ip_summed == CHECKSUM_PARTIAL && !skb->encapsulation &&
	       !skb_has_frag_list(skb) &&
	       skb_transport_offset(skb) == place->offset &&
	       place->offset + sizeof(*th) <= skb_headlen(skb) &&
	       skb_checksum_start_offset(skb) == place->offset &&
	       !th->syn && !th->rst && !th->urg;
}

/**
 * shim6_mtu_shrink - make segments of TCP fit
 * @skb: a packet that does not fit; data is at the IPv6 header
 * @place: where its Shim6 header goes
 * @mtu: octets that fit without our header
 *
 * A stream is the same however it is cut, also inside a tunnel, so no fragments
 * are needed.
 *
 * Return: whether the packet is now a GSO packet, each of whose segments fits.
 */
bool shim6_mtu_shrink(struct sk_buff *skb, const struct shim6_place *place,
		      u32 mtu)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	const bool gso = skb_is_gso(skb);
	unsigned int headers;
	bool stream;

	if (gso)
		stream = shinfo->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6) &&
			 !skb_has_frag_list(skb);
	else
		stream = shim6_is_segment(skb, place);
	if (!stream)
		return false;
	headers = shim6_segment_headers(skb);
	if (!headers || mtu < headers + SHIM6_SEGMENT_MIN ||
	    skb->len <= headers)
		return false;
	/* TCP's own copy of the packet has the same shared info. */
	if (skb_unclone(skb, GFP_ATOMIC))
		return false;
	shinfo = skb_shinfo(skb);
	if (!gso)
		shinfo->gso_type = SKB_GSO_TCPV6;
	shinfo->gso_size = mtu - headers;
	shinfo->gso_segs = DIV_ROUND_UP(skb->len - headers, shinfo->gso_size);
	return shim6_mtu_fits(skb, mtu);
}

/* A device goes: revoke all told routes that hold it. */
static int shim6_mtu_netdev(struct notifier_block *nb, unsigned long event,
			    void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct shim6_path *path, *next;
	struct shim6_net *sn;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	sn = shim6_pernet(dev_net(dev));
	if (!sn)
		return NOTIFY_DONE;
	spin_lock_bh(&sn->told_lock);
	list_for_each_entry_safe(path, next, &sn->told, told_list)
		if (path->told->dst.dev == dev)
			shim6_told_drop(path);
	spin_unlock_bh(&sn->told_lock);
	return NOTIFY_DONE;
}

static struct notifier_block shim6_mtu_notifier = {
	.notifier_call = shim6_mtu_netdev,
};

/**
 * shim6_mtu_net_init - prepare a new namespace
 * @sn: the namespace's state
 */
void shim6_mtu_net_init(struct shim6_net *sn)
{
	spin_lock_init(&sn->told_lock);
	INIT_LIST_HEAD(&sn->told);
	INIT_LIST_HEAD(&sn->tells);
	INIT_DELAYED_WORK(&sn->tell_work, shim6_mtu_work);
}

/**
 * shim6_mtu_net_exit - stop telling sockets
 * @sn: the namespace's state, whose hooks are gone
 */
void shim6_mtu_net_exit(struct shim6_net *sn)
{
	struct shim6_tell *tell, *next;

	cancel_delayed_work_sync(&sn->tell_work);
	list_for_each_entry_safe(tell, next, &sn->tells, list)
		shim6_tell_free(tell);
}

/**
 * shim6_mtu_init - hear of devices that go
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_mtu_init(void)
{
	return register_netdevice_notifier(&shim6_mtu_notifier);
}

/**
 * shim6_mtu_exit - undo shim6_mtu_init()
 */
void shim6_mtu_exit(void)
{
	unregister_netdevice_notifier(&shim6_mtu_notifier);
}
