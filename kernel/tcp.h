/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_TCP_H
#define _SHIM6_TCP_H

/* Whether the sockets of a context are to be restarted. */
enum { SHIM6_RESTART_NONE, SHIM6_RESTART_WANTED, SHIM6_RESTART_NOW };

struct shim6_context;
struct shim6_net;
struct work_struct;

void shim6_tcp_restart(struct shim6_net *sn, struct shim6_context *ctx);
void shim6_tcp_work(struct work_struct *work);

#endif /* _SHIM6_TCP_H */
