// SPDX-License-Identifier: GPL-2.0
/*
 * Policy rules over netlink, under the lock of the namespace's rules.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "policy.h"
#include "state.h"

static size_t shim6_nl_policy_size(void)
{
	return SHIM6_A_POLICY_MAX * nla_total_size(sizeof(u32)) +
	       2 * nla_total_size(sizeof(struct in6_addr));
}

static int shim6_nl_fill_prefix(struct sk_buff *msg,
				const struct shim6_policy *r)
{
	if (shim6_policy_has(r, SHIM6_A_POLICY_LOCAL) &&
	    (nla_put_in6_addr(msg, SHIM6_A_POLICY_LOCAL, &r->local) ||
	     nla_put_u8(msg, SHIM6_A_POLICY_LOCAL_LENGTH, r->local_length)))
		return -EMSGSIZE;
	if (shim6_policy_has(r, SHIM6_A_POLICY_PEER) &&
	    (nla_put_in6_addr(msg, SHIM6_A_POLICY_PEER, &r->peer) ||
	     nla_put_u8(msg, SHIM6_A_POLICY_PEER_LENGTH, r->peer_length)))
		return -EMSGSIZE;
	return 0;
}

static int shim6_nl_fill_ports(struct sk_buff *msg,
			       const struct shim6_policy *r)
{
	const struct {
		int attr;
		u16 value;
	} ports[] = {
		{ SHIM6_A_POLICY_PORT_LOCAL, r->port_local },
		{ SHIM6_A_POLICY_PORT_PEER, r->port_peer },
		{ SHIM6_A_POLICY_PORT, r->port },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(ports); i++)
		if (shim6_policy_has(r, ports[i].attr) &&
		    nla_put_u16(msg, ports[i].attr, ports[i].value))
			return -EMSGSIZE;
	return 0;
}

static int shim6_nl_fill_values(struct sk_buff *msg,
				const struct shim6_policy *r)
{
	const struct {
		int attr;
		u32 value;
	} values[] = {
		{ SHIM6_A_POLICY_MARK, r->mark },
		{ SHIM6_A_POLICY_MARK_MASK, r->mark_mask },
		{ SHIM6_A_POLICY_TRIGGER_PACKETS, r->trigger_packets },
		{ SHIM6_A_POLICY_TRIGGER_TIME, r->trigger_time },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (shim6_policy_has(r, values[i].attr) &&
		    nla_put_u32(msg, values[i].attr, values[i].value))
			return -EMSGSIZE;
	return 0;
}

/*
 * Put a rule; the caller holds the rules' lock. Returns 0, or -EMSGSIZE with nothing
 * added.
 */
