/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_TCP_H
#define _SHIM6_TCP_H

#include <linux/list.h>
#include <linux/workqueue.h>

struct shim6_context;
struct shim6_net;

/**
 * struct shim6_tcp - the restarts of TCP sockets of a namespace
 * @work: walks over all sockets
 * @retry: tries those of @busy again
 * @round: contexts that switch now are served by this round of @work; never 0,
 *	changed under the table's lock
 * @last: jiffies when @work last ended, or 0; @work writes it
 * @pause: the least number of jiffies from @last to the next run; @work writes it
 * @lock: of @busy and @n_busy
 * @busy: sockets that their users had locked
 * @n_busy: length of @busy, with those that @retry has taken out
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
