// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of a packet, measured in the kernel: a system call for each packet
 * would cost more. A line that is written to /proc/s6_bench is done in the
 * writer's network namespace. The next read returns nanoseconds per packet.
 *
 *   way SOURCE DESTINATION PORT LENGTH FLOWS
 *                               note how packets of a way are sent
 *   serve ADDRESS PORT          listen for the next stream
 *   stream SOURCE DESTINATION PORT
 *                               note a way whose packets are a stream of TCP to
 *                               the socket that listens, and connect. Its
 *                               datagrams are pieces of 64 KiB
 *   turns ROUNDS WARM COUNT     let each way that was noted send COUNT datagrams,
 *                               by turns, and that for so many rounds. WARM more
 *                               go before, which fill the caches. The result has
 *                               a line for each way: its best round
 *   forget                      note no ways any more, and close all sockets
 *   listen ADDRESS PORT         take datagrams and throw them away
 *   send SOURCE DESTINATION PORT LENGTH COUNT FLOWS
 *                               send datagrams, the whole way to the listener,
 *                               with so many flow labels by turns
 *   flood SOURCE DESTINATION PORT LENGTH COUNT FLOWS
 *                               the same, without waiting for what may be lost
 *   hook SOURCE PREFIX N COUNT  call the last LOCAL_OUT hook for datagrams to
 *                               N destinations by turns; the hook must not
 *                               change them. The best 10,000 in a row count
 *   received                    how many datagrams the listeners have taken
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/inet.h>
#include <linux/module.h>
#include <linux/netfilter_ipv6.h>
#include <linux/nsproxy.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#define S6_PORT		4321
#define S6_LISTENERS	32
#define S6_WAYS		32
#define S6_PIECE	SZ_64K
#define S6_CALLS	10000
#define S6_BUFFER	(64 * S6_PIECE)
#define S6_BURST	8 /* pieces that are sent before any is received */

/*
 * An emulator can count what is done between two marks (tests/vm/counter/references.c).
 * They are instructions that do nothing, as the compiler makes no others.
 */
#if IS_ENABLED(CONFIG_X86) || IS_ENABLED(CONFIG_UML_X86)
#define s6_mark(what)	asm volatile("nopl " what "(%%rax)" ::: "memory")
#else
#define s6_mark(what)	barrier()
#endif
#define S6_BEGIN	"0x73360001"
#define S6_END		"0x73360002"

/* Newer kernels take a struct sock where older ones take a struct socket. */
#define s6_handle(s)								\
	__builtin_choose_expr(							\
		__builtin_types_compatible_p(typeof(udp_tunnel_sock_release),	\
					     void (struct sock *)),		\
		(s)->sk, (s))

/*
 * A way: its namespace, with a reference, and what s6_send() takes; or the two ends
 * of a stream.
 */
struct s6_way {
	struct net *net;
	struct socket *from;
	struct socket *to;
	char src[48];
	char dst[48];
	int port;
	int len;
	int flows;
	u64 least; /* in hundredths */
};

/* Protects the listeners and the ways. Only one process measures at a time. */
static DEFINE_MUTEX(s6_lock);
static struct s6_way s6_ways[S6_WAYS];
static int s6_n_ways;
static struct socket *s6_server;
static char *s6_octets; /* of a piece: sent from the first half, received in the second */
static bool s6_by_turns; /* the next read is about the ways */
static struct socket *s6_listeners[S6_LISTENERS];
static int s6_n_listeners;
static atomic64_t s6_received = ATOMIC64_INIT(0);
static u64 s6_result; /* in hundredths */

static int s6_take(struct sock *sk, struct sk_buff *skb)
{
	atomic64_inc(&s6_received);
	consume_skb(skb);
	return 0;
}

