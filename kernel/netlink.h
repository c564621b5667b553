/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETLINK_H
#define _SHIM6_NETLINK_H

int shim6_netlink_init(void);
void shim6_netlink_exit(void);

#endif /* _SHIM6_NETLINK_H */
