// SPDX-License-Identifier: GPL-2.0
/*
 * Policy: which packets count towards a context and are carried by it. The first
 * rule that fits, by ascending preference, decides. A packet that no rule fits is
 * shimmed, with the thresholds of the configuration.
 */
#include <linux/rculist.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/mptcp.h>
#include <net/netlink.h>
#include <net/tcp.h>

#include "compat.h"
#include "header.h"
#include "policy.h"
#include "state.h"

/* The preference of the first rule, if it names none. */
#define SHIM6_POLICY_LAST	32766

/* The values of a packet that rules compare, read once. */
struct shim6_policy_key {
	const struct shim6_ulids *ulids;
	u8 protocol;
	bool ports;
	u16 port_local;
	u16 port_peer;
	u32 mark;
	bool mptcp;
};

/* A raw socket may send TCP, but is no TCP socket. */
static bool shim6_sent_by_mptcp(const struct sk_buff *skb)
{
	return skb->sk && sk_fullsock(skb->sk) && sk_is_tcp(skb->sk) &&
	       sk_is_mptcp(skb->sk);
}

static void shim6_policy_key(struct shim6_policy_key *key,
			     const struct sk_buff *skb,
			     const struct shim6_ulids *ulids,
			     const struct shim6_place *place, bool out)
{
	__be16 _ports[2], frag_off = 0;
	const __be16 *ports;
	int offset;

	memset(key, 0, sizeof(*key));
	key->ulids = ulids;
	key->mark = skb->mark;
	key->protocol = place->nexthdr;
	offset = ipv6_skip_exthdr(skb,
				  skb_network_offset(skb) + place->offset,
				  &key->protocol, &frag_off);
	if (offset < 0)
		return;
	key->mptcp = key->protocol == IPPROTO_TCP && shim6_sent_by_mptcp(skb);
	/* Only the first fragment has the ports. */
	if (frag_off & htons(IP6_OFFSET))
		return;
	switch (key->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		ports = skb_header_pointer(skb, offset, sizeof(_ports), _ports);
		if (!ports)
			return;
		key->ports = true;
		key->port_local = ntohs(ports[!out]);
		key->port_peer = ntohs(ports[out]);
	}
}

static bool shim6_policy_fits(const struct shim6_policy *r,
			      const struct shim6_policy_key *key)
{
	if (!ipv6_prefix_equal(&r->local, &key->ulids->local,
			       r->local_length) ||
	    !ipv6_prefix_equal(&r->peer, &key->ulids->peer, r->peer_length))
		return false;
	if (shim6_policy_has(r, SHIM6_A_POLICY_PROTOCOL) &&
	    r->protocol != key->protocol)
		return false;
	if (shim6_policy_has(r, SHIM6_A_POLICY_PORT_LOCAL) &&
	    (!key->ports || r->port_local != key->port_local))
		return false;
	if (shim6_policy_has(r, SHIM6_A_POLICY_PORT_PEER) &&
	    (!key->ports || r->port_peer != key->port_peer))
		return false;
	if (shim6_policy_has(r, SHIM6_A_POLICY_PORT) &&
	    (!key->ports || (r->port != key->port_local &&
			     r->port != key->port_peer)))
		return false;
	if (shim6_policy_has(r, SHIM6_A_POLICY_MARK) &&
	    (key->mark & r->mark_mask) != (r->mark & r->mark_mask))
		return false;
	return !shim6_policy_has(r, SHIM6_A_POLICY_MPTCP) || key->mptcp;
}

/**
 * shim6_policy_match - find what the rules say of a packet
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @skb: the packet
 * @ulids: its pair
 * @place: where its routing headers end
 * @out: this host sends it, otherwise it has arrived
 * @verdict: the answer
 */
void shim6_policy_match(struct shim6_net *sn, const struct sk_buff *skb,
			const struct shim6_ulids *ulids,
			const struct shim6_place *place, bool out,
			struct shim6_policy_verdict *verdict)
{
	const struct shim6_policy *rule;
	struct shim6_policy_key key;