static int s6_listen(struct net *net, const char *addr, u16 port)
{
	struct udp_port_cfg cfg = {
		.family = AF_INET6,
		.local_udp_port = htons(port),
		.ipv6_v6only = true,
		.use_udp6_rx_checksums = true,
	};
	struct udp_tunnel_sock_cfg tunnel = { .encap_type = 1, .encap_rcv = s6_take };
	struct socket *sock;
	int err;

	if (s6_n_listeners == S6_LISTENERS)
		return -ENOSPC;
	if (!in6_pton(addr, -1, cfg.local_ip6.s6_addr, -1, NULL))
		return -EINVAL;
	err = udp_sock_create6(net, &cfg, &sock);
	if (err)
		return err;
	setup_udp_tunnel_sock(net, s6_handle(sock), &tunnel);
	s6_listeners[s6_n_listeners++] = sock;
	return 0;
}

static struct sk_buff *s6_datagram(struct dst_entry *dst, const struct flowi6 *fl6, int len,
				   u32 flow)
{
	const int room = LL_MAX_HEADER + 128;
	struct ipv6hdr *iph;
	struct udphdr *uh;
	struct sk_buff *skb;

	skb = alloc_skb(room + sizeof(*iph) + sizeof(*uh) + len, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	skb_reset_network_header(skb);
	iph = skb_put(skb, sizeof(*iph));
	skb_set_transport_header(skb, sizeof(*iph));
	uh = skb_put(skb, sizeof(*uh));
	skb_put_zero(skb, len);
	ip6_flow_hdr(iph, 0, htonl(flow));
	iph->payload_len = htons(sizeof(*uh) + len);
	iph->nexthdr = IPPROTO_UDP;
	iph->hop_limit = 64;
	iph->saddr = fl6->saddr;
	iph->daddr = fl6->daddr;
	uh->source = fl6->fl6_sport;
	uh->dest = fl6->fl6_dport;
	uh->len = htons(sizeof(*uh) + len);
	uh->check = ~csum_ipv6_magic(&fl6->saddr, &fl6->daddr, sizeof(*uh) + len, IPPROTO_UDP, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	skb_dst_set(skb, dst_clone(dst));
	return skb;
}

static struct dst_entry *s6_flow(struct net *net, struct flowi6 *fl6, const char *src,
				 const char *dst, u16 port)
{
	memset(fl6, 0, sizeof(*fl6));
	if (!in6_pton(src, -1, fl6->saddr.s6_addr, -1, NULL) ||
	    !in6_pton(dst, -1, fl6->daddr.s6_addr, -1, NULL))
		return ERR_PTR(-EINVAL);
	fl6->flowi6_proto = IPPROTO_UDP;
	fl6->fl6_sport = htons(S6_PORT);
	fl6->fl6_dport = htons(port);
	return ip6_dst_lookup_flow(net, NULL, fl6, NULL);
}

/* Some ways work in the background: this gives them the time that they need. */
static bool s6_arrived(u64 want)
{
	const unsigned long end = jiffies + HZ;

	while (atomic64_read(&s6_received) < want) {
		if (signal_pending(current) || time_after(jiffies, end))
			return false;
		yield();
	}
	return true;
}

static int s6_send(struct net *net, const char *src, const char *dst, u16 port, int len, int count,
		   int flows, bool wait)
{
	struct dst_entry *route;
	struct sk_buff *skb;
	const u64 before = atomic64_read(&s6_received);
	struct flowi6 fl6;
	u64 start;
	int i;

	route = s6_flow(net, &fl6, src, dst, port);
	if (IS_ERR(route))
		return PTR_ERR(route);
	s6_mark(S6_BEGIN);
	start = ktime_get_ns();
	for (i = 0; i < count; i++) {
		skb = s6_datagram(route, &fl6, len, i % flows);
		if (!skb)
			break;
		ip6_local_out(net, NULL, skb);
		if (i % 128 != 127)
			continue;
		if (wait ? !s6_arrived(before + i + 1) : signal_pending(current))
			break;
		cond_resched();
	}
	if (wait && !s6_arrived(before + i))
		i = 0;
	s6_result = i ? div_u64((ktime_get_ns() - start) * 100, i) : 0;
	s6_mark(S6_END);
	dst_release(route);
	return i == count ? 0 : -EINTR;
}

static int s6_note(struct net *net, const char *src, const char *dst, int port, int len, int flows)
{
	struct s6_way *w = &s6_ways[s6_n_ways];

	if (s6_n_ways == S6_WAYS)
		return -ENOSPC;
	w->net = get_net(net);
	strscpy(w->src, src, sizeof(w->src));
	strscpy(w->dst, dst, sizeof(w->dst));
	w->port = port;
	w->len = len;
	w->flows = flows;
	w->from = NULL;
	w->to = NULL;
	s6_n_ways++;
	return 0;
}

static void s6_close(struct socket **sock)
{
	if (*sock)
		sock_release(*sock);
	*sock = NULL;
}

static void s6_forget(void)
{
	struct s6_way *w;

	while (s6_n_ways) {
		w = &s6_ways[--s6_n_ways];
		s6_close(&w->from);
		s6_close(&w->to);
		put_net(w->net);
	}
	s6_close(&s6_server);
	while (s6_n_listeners)
		udp_tunnel_sock_release(s6_handle(s6_listeners[--s6_n_listeners]));
}

/*
 * A socket of TCP that is bound. Its buffers are larger than what is on its way, so
 * that neither they nor their growth decide how large packets are.
 */
static int s6_bound(struct net *net, const char *addr, int port, struct socket **sock)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int err;

	if (!in6_pton(addr, -1, sin6.sin6_addr.s6_addr, -1, NULL))
		return -EINVAL;
	err = sock_create_kern(net, PF_INET6, SOCK_STREAM, IPPROTO_TCP, sock);
	if (err)
		return err;
	sock_set_reuseaddr((*sock)->sk);
	sock_set_rcvbuf((*sock)->sk, S6_BUFFER);
	lock_sock((*sock)->sk);
	(*sock)->sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE((*sock)->sk->sk_sndbuf, S6_BUFFER);
	release_sock((*sock)->sk);
	err = kernel_bind(*sock, (void *)&sin6, sizeof(sin6));
	if (err)
		s6_close(sock);
	return err;
}

static int s6_serve(struct net *net, const char *addr, int port)
{
	int err;

	s6_close(&s6_server);
	err = s6_bound(net, addr, port, &s6_server);
	return err ?: kernel_listen(s6_server, 1);
}

static int s6_connect(struct net *net, const char *src, const char *dst, int port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct s6_way *w = &s6_ways[s6_n_ways];
	int err;

	if (!s6_server || !in6_pton(dst, -1, sin6.sin6_addr.s6_addr, -1, NULL))
		return -EINVAL;
	err = s6_note(net, src, dst, port, 0, 1);
	if (err)
		return err;
	err = s6_bound(net, src, 0, &w->from);
	if (err)
		return err;
	err = kernel_connect(w->from, (void *)&sin6, sizeof(sin6), 0);
	err = err ?: kernel_accept(s6_server, &w->to, 0);
	if (!err)
		w->to->sk->sk_rcvtimeo = HZ;
	return err;
}

/*
 * Move a piece, or what there is room for, or what is there. Returns octets, 0 if the
 * process would have to wait, or a negative errno.
 */
static int s6_piece_out(struct s6_way *w, u64 sent)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct kvec vec = { .iov_base = s6_octets, .iov_len = S6_PIECE - sent % S6_PIECE };
	int n;

	n = kernel_sendmsg(w->from, &msg, &vec, 1, vec.iov_len);
	return n == -EAGAIN ? 0 : n;
}