static int shim6_nl_policy_fill(struct sk_buff *msg,
				const struct shim6_policy *r, void *hdr)
{
	if (nla_put_u32(msg, SHIM6_A_POLICY_PREFERENCE, r->preference) ||
	    shim6_nl_fill_prefix(msg, r) ||
	    (shim6_policy_has(r, SHIM6_A_POLICY_PROTOCOL) &&
	     nla_put_u8(msg, SHIM6_A_POLICY_PROTOCOL, r->protocol)) ||
	    shim6_nl_fill_ports(msg, r) ||
	    shim6_nl_fill_values(msg, r) ||
	    (shim6_policy_has(r, SHIM6_A_POLICY_MPTCP) &&
	     nla_put_flag(msg, SHIM6_A_POLICY_MPTCP)) ||
	    nla_put_u32(msg, SHIM6_A_POLICY_ACTION, r->action)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

static void shim6_nl_policy_notify(struct shim6_net *sn,
				   const struct shim6_policy *r,
				   struct genl_info *info, u8 cmd)
{
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(shim6_nl_policy_size(), GFP_KERNEL);
	if (!msg)
		goto lost;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq,
			  &shim6_nl_family, 0, cmd);
	if (!hdr || shim6_nl_policy_fill(msg, r, hdr)) {
		nlmsg_free(msg);
		goto lost;
	}
	genl_notify(&shim6_nl_family, msg, info, SHIM6_NLGRP_POLICY,
		    GFP_KERNEL);
	return;

lost:
	shim6_count(sn, SHIM6_A_STATS_EVENTS_LOST);
	genl_set_err(&shim6_nl_family, sn->net, 0, SHIM6_NLGRP_POLICY,
		     -ENOBUFS);
}

static int shim6_nl_parse_prefix(const struct genl_info *info, int prefix,
				 int length, struct in6_addr *addr, u8 *len)
{
	const struct nlattr *p = info->attrs[prefix];
	const struct nlattr *l = info->attrs[length];
	struct in6_addr masked;

	if (!p && !l)
		return 0;
	if (!p) {
		NL_SET_ERR_MSG_ATTR(info->extack, l,
				    "a length needs its prefix");
		return -EINVAL;
	}
	*addr = nla_get_in6_addr(p);
	*len = l ? nla_get_u8(l) : 128;
	ipv6_addr_prefix(&masked, addr, *len);
	if (!ipv6_addr_equal(&masked, addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, p,
				    "the prefix has bits beyond its length");
		return -EINVAL;
	}
	return 0;
}

static int shim6_nl_parse_mark(const struct genl_info *info,
			       struct shim6_policy *r)
{
	const struct nlattr *mark = info->attrs[SHIM6_A_POLICY_MARK];
	const struct nlattr *mask = info->attrs[SHIM6_A_POLICY_MARK_MASK];

	if (!mark && mask) {
		NL_SET_ERR_MSG_ATTR(info->extack, mask,
				    "a mask needs its mark");
		return -EINVAL;
	}
	if (!mark)
		return 0;
	r->mark = nla_get_u32(mark);
	r->mark_mask = mask ? nla_get_u32(mask) : U32_MAX;
	r->has |= BIT(SHIM6_A_POLICY_MARK_MASK);
	if (r->mark & ~r->mark_mask) {
		NL_SET_ERR_MSG_ATTR(info->extack, mark,
				    "the mark has bits beyond its mask");
		return -EINVAL;
	}
	return 0;
}

static void shim6_nl_parse_ports(const struct genl_info *info,
				 struct shim6_policy *r)
{
	if (info->attrs[SHIM6_A_POLICY_PORT_LOCAL])
		r->port_local =
			nla_get_u16(info->attrs[SHIM6_A_POLICY_PORT_LOCAL]);
	if (info->attrs[SHIM6_A_POLICY_PORT_PEER])
		r->port_peer =
			nla_get_u16(info->attrs[SHIM6_A_POLICY_PORT_PEER]);
	if (info->attrs[SHIM6_A_POLICY_PORT])
		r->port = nla_get_u16(info->attrs[SHIM6_A_POLICY_PORT]);
}

static int shim6_nl_parse_thresholds(const struct genl_info *info,
				     struct shim6_policy *r)
{
	const struct nlattr *packets =
		info->attrs[SHIM6_A_POLICY_TRIGGER_PACKETS];
	const struct nlattr *time = info->attrs[SHIM6_A_POLICY_TRIGGER_TIME];

	if ((packets || time) && r->action != SHIM6_POLICY_ACTION_SHIM) {
		NL_SET_ERR_MSG_ATTR(info->extack, packets ?: time,
				    "only the action shim has thresholds");
		return -EINVAL;
	}
	if (packets)
		r->trigger_packets = nla_get_u32(packets);
	if (time)
		r->trigger_time = nla_get_u32(time);
	return 0;
}

static int shim6_nl_parse_policy(struct genl_info *info,
				 struct shim6_policy *r)
{
	int i, err;

	if (GENL_REQ_ATTR_CHECK(info, SHIM6_A_POLICY_ACTION)) {
		NL_SET_ERR_MSG(info->extack, "a rule needs an action");
		return -EINVAL;
	}
	for (i = 1; i <= SHIM6_A_POLICY_MAX; i++)
		if (info->attrs[i])
			r->has |= BIT(i);
	r->action = nla_get_u32(info->attrs[SHIM6_A_POLICY_ACTION]);
	if (info->attrs[SHIM6_A_POLICY_PREFERENCE])
		r->preference =
			nla_get_u32(info->attrs[SHIM6_A_POLICY_PREFERENCE]);
	if (info->attrs[SHIM6_A_POLICY_PROTOCOL])
		r->protocol = nla_get_u8(info->attrs[SHIM6_A_POLICY_PROTOCOL]);
	shim6_nl_parse_ports(info, r);
	err = shim6_nl_parse_prefix(info, SHIM6_A_POLICY_LOCAL,
				    SHIM6_A_POLICY_LOCAL_LENGTH, &r->local,
				    &r->local_length);
	if (err)
		return err;
	err = shim6_nl_parse_prefix(info, SHIM6_A_POLICY_PEER,
				    SHIM6_A_POLICY_PEER_LENGTH, &r->peer,
				    &r->peer_length);
	if (err)
		return err;
	err = shim6_nl_parse_mark(info, r);
	if (err)
		return err;
	return shim6_nl_parse_thresholds(info, r);
}

/*
 * shim6_nl_policy_new_doit - SHIM6_CMD_POLICY_NEW: add a rule
 */
int shim6_nl_policy_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_policy rule = {};
	struct shim6_net *sn;
	int err;

	err = shim6_nl_parse_policy(info, &rule);
	if (err)
		return err;
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	mutex_lock(&sn->policies.lock);
	if (!info->attrs[SHIM6_A_POLICY_PREFERENCE])
		err = shim6_policy_preference(sn, &rule.preference,
					      info->extack);
	if (!err)
		err = shim6_policy_add(sn, &rule, info->extack);
	if (!err)
		shim6_nl_policy_notify(sn, &rule, info, SHIM6_CMD_POLICY_NTF);
	mutex_unlock(&sn->policies.lock);
	return err;
}

