// SPDX-License-Identifier: GPL-2.0
/*
 * The Generic Netlink family. Policies and the table of operations are generated
 * from netlink/shim6.yaml into netlink_gen.c. The functions that they call are in
 * one file per attribute set: netlink_config.c, netlink_context.c,
 * netlink_policy.c and netlink_daemon.c; the counters are here. Operations run in
 * parallel (no genl lock), so each takes the lock of its object.
 */
#include "compat.h"

#include "netlink.h"
#include "netlink_gen.h"
#include "state.h"
#include "stats.h"

/**
 * shim6_nl_reject_attrs - refuse attributes in a request of an operation without any
 * @info: the request
 *
 * The core does that only since some release after 6.12; older kernels ignore
 * such attributes.
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

/**
 * shim6_netlink_init - register the family
 *
 * Must run last in the module's init: from here on requests arrive.
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_netlink_init(void)
{
	return shim6_register_family(&shim6_nl_family);
}

/**
 * shim6_netlink_exit - unregister the family; no request runs afterwards
 */
void shim6_netlink_exit(void)
{
	shim6_unregister_family(&shim6_nl_family);
}