static int s6_piece_in(struct s6_way *w, int flags)
{
	struct kvec vec = { .iov_base = s6_octets + S6_PIECE, .iov_len = S6_PIECE };
	struct msghdr msg = {};
	int n;

	n = kernel_recvmsg(w->to, &msg, &vec, 1, S6_PIECE, flags);
	return n == -EAGAIN ? 0 : n;
}

/*
 * Send pieces, and receive them. Both ends are one process, which goes on with one
 * end where the other would wait. It waits itself where packets are on their way in
 * the background.
 */
static int s6_stream(struct s6_way *w, int pieces)
{
	const u64 all = (u64)pieces * S6_PIECE;
	u64 start, sent = 0, got = 0, before;
	int n;

	s6_mark(S6_BEGIN);
	start = ktime_get_ns();
	while (got < all) {
		before = sent + got;
		/* Packets as large as can be, as from a sender that is faster than its path. */
		tcp_sock_set_cork(w->from->sk, true);
		do {
			n = sent < all ? s6_piece_out(w, sent) : 0;
			sent += max(n, 0);
		} while (n > 0 && sent % (S6_BURST * S6_PIECE));
		tcp_sock_set_cork(w->from->sk, false);
		if (n < 0)
			return n;
		do {
			n = s6_piece_in(w, MSG_DONTWAIT);
			got += max(n, 0);
		} while (n > 0);
		if (!n && sent + got == before) {
			n = s6_piece_in(w, 0);
			got += max(n, 0);
			if (!n)
				return -ETIMEDOUT;
		}
		if (n < 0)
			return n;
	}
	s6_result = div_u64((ktime_get_ns() - start) * 100, pieces);
	s6_mark(S6_END);
	return 0;
}

