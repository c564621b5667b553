/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_HOME_H
#define _SHIM6_HOME_H

struct icmp6hdr;
struct shim6_context;
struct shim6_path;
struct shim6_place;

struct shim6_path *shim6_home_path(struct shim6_context *ctx,
				   struct shim6_path *path);
void shim6_home_heard(struct shim6_context *ctx);
void shim6_home_refused(struct shim6_context *ctx,
			const struct icmp6hdr *icmp,
			const struct shim6_place *place);

#endif /* _SHIM6_HOME_H */
