/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_NETNS_H
#define _SHIM6_NETNS_H

struct net;
struct shim6_net;

struct shim6_net *shim6_netns_use(struct net *net);
int shim6_netns_init(void);
void shim6_netns_exit(void);

#endif /* _SHIM6_NETNS_H */
