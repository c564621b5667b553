/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_TABLE_H
#define _SHIM6_TABLE_H

#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/xarray.h>

/* How many contexts may have the same tag of the peer. */
#define SHIM6_PEER_TAG_CONTEXTS	64

struct in6_addr;
struct shim6_context;
struct shim6_net;
struct shim6_ulids;

/**
 * struct shim6_table - the contexts of a namespace
 * @ulids: by ULID pair and FII
 * @tags: by local tag
 * @peer_tags: by peer tag
 * @all: by id, which has no other meaning; for dumps
 * @next_id: where to look for the next free id
 * @lock: held to change a table or a context; all members below are under it
 * @count: how many contexts there are; read without the lock as well
 * @used: there was a context at some time
 * @generation: changes whenever a context comes or goes; dumps compare it
 */
struct shim6_table {
	struct rhashtable ulids;
	struct rhashtable tags;
	struct rhltable peer_tags;
	struct xarray all;
	u32 next_id;
	struct mutex lock; /* of the tables and of what contexts hold */
	u32 count;
	bool used;
	u32 generation;
};

/* For lockdep: is the lock of @sn's table held? */
#define shim6_table_held(sn)	lockdep_is_held(&(sn)->table.lock)
/* The value of the RCU pointer @p, for a holder of that lock. */
#define shim6_table_get(sn, p)	rcu_dereference_protected(p, shim6_table_held(sn))

struct shim6_context *shim6_context_by_ulids(struct shim6_net *sn,
					     const struct shim6_ulids *ulids);
struct shim6_context *shim6_context_by_tag(struct shim6_net *sn, u64 tag);
struct shim6_context *shim6_table_by_ulids(struct shim6_net *sn,
					   const struct shim6_ulids *ulids);
struct shim6_context *shim6_table_by_tag(struct shim6_net *sn, u64 tag);
struct shim6_context *shim6_context_by_peer_tag(struct shim6_net *sn, u64 tag,
						const struct in6_addr *local,
						const struct in6_addr *peer);
bool shim6_context_tag_peer(const struct shim6_context *ctx, u64 *tag);
bool shim6_table_peer_tag_is_full(struct shim6_net *sn, u64 tag);
struct shim6_context *
shim6_table_by_peer_tag(struct shim6_net *sn, u64 tag,
			bool (*wanted)(const struct shim6_context *ctx,
				       const void *arg),
			const void *arg);
int shim6_table_set_peer_tag(struct shim6_net *sn, struct shim6_context *ctx,
			     u64 tag);
int shim6_table_add(struct shim6_net *sn, struct shim6_context *ctx);
void shim6_table_del(struct shim6_net *sn, struct shim6_context *ctx);
int shim6_table_init(struct shim6_net *sn);
void shim6_table_exit(struct shim6_net *sn, void (*gone)(void *ctx, void *arg));

#endif /* _SHIM6_TABLE_H */
