/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_TCP_H
#define _SHIM6_TCP_H

struct shim6_context;
struct shim6_net;
struct work_struct;

void shim6_tcp_restart(struct shim6_net *sn, struct shim6_context *ctx);
void shim6_tcp_work(struct work_struct *work);

#endif /* _SHIM6_TCP_H */