	verdict->action = SHIM6_POLICY_ACTION_SHIM;
	verdict->trigger_packets = READ_ONCE(sn->config.trigger_packets);
	verdict->trigger_time = READ_ONCE(sn->config.trigger_time);
	if (list_empty(&sn->policies.list))
		return;
	shim6_policy_key(&key, skb, ulids, place, out);
	list_for_each_entry_rcu(rule, &sn->policies.list, list) {
		if (!shim6_policy_fits(rule, &key))
			continue;
		verdict->action = rule->action;
		if (shim6_policy_has(rule, SHIM6_A_POLICY_TRIGGER_PACKETS))
			verdict->trigger_packets = rule->trigger_packets;
		if (shim6_policy_has(rule, SHIM6_A_POLICY_TRIGGER_TIME))
			verdict->trigger_time = rule->trigger_time;
		return;
	}
}

/* Note which protocols, 0 to 255, and whether MPTCP, a bypass rule could fit. */
static void shim6_policy_summary(struct shim6_net *sn)
{
	struct shim6_policies *p = &sn->policies;
	DECLARE_BITMAP(protocols, SHIM6_POLICY_PROTOCOLS) = {};
	const struct shim6_policy *rule;
	bool mptcp = false;

	list_for_each_entry(rule, &p->list, list) {
		if (rule->action != SHIM6_POLICY_ACTION_BYPASS)
			continue;
		if (shim6_policy_has(rule, SHIM6_A_POLICY_MPTCP))
			mptcp = true;
		else if (shim6_policy_has(rule, SHIM6_A_POLICY_PROTOCOL))
			__set_bit(rule->protocol, protocols);
		else
			bitmap_fill(protocols, SHIM6_POLICY_PROTOCOLS);
	}
	/* Behind these headers may be any protocol. */
	if (mptcp || !bitmap_empty(protocols, SHIM6_POLICY_PROTOCOLS)) {
		__set_bit(NEXTHDR_DEST, protocols);
		__set_bit(NEXTHDR_FRAGMENT, protocols);
		__set_bit(NEXTHDR_AUTH, protocols);
	}
	bitmap_copy(p->bypass, protocols, SHIM6_POLICY_PROTOCOLS);
	WRITE_ONCE(p->bypass_mptcp, mptcp);
}

/**
 * shim6_policy_bypassed - does a rule keep a packet on its ULIDs?
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @skb: a packet that this host sends, for which shim6_policy_may_bypass()
 * @ulids: its pair
 * @place: where its routing headers end
 */
bool shim6_policy_bypassed(struct shim6_net *sn, const struct sk_buff *skb,
			   const struct shim6_ulids *ulids,
			   const struct shim6_place *place)
{
	const struct shim6_policies *p = &sn->policies;
	struct shim6_policy_verdict verdict;

	if (!test_bit(place->nexthdr, p->bypass) && !shim6_sent_by_mptcp(skb))
		return false;
	shim6_policy_match(sn, skb, ulids, place, true, &verdict);
	return verdict.action == SHIM6_POLICY_ACTION_BYPASS;
}

/**
 * shim6_policy_find - the rule at a preference
 * @sn: the namespace's state; the caller holds the rules' lock
 * @preference: the preference
 *
 * Return: the rule or NULL.
 */
struct shim6_policy *shim6_policy_find(struct shim6_net *sn, u32 preference)
{
	struct shim6_policy *rule;

	list_for_each_entry(rule, &sn->policies.list, list)
		if (rule->preference == preference)
			return rule;
	return NULL;
}

/**
 * shim6_policy_preference - find a preference before all other rules, as `ip rule`
 * does for a rule that names none
 * @sn: the namespace's state; the caller holds the rules' lock
 * @preference: where it goes
 * @extack: where to say why not
 *
 * Return: 0, or -ENOSPC if there is none before the first.
 */
int shim6_policy_preference(struct shim6_net *sn, u32 *preference,
			    struct netlink_ext_ack *extack)
{
	const struct shim6_policy *first;

	first = list_first_entry_or_null(&sn->policies.list,
					 struct shim6_policy, list);
	if (first && !first->preference) {
		NL_SET_ERR_MSG(extack,
			       "no preference is free before the first rule: name one");
		return -ENOSPC;
	}
	*preference = first ? first->preference - 1 : SHIM6_POLICY_LAST;
	return 0;
}

/**
 * shim6_policy_add - add a rule
 * @sn: the namespace's state; the caller holds the rules' lock
 * @rule: the rule, copied
 * @extack: where to say why not
 *
 * Return: 0 or a negative errno.
 */
int shim6_policy_add(struct shim6_net *sn, const struct shim6_policy *rule,
		     struct netlink_ext_ack *extack)
{
	struct shim6_policy *new, *pos;

