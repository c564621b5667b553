/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_TCP_H
#define _SHIM6_TCP_H

#include <linux/list.h>
#include <linux/workqueue.h>

struct shim6_context;
struct shim6_net;

/**
 * struct shim6_tcp - the restarts of TCP sockets of a namespace
 * @work: looks for the sockets
 * @retry: goes on with those of @busy
 * @round: contexts that switch now are served by this round of @work, never 0;
 *	changed under the table's lock
 * @last: jiffies when @work last ended, or 0
 * @pause: jiffies from then to the next run at least
 * @lock: of @busy and @n_busy
 * @busy: sockets whose users had locked them
 * @n_busy: how many there are
 */
struct shim6_tcp {
	struct delayed_work work;
	struct delayed_work retry;
	u32 round;
	unsigned long last;
	unsigned long pause;
	spinlock_t lock; /* of the list and the number */
	struct list_head busy;
	u32 n_busy;
};

void shim6_tcp_restart(struct shim6_net *sn, struct shim6_context *ctx);
void shim6_tcp_net_init(struct shim6_net *sn);
void shim6_tcp_net_exit(struct shim6_net *sn);

#endif /* _SHIM6_TCP_H */
