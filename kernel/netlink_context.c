// SPDX-License-Identifier: GPL-2.0
/*
 * Requests about contexts over netlink. A whole request is checked before anything
 * changes, under the lock of the namespace's table. Notifications are sent under
 * that lock as well, so that the last value told is the last one set. The
 * messages are made in netlink_context_msg.c.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "admit.h"
#include "context.h"
#include "netlink.h"
#include "netlink_context.h"
#include "netlink_gen.h"
#include "netns.h"
#include "state.h"

/* One side's list; the netlink policy has seen that it holds addresses. */
static int shim6_nl_parse_locators(const struct genl_info *info, int type,
				   const struct in6_addr *ulid,
				   struct in6_addr *list, u16 *n)
{
	const struct nlattr *attr;
	struct in6_addr addr;
	int rem, i;

	*n = 0;
	if (!info->attrs[type])
		return 0;
	nla_for_each_nested(attr, info->attrs[type], rem) {
		addr = nla_get_in6_addr(attr);
		if (!shim6_admit_address(&addr)) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a locator is a unicast address, neither link-local nor loopback");
			return -EINVAL;
		}
		/* The ULID is always a locator, and not kept in the list. */
		if (ipv6_addr_equal(&addr, ulid))
			continue;
		for (i = 0; i < *n; i++) {
			if (!ipv6_addr_equal(&addr, &list[i]))
				continue;
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "the locator is in the list already");
			return -EINVAL;
		}
		if (*n == SHIM6_LOCATORS_LIMIT) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a side has more locators than 32");
			return -E2BIG;
		}
		list[(*n)++] = addr;
	}
	return 0;
}

static void shim6_nl_parse_u32(const struct genl_info *info, int attr, u32 *to)
{
	if (info->attrs[attr])
		*to = nla_get_u32(info->attrs[attr]);
}

static int shim6_nl_parse_addr(const struct genl_info *info, int attr,
			       struct in6_addr *to)
{
	if (!info->attrs[attr])
		return 0;
	*to = nla_get_in6_addr(info->attrs[attr]);
	if (shim6_admit_address(to))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "a locator is a unicast address, neither link-local nor loopback");
	return -EINVAL;
}

/*
 * The last attribute that a change may name: the core has room for those in the
 * policy of context-new and context-set alone. Those that follow are told only.
 */
#define SHIM6_NL_CONTEXT_LAST	SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION

/* Parse all that a request names, except the context's name. */
static int shim6_nl_parse_change(const struct genl_info *info,
				 struct shim6_context_change *c)
{
	const struct {
		struct in6_addr *to;
		int attr;
	} addrs[] = {
		{ &c->locator_local, SHIM6_A_CONTEXT_LOCATOR_LOCAL },
		{ &c->locator_peer, SHIM6_A_CONTEXT_LOCATOR_PEER },
		{ &c->inbound_local, SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL },
		{ &c->inbound_peer, SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER },
	};
	int i, err;

	for (i = 1; i <= SHIM6_NL_CONTEXT_LAST; i++)
		if (info->attrs[i])
			c->has |= BIT(i);
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		err = shim6_nl_parse_addr(info, addrs[i].attr, addrs[i].to);
		if (err)
			return err;
	}
	if (info->attrs[SHIM6_A_CONTEXT_TAG_LOCAL])
		c->tag_local =
			nla_get_u64(info->attrs[SHIM6_A_CONTEXT_TAG_LOCAL]);
	if (info->attrs[SHIM6_A_CONTEXT_TAG_PEER])
		c->tag_peer =
			nla_get_u64(info->attrs[SHIM6_A_CONTEXT_TAG_PEER]);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_STATE, &c->state);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_REAP_STATE, &c->reap_state);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_REAP_TIMER, &c->reap_timer);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_HEADER, &c->header);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_ENCAPSULATION,
			   &c->encapsulation);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION,
			   &c->inbound_encapsulation);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_SEND_TIMEOUT,
			   &c->send_timeout);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT,
			   &c->keepalive_timeout);
	err = shim6_nl_parse_locators(info, SHIM6_A_CONTEXT_LOCATORS_LOCAL,
				      &c->ulids.local, c->locals,
				      &c->n_locals);
	if (err)
		return err;
	return shim6_nl_parse_locators(info, SHIM6_A_CONTEXT_LOCATORS_PEER,
				       &c->ulids.peer, c->peers, &c->n_peers);
}

