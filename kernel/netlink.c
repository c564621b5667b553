// SPDX-License-Identifier: GPL-2.0
/*
 * The Generic Netlink family. Policies and the table of operations are
 * generated from netlink/shim6.yaml into netlink_gen.c; here is what they
 * call. Operations run in parallel (no genl lock), so each takes the lock of
 * the object that it works on.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "control.h"
#include "header.h"
#include "event.h"
#include "netlink_gen.h"
#include "netlink.h"
#include "netns.h"

static size_t shim6_nl_config_size(void)
{
	return nla_total_size(sizeof(u32)) * SHIM6_A_CONFIG_MAX;
}

/* Returns 0 or -EMSGSIZE, with nothing added. */
static int shim6_nl_config_fill(struct sk_buff *skb,
				const struct shim6_config *config,
				u32 portid, u32 seq, u8 cmd)
{
	void *hdr;

	hdr = genlmsg_put(skb, portid, seq, &shim6_nl_family, 0, cmd);
	if (!hdr)
		return -EMSGSIZE;

	if (nla_put_u32(skb, SHIM6_A_CONFIG_MAX_CONTEXTS,
			config->max_contexts) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_MAX_FLOWS, config->max_flows) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_TRIGGER_PACKETS,
			config->trigger_packets) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_TRIGGER_TIME,
			config->trigger_time) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_SEND_TIMEOUT,
			config->send_timeout) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_IDLE_TIMEOUT,
			config->idle_timeout) ||
	    nla_put_u32(skb, SHIM6_A_CONFIG_ICMP_TO_ULP, config->icmp_to_ulp)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, hdr);
	return 0;
}

/**
 * shim6_nl_reject_attrs - refuse the attributes of an operation that has none
 * @info: the request
 *
 * The core rejects attributes of an operation without a policy only since
 * some release after 6.12: before, it ignores them.
 *
 * Return: 0 or -EINVAL.
 */
int shim6_nl_reject_attrs(const struct genl_info *info)
{
	if (!genlmsg_len(info->genlhdr))
		return 0;
	NL_SET_ERR_MSG(info->extack, "this request takes no attributes");
	return -EINVAL;
}

/*
 * shim6_nl_config_get_doit - SHIM6_CMD_CONFIG_GET: reply with the
 * configuration of the asking socket's namespace
 */
int shim6_nl_config_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct shim6_config config;
	struct sk_buff *reply;
	int err;

	err = shim6_nl_reject_attrs(info);
	if (err)
		return err;

	reply = genlmsg_new(shim6_nl_config_size(), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;

	if (sn) {
		mutex_lock(&sn->config_lock);
		config = sn->config;
		mutex_unlock(&sn->config_lock);
	} else {
		shim6_config_init(&config);
	}
	err = shim6_nl_config_fill(reply, &config, info->snd_portid,
				   info->snd_seq, info->genlhdr->cmd);
	if (err) {
		nlmsg_free(reply);
		return err;
	}

	return genlmsg_reply(reply, info);
}

/* Put the values that a request names in place of those in @config. */
static void shim6_nl_config_parse(const struct genl_info *info,
				  struct shim6_config *config)
{
	const struct {
		u32 *value;
		int attr;
	} fields[] = {
		{ &config->max_contexts, SHIM6_A_CONFIG_MAX_CONTEXTS },
		{ &config->max_flows, SHIM6_A_CONFIG_MAX_FLOWS },
		{ &config->trigger_packets, SHIM6_A_CONFIG_TRIGGER_PACKETS },
		{ &config->trigger_time, SHIM6_A_CONFIG_TRIGGER_TIME },
		{ &config->send_timeout, SHIM6_A_CONFIG_SEND_TIMEOUT },
		{ &config->idle_timeout, SHIM6_A_CONFIG_IDLE_TIMEOUT },
		{ &config->icmp_to_ulp, SHIM6_A_CONFIG_ICMP_TO_ULP },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (info->attrs[fields[i].attr])
			*fields[i].value =
				nla_get_u32(info->attrs[fields[i].attr]);
}

static bool shim6_nl_config_empty(const struct genl_info *info)
{
	int attr;

	for (attr = 1; attr <= SHIM6_A_CONFIG_MAX; attr++)
		if (info->attrs[attr])
			return false;
	return true;
}

/*
 * shim6_nl_config_set_doit - SHIM6_CMD_CONFIG_SET: take the values that the
 * request names, and tell the group and, with NLM_F_ECHO, the sender
 *
 * The policy has checked every range before, and nothing is changed before
 * nothing can fail any more: a request is taken whole or not at all.
 */
int shim6_nl_config_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_flow_table *flows = NULL, *was = NULL;
	struct shim6_config config;
	struct shim6_net *sn;
	struct sk_buff *ntf;
	int err;