	if (shim6_policy_find(sn, rule->preference)) {
		NL_SET_ERR_MSG(extack, "there is a rule with this preference");
		return -EEXIST;
	}
	if (sn->policies.count >= SHIM6_POLICIES_LIMIT) {
		NL_SET_ERR_MSG(extack,
			       "the namespace holds as many rules as it can");
		return -ENOSPC;
	}
	new = kmemdup(rule, sizeof(*rule), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	list_for_each_entry(pos, &sn->policies.list, list)
		if (pos->preference > new->preference)
			break;
	list_add_tail_rcu(&new->list, &pos->list);
	sn->policies.count++;
	sn->policies.generation++;
	shim6_policy_summary(sn);
	return 0;
}

/**
 * shim6_policy_del - delete a rule
 * @sn: the namespace's state; the caller holds the rules' lock
 * @rule: the rule
 */
void shim6_policy_del(struct shim6_net *sn, struct shim6_policy *rule)
{
	list_del_rcu(&rule->list);
	sn->policies.count--;
	sn->policies.generation++;
	shim6_policy_summary(sn);
	kfree_rcu(rule, rcu);
}

/*
 * The default rules, so that no administrator needs to write them. SCTP and MPTCP
 * move between addresses by themselves (RFC 6629 section 7.3). An exchange with a
 * name server ends before a context is made, and ICMPv6 alone is no session.
 */
#define SHIM6_POLICY_PROTO(_preference, _protocol, _action) {		\
	.has = BIT(SHIM6_A_POLICY_PROTOCOL), .preference = _preference,	\
	.protocol = _protocol, .action = SHIM6_POLICY_ACTION_##_action,	\
}

#define SHIM6_POLICY_PORT(_preference, _protocol, _port) {		\
	.has = BIT(SHIM6_A_POLICY_PROTOCOL) | BIT(SHIM6_A_POLICY_PORT),	\
	.preference = _preference, .protocol = _protocol, .port = _port, \
	.action = SHIM6_POLICY_ACTION_IGNORE,				\
}

static const struct shim6_policy shim6_policy_defaults[] = {
	SHIM6_POLICY_PROTO(32700, IPPROTO_SCTP, BYPASS),
	{
		.has = BIT(SHIM6_A_POLICY_MPTCP), .preference = 32701,
		.action = SHIM6_POLICY_ACTION_BYPASS,
	},
	SHIM6_POLICY_PROTO(32702, IPPROTO_ICMPV6, IGNORE),
	SHIM6_POLICY_PORT(32703, IPPROTO_UDP, 53),
	SHIM6_POLICY_PORT(32704, IPPROTO_TCP, 53),
	SHIM6_POLICY_PORT(32705, IPPROTO_TCP, 853),
	SHIM6_POLICY_PORT(32706, IPPROTO_UDP, 853),
};

/**
 * shim6_policy_default - a default rule
 * @i: its place among the default rules, from 0
 *
 * Return: the rule, or NULL if there are not that many.
 */
const struct shim6_policy *shim6_policy_default(unsigned int i)
{
	return i < ARRAY_SIZE(shim6_policy_defaults) ?
		       &shim6_policy_defaults[i] : NULL;
}

/**
 * shim6_policy_net_init - give a new namespace the default rules
 * @sn: the namespace's state
 *
 * Return: 0 or a negative errno.
 */
int shim6_policy_net_init(struct shim6_net *sn)
{
	int i, err;

	mutex_init(&sn->policies.lock);
	INIT_LIST_HEAD(&sn->policies.list);
	for (i = 0; i < ARRAY_SIZE(shim6_policy_defaults); i++) {
		err = shim6_policy_add(sn, &shim6_policy_defaults[i], NULL);
		if (err) {
			shim6_policy_net_exit(sn);
			return err;
		}
	}
	sn->policies.generation = SHIM6_POLICY_GENERATION_FIRST;
	return 0;
}

/**
 * shim6_policy_net_exit - free all rules
 * @sn: the namespace's state, which no packet reaches any more
 */
void shim6_policy_net_exit(struct shim6_net *sn)
{
	struct shim6_policy *rule, *next;

	list_for_each_entry_safe(rule, next, &sn->policies.list, list)
		kfree(rule);
	mutex_destroy(&sn->policies.lock);
}