/*
 * shim6_nl_policy_del_doit - SHIM6_CMD_POLICY_DEL: delete a rule
 */
int shim6_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_policy *rule;
	struct shim6_net *sn;
	int err = 0;

	if (GENL_REQ_ATTR_CHECK(info, SHIM6_A_POLICY_PREFERENCE)) {
		NL_SET_ERR_MSG(info->extack, "a rule is named by its preference");
		return -EINVAL;
	}
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	mutex_lock(&sn->policies.lock);
	rule = shim6_policy_find(sn,
				 nla_get_u32(info->attrs[SHIM6_A_POLICY_PREFERENCE]));
	if (rule) {
		shim6_nl_policy_notify(sn, rule, info,
				       SHIM6_CMD_POLICY_DEL_NTF);
		shim6_policy_del(sn, rule);
	} else {
		NL_SET_ERR_MSG(info->extack,
			       "there is no rule with this preference");
		err = -ENOENT;
	}
	mutex_unlock(&sn->policies.lock);
	return err;
}

/*
 * Put a rule into a dump, unless it is there already. The callback's first argument
 * says whether any rule is there, the second one has the preference of the last.
 */
static int shim6_nl_policy_dump(struct sk_buff *skb,
				struct netlink_callback *cb,
				const struct shim6_policy *rule)
{
	void *hdr;
	int err;

	if (cb->args[0] && rule->preference <= (u32)cb->args[1])
		return 0;
	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &shim6_nl_family, NLM_F_MULTI, SHIM6_CMD_POLICY_GET);
	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	err = shim6_nl_policy_fill(skb, rule, hdr);
	if (err)
		return err;
	cb->args[0] = 1;
	cb->args[1] = rule->preference;
	return 0;
}

/* Dump the default rules: the first use of the namespace will make them. */
static int shim6_nl_policy_dump_defaults(struct sk_buff *skb,
					 struct netlink_callback *cb)
{
	const struct shim6_policy *rule;
	int err = 0, i;

	cb->seq = SHIM6_POLICY_GENERATION_FIRST;
	for (i = 0; !err; i++) {
		rule = shim6_policy_default(i);
		if (!rule)
			break;
		err = shim6_nl_policy_dump(skb, cb, rule);
	}
	return err;
}

/*
 * shim6_nl_policy_get_dumpit - SHIM6_CMD_POLICY_GET: all rules
 */
int shim6_nl_policy_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb)
{
	struct shim6_net *sn = shim6_pernet(sock_net(cb->skb->sk));
	const struct shim6_policy *rule;
	int err = 0;

	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "this request takes no attributes");
		return -EINVAL;
	}
	if (!sn) {
		err = shim6_nl_policy_dump_defaults(skb, cb);
		return err && !skb->len ? err : skb->len;
	}
	mutex_lock(&sn->policies.lock);
	cb->seq = sn->policies.generation;
	list_for_each_entry(rule, &sn->policies.list, list) {
		err = shim6_nl_policy_dump(skb, cb, rule);
		if (err)
			break;
	}
	mutex_unlock(&sn->policies.lock);
	return err && !skb->len ? err : skb->len;
}

/*
 * shim6_nl_policy_flush_doit - SHIM6_CMD_POLICY_FLUSH: delete all rules
 */
int shim6_nl_policy_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_policy *rule, *next;
	struct shim6_net *sn;
	int err;

	err = shim6_nl_reject_attrs(info);
	if (err)
		return err;
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	mutex_lock(&sn->policies.lock);
	list_for_each_entry_safe(rule, next, &sn->policies.list, list) {
		shim6_nl_policy_notify(sn, rule, info,
				       SHIM6_CMD_POLICY_DEL_NTF);
		shim6_policy_del(sn, rule);
	}
	mutex_unlock(&sn->policies.lock);
	return 0;
}