/* The ULID pair and FII; returns -EINVAL if the request names no pair. */
static int shim6_nl_parse_ulids(struct genl_info *info,
				struct shim6_ulids *ulids)
{
	if (GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTEXT_ULID_LOCAL) ||
	    GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTEXT_ULID_PEER)) {
		NL_SET_ERR_MSG(info->extack,
			       "a context is named by ulid-local and ulid-peer");
		return -EINVAL;
	}
	memset(ulids, 0, sizeof(*ulids));
	ulids->local = nla_get_in6_addr(info->attrs[SHIM6_A_CONTEXT_ULID_LOCAL]);
	ulids->peer = nla_get_in6_addr(info->attrs[SHIM6_A_CONTEXT_ULID_PEER]);
	shim6_nl_parse_u32(info, SHIM6_A_CONTEXT_FII, &ulids->fii);
	return 0;
}

/* May the asking socket know the tags? */
static bool shim6_nl_privileged(struct sk_buff *skb, const struct net *net)
{
	return netlink_ns_capable(skb, net->user_ns, CAP_NET_ADMIN);
}

/*
 * The context that a request names, or an ERR_PTR; the caller holds the table's
 * lock. In a namespace that does not use Shim6, @sn is NULL, there is no lock, and
 * the answer says why there is no such context.
 */
static struct shim6_context *shim6_nl_context_find(struct sk_buff *skb,
						   struct genl_info *info,
						   struct shim6_net *sn)
{
	const struct nlattr *tag = info->attrs[SHIM6_A_CONTEXT_TAG_LOCAL];
	struct shim6_context *ctx = NULL;
	struct shim6_ulids ulids;
	int err;

	if (tag && !shim6_nl_privileged(skb, genl_info_net(info))) {
		NL_SET_ERR_MSG_ATTR(info->extack, tag,
				    "a context can be named by its tag by privileged readers only");
		return ERR_PTR(-EPERM);
	}
	if (tag && !info->attrs[SHIM6_A_CONTEXT_ULID_LOCAL] &&
	    !info->attrs[SHIM6_A_CONTEXT_ULID_PEER] &&
	    !info->attrs[SHIM6_A_CONTEXT_FII]) {
		if (sn)
			ctx = shim6_table_by_tag(sn, nla_get_u64(tag));
	} else {
		err = shim6_nl_parse_ulids(info, &ulids);
		if (err)
			return ERR_PTR(err);
		if (sn)
			ctx = shim6_table_by_ulids(sn, &ulids);
		if (ctx && tag && nla_get_u64(tag) != ctx->tag_local) {
			NL_SET_ERR_MSG_ATTR(info->extack, tag,
					    "tag-local is not that of the context");
			return ERR_PTR(-ENOENT);
		}
	}
	if (ctx)
		return ctx;
	NL_SET_ERR_MSG(info->extack, "there is no such context");
	return ERR_PTR(-ENOENT);
}

/*
 * shim6_nl_context_new_doit - SHIM6_CMD_CONTEXT_NEW: make a context
 */
int shim6_nl_context_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_context_change *c;
	struct shim6_context *ctx;
	struct shim6_net *sn;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTEXT_TAG_LOCAL)) {
		NL_SET_ERR_MSG(info->extack, "a new context needs tag-local");
		return -EINVAL;
	}
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	err = shim6_nl_parse_ulids(info, &c->ulids);
	if (!err)
		err = shim6_nl_parse_change(info, c);
	if (err)
		goto out;
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn) {
		err = -ENOMEM;
		goto out;
	}

	mutex_lock(&sn->table.lock);
	ctx = shim6_context_new(sn, c, info->extack);
	if (IS_ERR(ctx))
		err = PTR_ERR(ctx);
	else
		shim6_nl_context_notify(sn, ctx, info, SHIM6_CMD_CONTEXT_NTF);
	mutex_unlock(&sn->table.lock);
out:
	kfree(c);
	return err;
}