static int s6_batch(struct s6_way *w, int count)
{
	cond_resched();
	if (w->from)
		return s6_stream(w, count);
	return s6_send(w->net, w->src, w->dst, w->port, w->len, count, w->flows, true);
}

/*
 * A batch is so short that most are not disturbed by anything else that this
 * machine does, and the batches of all ways lie close together in time.
 */
static int s6_turns(int rounds, int warm, int count)
{
	struct s6_way *w;
	int r, err;

	for (w = s6_ways; w < s6_ways + s6_n_ways; w++)
		w->least = U64_MAX;
	for (r = 0; r < rounds; r++) {
		for (w = s6_ways; w < s6_ways + s6_n_ways; w++) {
			err = warm ? s6_batch(w, warm) : 0;
			err = err ?: s6_batch(w, count);
			if (err)
				return err;
			w->least = min(w->least, s6_result);
		}
	}
	return 0;
}

static int s6_hook(struct net *net, const char *src, const char *prefix, u32 n, int count)
{
	struct nf_hook_state state = { .hook = NF_INET_LOCAL_OUT, .pf = NFPROTO_IPV6, .net = net };
	const struct nf_hook_entries *hooks;
	const struct nf_hook_entry *last;
	struct dst_entry *route;
	struct sk_buff *skb;
	struct flowi6 fl6;
	u32 at = 0;
	u64 start;
	int i, err = 0;

	route = s6_flow(net, &fl6, src, prefix, 9);
	if (IS_ERR(route))
		return PTR_ERR(route);
	skb = s6_datagram(route, &fl6, 64, 0);
	if (!skb) {
		dst_release(route);
		return -ENOMEM;
	}
	s6_result = U64_MAX;
	start = ktime_get_ns();
	for (i = 0; i < count && !err; i++) {
		/* Far apart, so that no cache line is used twice in a row. */
		at = (at + 2654435761U) % n;
		ipv6_hdr(skb)->daddr.s6_addr32[3] = htonl(at);
		rcu_read_lock();
		hooks = rcu_dereference(net->nf.hooks_ipv6[NF_INET_LOCAL_OUT]);
		last = hooks ? &hooks->hooks[hooks->num_hook_entries - 1] : NULL;
		if (!last || last->hook(last->priv, skb, &state) != NF_ACCEPT)
			err = -ENOENT;
		rcu_read_unlock();
		if (i % S6_CALLS != S6_CALLS - 1)
			continue;
		s6_result = min(s6_result, div_u64((ktime_get_ns() - start) * 100, S6_CALLS));
		cond_resched();
		start = ktime_get_ns();
	}
	kfree_skb(skb);
	dst_release(route);
	return err;
}

