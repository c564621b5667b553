// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/s6_inject: a packet that is written to it arrives by a device of the
 * writer's namespace, in the layout that the writer chooses: a part of it is
 * linear, the rest is in page fragments and in a list of fragments. Drivers, GRO
 * and reassembly make such packets, but none of them makes all layouts.
 *
 * A write has a struct s6_inject and then the packet from the IPv6 header on.
 * With S6_CLONE the packet is shared, and the write fails with EBADMSG if the
 * shared octets have changed once the packet has arrived.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/fs.h>
#include <linux/ipv6.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/net_namespace.h>

#define S6_PIECES	16
#define S6_LISTED	0x8000	/* a piece that is in the list of fragments */
#define S6_MOST		PAGE_SIZE

enum { S6_CLONE = 1, S6_ETHERNET = 2 };

/**
 * struct s6_inject - how a packet is laid out, in the host's byte order
 * @ifindex: the device by which it arrives
 * @linear: octets of the linear part
 * @csum: CHECKSUM_NONE, CHECKSUM_UNNECESSARY or CHECKSUM_COMPLETE
 * @flags: S6_CLONE, S6_ETHERNET (there is a MAC header before it)
 * @pieces: how many entries of @piece are used
 * @piece: octets of each fragment; together with @linear, of the packet
 */
struct s6_inject {
	u32 ifindex;
	u16 linear;
	u8 csum;
	u8 flags;
	u16 pieces;
	u16 piece[S6_PIECES];
};

/* One fragment, in a page of its own, at an offset that is not aligned. */
static int s6_add_page(struct sk_buff *skb, const void *data, unsigned int len)
{
	const unsigned int at = (len * 7 + 3) % (PAGE_SIZE - len + 1);
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	memcpy(page_address(page) + at, data, len);
	skb_fill_page_desc(skb, skb_shinfo(skb)->nr_frags, page, at, len);
	skb->len += len;
	skb->data_len += len;
	skb->truesize += PAGE_SIZE;
	return 0;
}

/* One more packet in the list: by turns linear, or all of it in a page. */
static struct sk_buff *s6_listed(const void *data, unsigned int len, bool page)
{
	struct sk_buff *skb = alloc_skb(page ? 0 : len, GFP_KERNEL);

	if (!skb)
		return NULL;
	if (!page) {
		skb_put_data(skb, data, len);
	} else if (s6_add_page(skb, data, len)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

static struct sk_buff *s6_build(const struct s6_inject *how, const u8 *data)
{
	struct sk_buff *skb, **last, *part;
	unsigned int i, at = how->linear;

	skb = alloc_skb(NET_SKB_PAD + ETH_HLEN + how->linear, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD + ETH_HLEN);
	skb_put_data(skb, data, how->linear);
	last = &skb_shinfo(skb)->frag_list;
	for (i = 0; i < how->pieces; i++) {
		const unsigned int len = how->piece[i] & ~S6_LISTED;

		if (how->piece[i] & S6_LISTED) {
			part = s6_listed(data + at, len, i & 1);
			if (!part)
				goto err;
			*last = part;
			last = &part->next;
			skb->len += len;
			skb->data_len += len;
			skb->truesize += part->truesize;
		} else if (s6_add_page(skb, data + at, len)) {
			goto err;
		}
		at += len;
	}
	return skb;

err:
	kfree_skb(skb);
	return NULL;
}

static bool s6_valid(const struct s6_inject *how, size_t len)
{
	unsigned int i, at = how->linear;
	bool listed = false;

	if (how->pieces > S6_PIECES || how->csum == CHECKSUM_PARTIAL ||
	    how->csum > CHECKSUM_PARTIAL || len < sizeof(struct ipv6hdr))
		return false;
	for (i = 0; i < how->pieces; i++) {
		if (!(how->piece[i] & ~S6_LISTED) ||
		    (listed && !(how->piece[i] & S6_LISTED)))
			return false;
		listed = how->piece[i] & S6_LISTED;
		at += how->piece[i] & ~S6_LISTED;
	}
	return at == len;
}

static int s6_inject_skb(const struct s6_inject *how, struct net_device *dev,
			 const u8 *data, size_t len, u8 *after)
{
	struct sk_buff *skb = s6_build(how, data), *clone = NULL;
	int err = 0;

	if (!skb)
		return -ENOMEM;
	skb->dev = dev;
	skb->protocol = htons(ETH_P_IPV6);
	skb->pkt_type = PACKET_HOST;
	skb_reset_network_header(skb);
	skb_reset_mac_header(skb);
	if (how->flags & S6_ETHERNET) {
		skb->mac_header -= ETH_HLEN;
		memset(skb_mac_header(skb), 0xee, ETH_HLEN);
	}
	skb->ip_summed = how->csum;
	if (how->csum == CHECKSUM_COMPLETE)
		skb->csum = skb_checksum(skb, 0, skb->len, 0);
	if (how->flags & S6_CLONE) {
		clone = skb_clone(skb, GFP_KERNEL);
		if (!clone) {
			kfree_skb(skb);
			return -ENOMEM;
		}
	}
	local_bh_disable();
	netif_receive_skb(skb);
	local_bh_enable();
	if (clone && (skb_copy_bits(clone, 0, after, len) ||
		      memcmp(after, data, len)))
		err = -EBADMSG;
	kfree_skb(clone);
	return err;
}

static ssize_t s6_inject_write(struct file *file, const char __user *buf,
			       size_t size, loff_t *pos)
{
	struct s6_inject how;
	struct net_device *dev;
	u8 *data, *after;
	size_t len;
	int err;

	if (size < sizeof(how) || size > sizeof(how) + S6_MOST)
		return -EMSGSIZE;
	if (copy_from_user(&how, buf, sizeof(how)))
		return -EFAULT;
	len = size - sizeof(how);
	if (!s6_valid(&how, len))
		return -EINVAL;
	data = memdup_user(buf + sizeof(how), len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	after = kmalloc(len, GFP_KERNEL);
	dev = dev_get_by_index(current->nsproxy->net_ns, how.ifindex);
	if (!after)
		err = -ENOMEM;
	else if (!dev)
		err = -ENODEV;
	else
		err = s6_inject_skb(&how, dev, data, len, after);
	dev_put(dev);
	kfree(after);
	kfree(data);
	return err ?: size;
}

static const struct file_operations s6_inject_ops = {
	.owner = THIS_MODULE,
	.write = s6_inject_write,
};

static struct miscdevice s6_inject_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "s6_inject",
	.fops = &s6_inject_ops,
	.mode = 0600,
};

module_misc_device(s6_inject_device);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Packets that arrive in the layout that a test wants");
