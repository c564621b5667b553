/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_POLICY_H
#define _SHIM6_POLICY_H

#include <linux/bitmap.h>
#include <linux/in6.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include <uapi/linux/shim6.h>

struct netlink_ext_ack;
struct shim6_net;
struct shim6_place;
struct shim6_ulids;
struct sk_buff;

/**
 * struct shim6_policy - a rule
 * @list: by ascending preference, read under RCU
 * @rcu: frees it
 * @has: bit SHIM6_A_POLICY_x for each value that is named; a value that is not
 *	named fits every packet
 * @preference: this and the members that follow have the names, units and
 *	meanings of netlink/shim6.yaml
 */
struct shim6_policy {
	struct list_head list;
	struct rcu_head rcu;
	unsigned long has;
	u32 preference;
	struct in6_addr local;
	struct in6_addr peer;
	u8 local_length;
	u8 peer_length;
	u8 protocol;
	u16 port_local;
	u16 port_peer;
	u16 port;
	u32 mark;
	u32 mark_mask;
	u32 action;
	u32 trigger_packets;
	u32 trigger_time;
};

/* Does the rule name @attr, SHIM6_A_POLICY_x? */
static inline bool shim6_policy_has(const struct shim6_policy *rule, int attr)
{
	return rule->has & BIT(attr);
}

/* The generation of the default rules, before any change. */
#define SHIM6_POLICY_GENERATION_FIRST	1

/* How many Next Header values there are. */
#define SHIM6_POLICY_PROTOCOLS	256

/**
 * struct shim6_policies - the rules of a namespace
 * @lock: held to change anything here
 * @list: the rules, by ascending preference; packets read it under RCU
 * @count: how many there are
 * @generation: changes with the rules; dumps compare it
 * @bypass: Next Headers of packets that a bypass rule could fit
 * @bypass_mptcp: there is a rule to bypass MPTCP
 */
struct shim6_policies {
	struct mutex lock; /* of the list */
	struct list_head list;
	u32 count;
	u32 generation;
	DECLARE_BITMAP(bypass, SHIM6_POLICY_PROTOCOLS);
	bool bypass_mptcp;
};

/**
 * struct shim6_policy_verdict - what the rules say of a packet
 * @action: enum shim6_policy_action
 * @trigger_packets: the threshold in packets, 0 for none
 * @trigger_time: the threshold in milliseconds, 0 for none
 */
struct shim6_policy_verdict {
	u32 action;
	u32 trigger_packets;
	u32 trigger_time;
};

void shim6_policy_match(struct shim6_net *sn, const struct sk_buff *skb,
			const struct shim6_ulids *ulids,
			const struct shim6_place *place, bool out,
			struct shim6_policy_verdict *verdict);

/*
 * Could a rule keep packets with this Next Header on their ULIDs? For most of them
 * none can, which is seen without looking at the rules.
 */
static inline bool shim6_policy_may_bypass(const struct shim6_policies *p,
					   u8 nexthdr)
{
	return test_bit(nexthdr, p->bypass) ||
	       (nexthdr == IPPROTO_TCP && READ_ONCE(p->bypass_mptcp));
}

bool shim6_policy_bypassed(struct shim6_net *sn, const struct sk_buff *skb,
			   const struct shim6_ulids *ulids,
			   const struct shim6_place *place);
int shim6_policy_preference(struct shim6_net *sn, u32 *preference,
			    struct netlink_ext_ack *extack);
int shim6_policy_add(struct shim6_net *sn, const struct shim6_policy *rule,
		     struct netlink_ext_ack *extack);
struct shim6_policy *shim6_policy_find(struct shim6_net *sn, u32 preference);
void shim6_policy_del(struct shim6_net *sn, struct shim6_policy *rule);
const struct shim6_policy *shim6_policy_default(unsigned int i);
int shim6_policy_net_init(struct shim6_net *sn);
void shim6_policy_net_exit(struct shim6_net *sn);

#endif /* _SHIM6_POLICY_H */