/*
 * shim6_nl_context_set_doit - SHIM6_CMD_CONTEXT_SET: change all values of a
 * context that the request names, or none
 */
int shim6_nl_context_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	const unsigned long name = BIT(SHIM6_A_CONTEXT_ULID_LOCAL) |
				   BIT(SHIM6_A_CONTEXT_ULID_PEER) |
				   BIT(SHIM6_A_CONTEXT_FII) |
				   BIT(SHIM6_A_CONTEXT_TAG_LOCAL);
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct shim6_context_change *c;
	struct shim6_context *ctx;
	int err;

	if (!sn)
		return PTR_ERR(shim6_nl_context_find(skb, info, sn));
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;

	mutex_lock(&sn->table.lock);
	ctx = shim6_nl_context_find(skb, info, sn);
	if (IS_ERR(ctx)) {
		err = PTR_ERR(ctx);
		goto out;
	}
	c->ulids = ctx->ulids;
	err = shim6_nl_parse_change(info, c);
	if (err)
		goto out;
	if (!(c->has & ~name)) {
		NL_SET_ERR_MSG(info->extack,
			       "context-set needs at least one value to set");
		err = -EINVAL;
		goto out;
	}
	err = shim6_context_set(sn, ctx, c, info->extack);
	if (!err)
		shim6_nl_context_notify(sn, ctx, info, SHIM6_CMD_CONTEXT_NTF);
out:
	mutex_unlock(&sn->table.lock);
	kfree(c);
	return err;
}

/*
 * shim6_nl_context_get_doit - SHIM6_CMD_CONTEXT_GET: reply with one context
 */
int shim6_nl_context_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct shim6_context *ctx;
	struct sk_buff *reply;
	void *hdr;
	int err;

	if (!sn)
		return PTR_ERR(shim6_nl_context_find(skb, info, sn));
	mutex_lock(&sn->table.lock);
	ctx = shim6_nl_context_find(skb, info, sn);
	if (IS_ERR(ctx)) {
		err = PTR_ERR(ctx);
		goto unlock;
	}
	reply = shim6_nl_context_msg(ctx);
	if (!reply) {
		err = -ENOMEM;
		goto unlock;
	}
	hdr = genlmsg_put_reply(reply, info, &shim6_nl_family, 0,
				info->genlhdr->cmd);
	err = hdr ? shim6_nl_context_fill(reply, ctx,
					  shim6_nl_privileged(skb, sn->net),
					  hdr) : -EMSGSIZE;
	mutex_unlock(&sn->table.lock);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);

unlock:
	mutex_unlock(&sn->table.lock);
	return err;
}

/* Was anything sent or heard in the last @msecs milliseconds? */
static bool shim6_nl_context_active(const struct shim6_context *ctx, u32 msecs)
{
	const unsigned long sent = READ_ONCE(ctx->last_sent);
	const unsigned long heard = READ_ONCE(ctx->last_heard);

	return (sent && jiffies_to_msecs(jiffies - sent) <= msecs) ||
	       (heard && jiffies_to_msecs(jiffies - heard) <= msecs);
}

/* Has a context all values that the request of a dump names? */
static bool shim6_nl_context_matches(const struct shim6_context *ctx,
				     struct nlattr *const *attrs)
{
	const struct nlattr *local = attrs[SHIM6_A_CONTEXT_ULID_LOCAL];
	const struct nlattr *peer = attrs[SHIM6_A_CONTEXT_ULID_PEER];
	const struct nlattr *state = attrs[SHIM6_A_CONTEXT_STATE];
	const struct nlattr *reap = attrs[SHIM6_A_CONTEXT_REAP_STATE];
	const struct nlattr *tag = attrs[SHIM6_A_CONTEXT_TAG_LOCAL];
	const struct nlattr *fii = attrs[SHIM6_A_CONTEXT_FII];
	const struct nlattr *active = attrs[SHIM6_A_CONTEXT_ACTIVE_WITHIN];

