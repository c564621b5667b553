/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place that knows kernel versions: everything else is written for
 * the newest kernel, and what an older one lacks is made up for here. Oldest
 * kernel: 6.1.
 */
#ifndef _SHIM6_COMPAT_H
#define _SHIM6_COMPAT_H

#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/*
 * Split operations came with 6.2. A struct genl_ops holds all of their fields
 * that our spec uses (no pre and post per operation), so the generated table
 * serves as it is while no command is both a do and a dump.
 */
#define genl_split_ops	genl_ops
#define split_ops	ops
#define n_split_ops	n_ops
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
/* Policies took no pointer to a constant range before 6.7; none was written. */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, _range) {				\
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp),			\
	.validation_type = NLA_VALIDATE_RANGE_PTR,			\
	.range = (struct netlink_range_validation *)(_range),		\
}
#endif

#endif /* _SHIM6_COMPAT_H */