	if (shim6_nl_config_empty(info)) {
		NL_SET_ERR_MSG(info->extack,
			       "config-set needs at least one value to set");
		return -EINVAL;
	}

	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	ntf = genlmsg_new(shim6_nl_config_size(), GFP_KERNEL);
	if (!ntf)
		return -ENOMEM;

	mutex_lock(&sn->config_lock);
	mutex_lock(&sn->table.lock);
	config = sn->config;
	shim6_nl_config_parse(info, &config);
	err = shim6_nl_config_fill(ntf, &config, info->snd_portid,
				   info->snd_seq, SHIM6_CMD_CONFIG_NTF);
	/* With another size there is another table, and counting begins anew. */
	if (!err && config.max_flows != sn->config.max_flows &&
	    shim6_has_daemon(sn)) {
		flows = shim6_flow_table_new(config.max_flows);
		if (!flows)
			err = -ENOMEM;
	}
	if (err) {
		nlmsg_free(ntf);
	} else {
		shim6_config_store(&sn->config, &config);
		if (flows)
			was = shim6_flow_use(sn, flows);
		/* Under the lock: the last one told is the last one set. */
		genl_notify(&shim6_nl_family, ntf, info, SHIM6_NLGRP_CONFIG,
			    GFP_KERNEL);
	}
	mutex_unlock(&sn->table.lock);
	if (was) {
		synchronize_rcu();
		shim6_flow_table_free(was);
	}
	mutex_unlock(&sn->config_lock);
	return err;
}

/*
 * shim6_nl_stats_get_doit - SHIM6_CMD_STATS_GET: reply with the counters of
 * the asking socket's namespace
 */
int shim6_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_pernet(genl_info_net(info));
	struct sk_buff *reply;
	void *hdr;
	int err, i;

	err = shim6_nl_reject_attrs(info);
	if (err)
		return err;
	reply = genlmsg_new(SHIM6_A_STATS_MAX * nla_total_size_64bit(8),
			    GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_put_reply(reply, info, &shim6_nl_family, 0,
				info->genlhdr->cmd);
	if (!hdr)
		goto err;
	if (nla_put_u32(reply, SHIM6_A_STATS_CONTEXTS,
			sn ? READ_ONCE(sn->table.count) : 0))
		goto err;
	for (i = SHIM6_A_STATS_CONTEXTS + 1; i <= SHIM6_A_STATS_MAX; i++)
		if (nla_put_u64_64bit(reply, i, sn ? shim6_stats_sum(sn, i) : 0,
				      SHIM6_A_STATS_PAD))
			goto err;
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);

err:
	nlmsg_free(reply);
	return -EMSGSIZE;
}

/*
 * shim6_nl_control_send_doit - SHIM6_CMD_CONTROL_SEND: send a control message
 */
int shim6_nl_control_send_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct in6_addr source, destination;
	const struct nlattr *message;
	unsigned int len, length = 0;
	struct shim6_net *sn;
	const u8 *m;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTROL_SOURCE) ||
	    GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTROL_DESTINATION) ||
	    GENL_REQ_ATTR_CHECK(info, SHIM6_A_CONTROL_MESSAGE)) {
		NL_SET_ERR_MSG(info->extack,
			       "a message needs source and destination");
		return -EINVAL;
	}
	source = nla_get_in6_addr(info->attrs[SHIM6_A_CONTROL_SOURCE]);
	destination = nla_get_in6_addr(info->attrs[SHIM6_A_CONTROL_DESTINATION]);
	message = info->attrs[SHIM6_A_CONTROL_MESSAGE];
	m = nla_data(message);
	len = nla_len(message);
	if (len < 8 || len > SHIM6_MESSAGE_MAX || len != (m[1] + 1) * 8 ||
	    shim6_is_payload((const struct shim6_hdr *)m)) {
		NL_SET_ERR_MSG_ATTR(info->extack, message,
				    "not a control message of the length that its Hdr Ext Len tells");
		return -EINVAL;
	}
	if (ipv6_addr_any(&destination) || ipv6_addr_is_multicast(&destination)) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[SHIM6_A_CONTROL_DESTINATION],
				    "a message goes to a unicast address");
		return -EINVAL;
	}
	if (info->attrs[SHIM6_A_CONTROL_LENGTH])
		length = nla_get_u32(info->attrs[SHIM6_A_CONTROL_LENGTH]);
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	err = shim6_control_out(sn, &source, &destination, m, len, length,
				GFP_KERNEL, info->extack);
	if (!err)
		shim6_control_sent(sn, &source, &destination, m, len);
	return err;
}

/**
 * shim6_netlink_init - let the family be found
 *
 * Comes last in the module's init: from here on requests arrive.
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_netlink_init(void)
{
	return shim6_register_family(&shim6_nl_family);
}

/**
 * shim6_netlink_exit - take the family away; no request runs after it
 */
void shim6_netlink_exit(void)
{
	shim6_unregister_family(&shim6_nl_family);
}
