// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of a packet, measured in the kernel: a system call for each packet
 * would cost more. A line that is written to /proc/s6_bench is done in the
 * writer's network namespace. The next read returns nanoseconds per packet.
 *
 *   listen ADDRESS PORT         take datagrams and throw them away
 *   send SOURCE DESTINATION PORT LENGTH COUNT FLOWS
 *                               send datagrams, the whole way to the listener,
 *                               with so many flow labels by turns
 *   flood SOURCE DESTINATION PORT LENGTH COUNT FLOWS
 *                               the same, without waiting for what may be lost
 *   hook SOURCE PREFIX N COUNT  call the last LOCAL_OUT hook for datagrams to
 *                               N destinations by turns; the hook must not
 *                               change them
 *   received                    how many datagrams the listeners have taken
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/inet.h>
#include <linux/module.h>
#include <linux/netfilter_ipv6.h>
#include <linux/nsproxy.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#define S6_PORT		4321
#define S6_LISTENERS	32

/* Newer kernels take a struct sock where older ones take a struct socket. */
#define s6_handle(s)								\
	__builtin_choose_expr(							\
		__builtin_types_compatible_p(typeof(udp_tunnel_sock_release),	\
					     void (struct sock *)),		\
		(s)->sk, (s))

/* Protects the listeners. Only one process measures at a time. */
static DEFINE_MUTEX(s6_lock);
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
		schedule();
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
	if (wait)
		s6_arrived(before + i);
	s6_result = i ? div_u64((ktime_get_ns() - start) * 100, i) : 0;
	dst_release(route);
	return i == count ? 0 : -EINTR;
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
	}
	s6_result = div_u64((ktime_get_ns() - start) * 100, count);
	kfree_skb(skb);
	dst_release(route);
	return err;
}

static ssize_t s6_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	struct net *net = current->nsproxy->net_ns;
	char line[160], src[48], dst[48];
	int port, len, count, flows, err = -EINVAL;
	u32 number;

	if (n >= sizeof(line) || copy_from_user(line, buf, n))
		return -EINVAL;
	line[n] = 0;
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
	} else if (!strncmp(line, "received", 8)) {
		s6_result = atomic64_read(&s6_received) * 100;
		err = 0;
	}
	return err ?: n;
}

static ssize_t s6_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	char line[32];
	int len;

	len = scnprintf(line, sizeof(line), "%llu.%02llu\n", s6_result / 100, s6_result % 100);
	return simple_read_from_buffer(buf, n, pos, line, len);
}

static const struct proc_ops s6_ops = {
	.proc_read = s6_read,
	.proc_write = s6_write,
	.proc_lseek = default_llseek,
};

static int __init s6_init(void)
{
	return proc_create("s6_bench", 0600, NULL, &s6_ops) ? 0 : -ENOMEM;
}

/* The namespaces must outlive this module. */
static void __exit s6_exit(void)
{
	remove_proc_entry("s6_bench", NULL);
	while (s6_n_listeners)
		udp_tunnel_sock_release(s6_handle(s6_listeners[--s6_n_listeners]));
}

module_init(s6_init);
module_exit(s6_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of packets on their way through the kernel");