static ssize_t s6_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	struct net *net = current->nsproxy->net_ns;
	char line[160], src[48], dst[48];
	int port, len, count, flows, rounds, warm, err = -EINVAL;
	u32 number;

	if (n >= sizeof(line) || copy_from_user(line, buf, n))
		return -EINVAL;
	line[n] = 0;
	s6_by_turns = false;
	if (sscanf(line, "listen %47s %d", src, &port) == 2) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		err = s6_listen(net, src, port);
		mutex_unlock(&s6_lock);
	} else if (sscanf(line, "send %47s %47s %d %d %d %d", src, dst, &port, &len, &count,
			  &flows) == 6 ||
		   sscanf(line, "flood %47s %47s %d %d %d %d", src, dst, &port, &len, &count,
			  &flows) == 6) {
		if (len >= 0 && len <= 9000 && count > 0 && flows > 0 && flows < 1 << 20)
			err = s6_send(net, src, dst, port, len, count, flows, line[0] == 's');
	} else if (sscanf(line, "hook %47s %47s %u %d", src, dst, &number, &count) == 4) {
		if (number && count > 0)
			err = s6_hook(net, src, dst, number, count);
	} else if (sscanf(line, "way %47s %47s %d %d %d", src, dst, &port, &len, &flows) == 5) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		if (len >= 0 && len <= 9000 && flows > 0 && flows < 1 << 20)
			err = s6_note(net, src, dst, port, len, flows);
		mutex_unlock(&s6_lock);
	} else if (sscanf(line, "serve %47s %d", src, &port) == 2) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		err = s6_serve(net, src, port);
		mutex_unlock(&s6_lock);
	} else if (sscanf(line, "stream %47s %47s %d", src, dst, &port) == 3) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		err = s6_connect(net, src, dst, port);
		mutex_unlock(&s6_lock);
	} else if (sscanf(line, "turns %d %d %d", &rounds, &warm, &count) == 3) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		if (rounds > 0 && warm >= 0 && count > 0)
			err = s6_turns(rounds, warm, count);
		s6_by_turns = !err;
		mutex_unlock(&s6_lock);
	} else if (!strncmp(line, "forget", 6)) {
		if (mutex_lock_interruptible(&s6_lock))
			return -EINTR;
		s6_forget();
		mutex_unlock(&s6_lock);
		err = 0;
	} else if (!strncmp(line, "received", 8)) {
		s6_result = atomic64_read(&s6_received) * 100;
		err = 0;
	}
	return err ?: n;
}

static ssize_t s6_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	char line[S6_WAYS * 24];
	const u64 one = s6_result;
	int i, len = 0;

	for (i = 0; i < (s6_by_turns ? s6_n_ways : 1); i++) {
		const u64 result = s6_by_turns ? s6_ways[i].least : one;

		len += scnprintf(line + len, sizeof(line) - len, "%llu.%02llu\n", result / 100,
				 result % 100);
	}
	return simple_read_from_buffer(buf, n, pos, line, len);
}

static const struct proc_ops s6_ops = {
	.proc_read = s6_read,
	.proc_write = s6_write,
	.proc_lseek = default_llseek,
};

static int __init s6_init(void)
{
	s6_octets = vzalloc(2 * S6_PIECE);
	if (!s6_octets)
		return -ENOMEM;
	if (proc_create("s6_bench", 0600, NULL, &s6_ops))
		return 0;
	vfree(s6_octets);
	return -ENOMEM;
}

/* The namespaces must outlive this module. */
static void __exit s6_exit(void)
{
	remove_proc_entry("s6_bench", NULL);
	s6_forget();
	vfree(s6_octets);
}

module_init(s6_init);
module_exit(s6_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of packets on their way through the kernel");
