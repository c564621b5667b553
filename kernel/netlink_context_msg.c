// SPDX-License-Identifier: GPL-2.0
/*
 * A context as a netlink message: replies, dumps and notifications. The requests are
 * in netlink_context.c.
 *
 * Anybody who knows a tag can put packets into a context. So tags are told to
 * privileged readers only, and never to a multicast group.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "locators.h"
#include "netlink_context.h"
#include "netlink_gen.h"
#include "octets.h"
#include "path.h"
#include "state.h"

/**
 * shim6_nl_context_msg - an empty message with room for a context
 * @ctx: the context; the caller holds the table's lock
 *
 * Return: the message, or NULL if there is no memory.
 */
struct sk_buff *shim6_nl_context_msg(const struct shim6_context *ctx)
{
	const struct shim6_locators *l =
		shim6_table_get(ctx->sn, ctx->locators);
	const size_t addr = nla_total_size(sizeof(struct in6_addr));
	size_t size = 6 * addr + 6 * nla_total_size_64bit(sizeof(u64)) +
		      10 * nla_total_size(sizeof(u32)) + 2 * nla_total_size(0);

	if (l)
		size += (l->locals + l->peers) * addr;
	return genlmsg_new(size, GFP_KERNEL);
}

/* Put one side's list of locators, unless it is empty. */
static int shim6_nl_fill_list(struct sk_buff *msg, int attr,
			      const struct in6_addr *list, u16 n)
{
	struct nlattr *nest;
	int i;

	if (!n)
		return 0;
	nest = nla_nest_start(msg, attr);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < n; i++)
		if (nla_put_in6_addr(msg, SHIM6_A_LOCATORS_LOCATOR, &list[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int shim6_nl_fill_locators(struct sk_buff *msg,
				  const struct shim6_locators *l)
{
	return l && (shim6_nl_fill_list(msg, SHIM6_A_CONTEXT_LOCATORS_LOCAL,
					l->addr, l->locals) ||
		     shim6_nl_fill_list(msg, SHIM6_A_CONTEXT_LOCATORS_PEER,
					l->addr + l->locals, l->peers)) ?
		       -EMSGSIZE : 0;
}

/* Put how many milliseconds ago @stamp was (jiffies), unless it is 0, never. */
static int shim6_nl_fill_age(struct sk_buff *msg, int attr, unsigned long stamp)
{
	if (!stamp)
		return 0;
	return nla_put_u64_64bit(msg, attr, jiffies_to_msecs(jiffies - stamp),
				 SHIM6_A_CONTEXT_PAD);
}

static int shim6_nl_fill_octets(struct sk_buff *msg,
				const struct shim6_context *ctx)
{
	struct shim6_octets sum;

	shim6_octets_sum(ctx, &sum);
	return nla_put_u64_64bit(msg, SHIM6_A_CONTEXT_SENT_OCTETS, sum.sent,
				 SHIM6_A_CONTEXT_PAD) ||
	       nla_put_u64_64bit(msg, SHIM6_A_CONTEXT_HEARD_OCTETS, sum.heard,
				 SHIM6_A_CONTEXT_PAD);
}

static int shim6_nl_fill_tags(struct sk_buff *msg,
			      const struct shim6_context *ctx)
{
	u64 tag;

	if (nla_put_u64_64bit(msg, SHIM6_A_CONTEXT_TAG_LOCAL, ctx->tag_local,
			      SHIM6_A_CONTEXT_PAD))
		return -EMSGSIZE;
	if (!shim6_context_tag_peer(ctx, &tag))
		return 0;
	return nla_put_u64_64bit(msg, SHIM6_A_CONTEXT_TAG_PEER, tag,
				 SHIM6_A_CONTEXT_PAD);
}

static int shim6_nl_fill_path(struct sk_buff *msg,
			      const struct shim6_context *ctx)
{
	struct shim6_path *path = shim6_table_get(ctx->sn, ctx->path);
	const bool header = READ_ONCE(ctx->header);
	struct shim6_pair pair;
	u32 mtu = 0;

	shim6_context_pair(ctx, &pair);
	if (path && (header || !path->home))
		mtu = shim6_path_mtu(ctx->sn, path);
	return nla_put_in6_addr(msg, SHIM6_A_CONTEXT_LOCATOR_LOCAL,
				&pair.local) ||
	       nla_put_in6_addr(msg, SHIM6_A_CONTEXT_LOCATOR_PEER,
				&pair.peer) ||
	       nla_put_u32(msg, SHIM6_A_CONTEXT_ENCAPSULATION,
			   pair.encapsulation) ||
	       (mtu && nla_put_u32(msg, SHIM6_A_CONTEXT_MTU, mtu)) ||
	       nla_put_u32(msg, SHIM6_A_CONTEXT_HEADER, header);
}

/**
 * shim6_nl_context_fill - put a context into a message
 * @msg: the message
 * @ctx: the context; the caller holds the table's lock
 * @tags: the reader may know the tags
 * @hdr: the message's generic netlink header
 *
 * Return: 0, or -EMSGSIZE with the header and all behind it removed again.
 */
int shim6_nl_context_fill(struct sk_buff *msg, const struct shim6_context *ctx,
			  bool tags, void *hdr)
{
	struct shim6_locators *l = shim6_table_get(ctx->sn, ctx->locators);

	if (nla_put_in6_addr(msg, SHIM6_A_CONTEXT_ULID_LOCAL,
			     &ctx->ulids.local) ||
	    nla_put_in6_addr(msg, SHIM6_A_CONTEXT_ULID_PEER,
			     &ctx->ulids.peer) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_FII, ctx->ulids.fii) ||
	    (tags && shim6_nl_fill_tags(msg, ctx)) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_STATE, ctx->state) ||
	    shim6_nl_fill_path(msg, ctx) ||
	    shim6_nl_fill_locators(msg, l) ||
	    nla_put_in6_addr(msg, SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL,
			     &ctx->inbound_local) ||
	    nla_put_in6_addr(msg, SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER,
			     &ctx->inbound_peer) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION,
			ctx->inbound_encapsulation) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_SEND_TIMEOUT,
			ctx->send_timeout) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT,
			ctx->keepalive_timeout) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_REAP_STATE,
			READ_ONCE(ctx->reap_state)) ||
	    shim6_nl_fill_age(msg, SHIM6_A_CONTEXT_LAST_SENT,
			      READ_ONCE(ctx->last_sent)) ||
	    shim6_nl_fill_age(msg, SHIM6_A_CONTEXT_LAST_HEARD,
			      READ_ONCE(ctx->last_heard)) ||
	    shim6_nl_fill_octets(msg, ctx) ||
	    nla_put_u32(msg, SHIM6_A_CONTEXT_SWITCHES, ctx->switches)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/**
 * shim6_nl_context_notify - tell the group and, with NLM_F_ECHO, the sender
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context
 * @info: the request that is the cause
 * @cmd: SHIM6_CMD_CONTEXT_NTF or SHIM6_CMD_CONTEXT_DEL_NTF
 *
 * If there is no memory, the listeners see ENOBUFS, and know that a dump is due.
 */
void shim6_nl_context_notify(struct shim6_net *sn, struct shim6_context *ctx,
			     struct genl_info *info, u8 cmd)
{
	struct sk_buff *msg;
	void *hdr;

	if (!genl_has_listeners(&shim6_nl_family, sn->net,
				SHIM6_NLGRP_CONTEXT) &&
	    !(info->nlhdr->nlmsg_flags & NLM_F_ECHO))
		return;
	msg = shim6_nl_context_msg(ctx);
	if (!msg)
		goto lost;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq,
			  &shim6_nl_family, 0, cmd);
	if (!hdr || shim6_nl_context_fill(msg, ctx, false, hdr)) {
		nlmsg_free(msg);
		goto lost;
	}
	genl_notify(&shim6_nl_family, msg, info, SHIM6_NLGRP_CONTEXT,
		    GFP_KERNEL);
	return;

lost:
	shim6_count(sn, SHIM6_A_STATS_EVENTS_LOST);
	genl_set_err(&shim6_nl_family, sn->net, 0, SHIM6_NLGRP_CONTEXT,
		     -ENOBUFS);
}