	return !(local && memcmp(nla_data(local), &ctx->ulids.local,
				 sizeof(ctx->ulids.local))) &&
	       !(peer && memcmp(nla_data(peer), &ctx->ulids.peer,
				sizeof(ctx->ulids.peer))) &&
	       !(fii && nla_get_u32(fii) != ctx->ulids.fii) &&
	       !(tag && nla_get_u64(tag) != ctx->tag_local) &&
	       !(state && nla_get_u32(state) != ctx->state) &&
	       !(reap && nla_get_u32(reap) != READ_ONCE(ctx->reap_state)) &&
	       !(active && !shim6_nl_context_active(ctx, nla_get_u32(active)));
}

/* How many contexts a dump may skip without giving up the lock for a moment. */
#define SHIM6_NL_DUMP_LOOKS	4096

/*
 * shim6_nl_context_get_dumpit - SHIM6_CMD_CONTEXT_GET: all contexts, or those
 * that have what the request names, in the order of their ids. The callback's
 * first argument is the next id
 */
int shim6_nl_context_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	const struct net *net = sock_net(cb->skb->sk);
	struct shim6_net *sn = shim6_pernet(net);
	struct nlattr *attrs[SHIM6_A_CONTEXT_MAX + 1];
	const bool tags = shim6_nl_privileged(cb->skb, net);
	unsigned long id = cb->args[0];
	struct shim6_context *ctx;
	int err, looks = 0;
	void *hdr;

	/* The core has applied the family's policy already. */
	err = nlmsg_parse_deprecated(cb->nlh, GENL_HDRLEN, attrs,
				     SHIM6_A_CONTEXT_MAX, NULL, cb->extack);
	if (err)
		return err;
	if (attrs[SHIM6_A_CONTEXT_TAG_LOCAL] && !tags) {
		NL_SET_ERR_MSG(cb->extack,
			       "a context can be named by its tag by privileged readers only");
		return -EPERM;
	}
	if (!sn)
		return skb->len;
	mutex_lock(&sn->table.lock);
	cb->seq = sn->table.generation;
	xa_for_each_start(&sn->table.all, id, ctx, cb->args[0]) {
		if (!shim6_nl_context_matches(ctx, attrs)) {
			cb->args[0] = id + 1;
			if (++looks % SHIM6_NL_DUMP_LOOKS == 0) {
				mutex_unlock(&sn->table.lock);
				cond_resched();
				mutex_lock(&sn->table.lock);
				cb->seq = sn->table.generation;
			}
			continue;
		}
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &shim6_nl_family,
				  NLM_F_MULTI, SHIM6_CMD_CONTEXT_GET);
		if (!hdr) {
			err = -EMSGSIZE;
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		err = shim6_nl_context_fill(skb, ctx, tags, hdr);
		if (err)
			break;
		cb->args[0] = id + 1;
	}
	mutex_unlock(&sn->table.lock);
	return err && !skb->len ? err : skb->len;
}

/*
 * shim6_nl_context_del_doit - SHIM6_CMD_CONTEXT_DEL: delete a context
 */
int shim6_nl_context_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct shim6_context *ctx;
	int err = 0;

	if (!sn)
		return PTR_ERR(shim6_nl_context_find(skb, info, sn));
	mutex_lock(&sn->table.lock);
	ctx = shim6_nl_context_find(skb, info, sn);
	if (IS_ERR(ctx)) {
		err = PTR_ERR(ctx);
	} else {
		shim6_nl_context_notify(sn, ctx, info,
					SHIM6_CMD_CONTEXT_DEL_NTF);
		shim6_context_del(sn, ctx);
	}
	mutex_unlock(&sn->table.lock);
	return err;
}

/*
 * shim6_nl_context_flush_doit - SHIM6_CMD_CONTEXT_FLUSH: delete all contexts
 */
int shim6_nl_context_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct shim6_context *ctx;
	unsigned long id;
	int err;

	err = shim6_nl_reject_attrs(info);
	if (err || !sn)
		return err;
	mutex_lock(&sn->table.lock);
	xa_for_each(&sn->table.all, id, ctx) {
		shim6_nl_context_notify(sn, ctx, info,
					SHIM6_CMD_CONTEXT_DEL_NTF);
		shim6_context_del(sn, ctx);
		cond_resched();
	}
	mutex_unlock(&sn->table.lock);
	return 0;
}
