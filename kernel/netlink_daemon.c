// SPDX-License-Identifier: GPL-2.0
/*
 * The requests of the daemon: to be the one that is told of events, and to send a
 * control message. The events themselves are in event.c.
 */
#include "compat.h"

#include <net/ipv6.h>
#include <net/sock.h>

#include "control.h"
#include "control_out.h"
#include "daemon.h"
#include "encap.h"
#include "header.h"
#include "netlink_gen.h"
#include "netns.h"

/*
 * shim6_nl_daemon_register_doit - SHIM6_CMD_DAEMON_REGISTER: the asking socket
 * becomes the namespace's daemon, or the daemon's socket for outside events
 */
int shim6_nl_daemon_register_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_net *sn = shim6_netns_use(genl_info_net(info));

	if (!sn)
		return -ENOMEM;
	return shim6_daemon_register(sn, NETLINK_CB(skb).sk, info->snd_portid,
				     info->attrs[SHIM6_A_CONTROL_FROM_OUTSIDE],
				     info->extack);
}

/*
 * shim6_nl_control_send_doit - SHIM6_CMD_CONTROL_SEND: send a control message
 */
int shim6_nl_control_send_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct shim6_pair pair = {
		.encapsulation = SHIM6_ENCAPSULATION_NATIVE,
	};
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
	pair.local = nla_get_in6_addr(info->attrs[SHIM6_A_CONTROL_SOURCE]);
	pair.peer = nla_get_in6_addr(info->attrs[SHIM6_A_CONTROL_DESTINATION]);
	message = info->attrs[SHIM6_A_CONTROL_MESSAGE];
	m = nla_data(message);
	len = nla_len(message);
	if (len < 8 || len > SHIM6_MESSAGE_MAX || len != (m[1] + 1) * 8 ||
	    shim6_is_payload((const struct shim6_hdr *)m)) {
		NL_SET_ERR_MSG_ATTR(info->extack, message,
				    "not a control message of the length that its Hdr Ext Len tells");
		return -EINVAL;
	}
	if (ipv6_addr_any(&pair.peer) || ipv6_addr_is_multicast(&pair.peer)) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[SHIM6_A_CONTROL_DESTINATION],
				    "a message goes to a unicast address");
		return -EINVAL;
	}
	if (info->attrs[SHIM6_A_CONTROL_LENGTH])
		length = nla_get_u32(info->attrs[SHIM6_A_CONTROL_LENGTH]);
	if (info->attrs[SHIM6_A_CONTROL_ENCAPSULATION])
		pair.encapsulation =
			nla_get_u32(info->attrs[SHIM6_A_CONTROL_ENCAPSULATION]);
	sn = shim6_netns_use(genl_info_net(info));
	if (!sn)
		return -ENOMEM;
	err = shim6_control_out(sn, &pair, m, len, length, GFP_KERNEL,
				info->extack);
	if (!err)
		shim6_control_sent(sn, &pair.local, &pair.peer, m, len);
	return err;
}
