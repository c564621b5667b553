/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETLINK_H
#define _SHIM6_NETLINK_H

struct genl_info;

int shim6_nl_reject_attrs(const struct genl_info *info);
int shim6_netlink_init(void);
void shim6_netlink_exit(void);

#endif /* _SHIM6_NETLINK_H */
