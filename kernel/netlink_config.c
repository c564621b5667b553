// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of a namespace over netlink.
 */
#include "compat.h"

#include "event.h"
#include "flow.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "state.h"
#include "udp.h"

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
	int attr;

	hdr = genlmsg_put(skb, portid, seq, &shim6_nl_family, 0, cmd);
	if (!hdr)
		return -EMSGSIZE;

	for (attr = 1; attr <= SHIM6_A_CONFIG_MAX; attr++) {
		if (nla_put_u32(skb, attr, shim6_config_get(config, attr))) {
			genlmsg_cancel(skb, hdr);
			return -EMSGSIZE;
		}
	}
	genlmsg_end(skb, hdr);
	return 0;
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
	int attr;

	for (attr = 1; attr <= SHIM6_A_CONFIG_MAX; attr++)
		if (info->attrs[attr])
			shim6_config_set(config, attr,
					 nla_get_u32(info->attrs[attr]));
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
 * The netlink policy has checked every range before. Nothing is changed until
 * nothing can fail any more, so a request is taken whole or not at all.
 */
int shim6_nl_config_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_flow_table *flows = NULL, *was = NULL;
	struct socket *udp = NULL, *old = NULL;
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
	config = sn->config;
	shim6_nl_config_parse(info, &config);
	if (config.udp_port && config.udp_port != sn->config.udp_port) {
		err = shim6_udp_open(sn, config.udp_port, &udp, info->extack);
		if (err) {
			NL_SET_BAD_ATTR(info->extack,
					info->attrs[SHIM6_A_CONFIG_UDP_PORT]);
			mutex_unlock(&sn->config_lock);
			nlmsg_free(ntf);
			return err;
		}
	}
	mutex_lock(&sn->table.lock);
	err = shim6_nl_config_fill(ntf, &config, info->snd_portid,
				   info->snd_seq, SHIM6_CMD_CONFIG_NTF);
	/* Another size takes another table, and counting begins again. */
	if (!err && config.max_flows != sn->config.max_flows &&
	    shim6_has_daemon(sn)) {
		flows = shim6_flow_table_new(config.max_flows);
		if (!flows)
			err = -ENOMEM;
	}
	if (err) {
		nlmsg_free(ntf);
		old = udp;
	} else {
		if (config.udp_port != sn->config.udp_port) {
			old = sn->udp;
			sn->udp = udp;
		}
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
	shim6_udp_close(old);
	mutex_unlock(&sn->config_lock);
	return err;
}
