/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_ADMIT_H
#define _SHIM6_ADMIT_H

#include <linux/types.h>

struct in6_addr;
struct netlink_ext_ack;
struct shim6_context;
struct shim6_context_change;
struct shim6_locators;
struct shim6_net;

bool shim6_admit_address(const struct in6_addr *addr);
int shim6_admit_encapsulation(const struct shim6_net *sn,
			      const struct shim6_context_change *c,
			      struct netlink_ext_ack *extack);
int shim6_admit_new(struct shim6_net *sn, const struct shim6_context_change *c,
		    struct netlink_ext_ack *extack);
int shim6_admit_change(struct shim6_net *sn, const struct shim6_context *ctx,
		       const struct shim6_context_change *c,
		       const struct shim6_locators *locators, bool rehomed,
		       struct netlink_ext_ack *extack);

#endif /* _SHIM6_ADMIT_H */
