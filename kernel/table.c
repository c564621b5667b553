// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of the contexts of a namespace: by ULID pair and FII, for packets that
 * are sent; by local tag, for packets that arrive; by peer tag, for ICMPv6 errors
 * about packets that were sent; and by a number without any other meaning, for
 * dumps. Packets find contexts under RCU and take no lock.
 */
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat.h"
#include "hash.h"
#include "locators.h"
#include "state.h"
#include "table.h"

/* Faster than memcmp(): it compares words of two addresses and a number. */
static inline int shim6_ulids_cmp(struct rhashtable_compare_arg *arg,
				  const void *obj)
{
	const struct shim6_ulids *a = arg->key;
	const struct shim6_ulids *b = &((const struct shim6_context *)obj)->ulids;

	return !ipv6_addr_equal(&a->peer, &b->peer) ||
	       !ipv6_addr_equal(&a->local, &b->local) || a->fii != b->fii;
}

static inline int shim6_tag_cmp(struct rhashtable_compare_arg *arg,
				const void *obj)
{
	const struct shim6_context *ctx = obj;

	return *(const u64 *)arg->key != ctx->tag_local;
}

static const struct rhashtable_params shim6_by_ulids = {
	.head_offset = offsetof(struct shim6_context, by_ulids),
	.key_offset = offsetof(struct shim6_context, ulids),
	.key_len = sizeof(struct shim6_ulids),
	.hashfn = shim6_hash_ulids,
	.obj_cmpfn = shim6_ulids_cmp,
	.automatic_shrinking = true,
};

static const struct rhashtable_params shim6_by_tag = {
	.head_offset = offsetof(struct shim6_context, by_tag),
	.key_offset = offsetof(struct shim6_context, tag_local),
	.key_len = sizeof(u64),
	.hashfn = shim6_hash_tag,
	.obj_cmpfn = shim6_tag_cmp,
	.automatic_shrinking = true,
};

static const struct rhashtable_params shim6_by_peer_tag = {
	.head_offset = offsetof(struct shim6_peer_tag, node),
	.key_offset = offsetof(struct shim6_peer_tag, tag),
	.key_len = sizeof(u64),
	.hashfn = shim6_hash_tag,
	.automatic_shrinking = true,
};

/**
 * shim6_context_by_ulids - find the context by which a packet is sent
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @ulids: ULID pair and FII
 *
 * Return: the context or NULL.
 */
struct shim6_context *shim6_context_by_ulids(struct shim6_net *sn,
					     const struct shim6_ulids *ulids)
{
	return rhashtable_lookup(&sn->table.ulids, ulids, shim6_by_ulids);
}

/**
 * shim6_context_by_tag - find the context whose local tag a packet bears
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @tag: the 47 bits, in host order
 *
 * Return: the context or NULL.
 */
struct shim6_context *shim6_context_by_tag(struct shim6_net *sn, u64 tag)
{
	return rhashtable_lookup(&sn->table.tags, &tag, shim6_by_tag);
}

/**
 * shim6_table_by_ulids - find the context of a ULID pair and FII
 * @sn: the namespace's state; the caller holds the table's lock
 * @ulids: ULID pair and FII
 *
 * Return: the context, which stays while the lock is held, or NULL.
 */
struct shim6_context *shim6_table_by_ulids(struct shim6_net *sn,
					   const struct shim6_ulids *ulids)
{
	struct shim6_context *ctx;

	/* The hash table may be in the middle of growing. */
	rcu_read_lock();
	ctx = shim6_context_by_ulids(sn, ulids);
	rcu_read_unlock();
	return ctx;
}

/**
 * shim6_table_by_tag - find the context of a local tag
 * @sn: the namespace's state; the caller holds the table's lock
 * @tag: CT(local), in host order
 *
 * Return: as shim6_table_by_ulids().
 */
struct shim6_context *shim6_table_by_tag(struct shim6_net *sn, u64 tag)
{
	struct shim6_context *ctx;

	rcu_read_lock();
	ctx = shim6_context_by_tag(sn, tag);
	rcu_read_unlock();
	return ctx;
}

/**
 * shim6_context_tag_peer - CT(peer) of a context, which our packets bear
 * @ctx: the context; the caller is in an RCU read-side section or holds the
 *	table's lock
 * @tag: where it goes, in host order
 *
 * Return: whether it is known.
 */
bool shim6_context_tag_peer(const struct shim6_context *ctx, u64 *tag)
{
	const struct shim6_peer_tag *t =
		rcu_dereference_check(ctx->peer_tag, shim6_table_held(ctx->sn));

	if (t)
		*tag = t->tag;
	return t;
}

/**
 * shim6_table_by_peer_tag - the first context with a peer tag that is wanted
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @tag: CT(peer), in host order
 * @wanted: says whether a context is wanted
 * @arg: for @wanted
 *
 * Return: the context or NULL.
 */
struct shim6_context *
shim6_table_by_peer_tag(struct shim6_net *sn, u64 tag,
			bool (*wanted)(const struct shim6_context *ctx,
				       const void *arg),
			const void *arg)
{
	struct rhlist_head *list, *pos;
	struct shim6_peer_tag *t;

	list = rhltable_lookup(&sn->table.peer_tags, &tag, shim6_by_peer_tag);
	rhl_for_each_entry_rcu(t, pos, list, node)
		if (wanted(t->ctx, arg))
			return t->ctx;
	return NULL;
}

/**
 * shim6_table_peer_tag_is_full - has a peer tag as many contexts as it may have?
 * @sn: the namespace's state
 * @tag: CT(peer), in host order
 *
 * Peers choose these tags. Honest peers choose at random from 2^47. If one gave the
 * same tag to thousands of contexts, each ICMPv6 error would have us look at all
 * of them.
 *
 * Return: whether there is no room for another context.
 */
bool shim6_table_peer_tag_is_full(struct shim6_net *sn, u64 tag)
{
	struct rhlist_head *list, *pos;
	unsigned int n = 0;

	rcu_read_lock();
	list = rhltable_lookup(&sn->table.peer_tags, &tag, shim6_by_peer_tag);
	rhl_for_each_rcu(pos, list)
		n++;
	rcu_read_unlock();
	return n >= SHIM6_PEER_TAG_CONTEXTS;
}

static bool shim6_context_between(const struct shim6_context *ctx,
				  const void *arg)
{
	const struct in6_addr *const *addrs = arg;

	return shim6_context_is_local(ctx, addrs[0]) &&
	       shim6_context_is_peer(ctx, addrs[1]);
}

/**
 * shim6_context_by_peer_tag - the context by which we sent a packet (RFC 5533
 * section 12.4)
 * @sn: the namespace's state
 * @tag: CT(peer), as the packet bears it
 * @local: the packet's source, a local locator
 * @peer: the packet's destination, a locator of the peer
 *
 * Return: the context or NULL. The caller is in an RCU read-side section.
 */
struct shim6_context *shim6_context_by_peer_tag(struct shim6_net *sn, u64 tag,
						const struct in6_addr *local,
						const struct in6_addr *peer)
{
	const struct in6_addr *addrs[] = { local, peer };

	return shim6_table_by_peer_tag(sn, tag, shim6_context_between, addrs);
}

/* Remove and free the tag that a context had, if it had one. */
static void shim6_table_drop_peer_tag(struct shim6_net *sn,
				      struct shim6_peer_tag *t)
{
	if (!t)
		return;
	rhltable_remove(&sn->table.peer_tags, &t->node, shim6_by_peer_tag);
	kfree_rcu(t, rcu);
}

/**
 * shim6_table_set_peer_tag - give a context its first CT(peer), or another one
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context
 * @tag: CT(peer), in host order
 *
 * This does not wait for readers: for a moment the context is found by both tags.
 *
 * Return: 0, or a negative errno with the tag as it was.
 */
int shim6_table_set_peer_tag(struct shim6_net *sn, struct shim6_context *ctx,
			     u64 tag)
{
	struct shim6_peer_tag *was = shim6_table_get(sn, ctx->peer_tag);
	struct shim6_peer_tag *t;
	int err;

	if (was && was->tag == tag)
		return 0;
	t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->tag = tag;
	t->ctx = ctx;
	err = rhltable_insert(&sn->table.peer_tags, &t->node,
			      shim6_by_peer_tag);
	if (err) {
		kfree(t);
		return err;
	}
	rcu_assign_pointer(ctx->peer_tag, t);
	shim6_table_drop_peer_tag(sn, was);
	return 0;
}

/* A context goes: readers that have found it before see no peer tag. */
static void shim6_table_no_peer_tag(struct shim6_net *sn,
				    struct shim6_context *ctx)
{
	struct shim6_peer_tag *t = shim6_table_get(sn, ctx->peer_tag);

	RCU_INIT_POINTER(ctx->peer_tag, NULL);
	shim6_table_drop_peer_tag(sn, t);
}

/**
 * shim6_table_add - put a context into the tables
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context; if it has a peer tag, that is in its table already
 *
 * Return: 0, or a negative errno with the context in no table.
 */
int shim6_table_add(struct shim6_net *sn, struct shim6_context *ctx)
{
	struct shim6_table *t = &sn->table;
	int err;

	lockdep_assert_held(&t->lock);
	err = xa_alloc_cyclic(&t->all, &ctx->id, ctx, xa_limit_32b,
			      &t->next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto err_peer_tag;
	err = rhashtable_insert_fast(&t->tags, &ctx->by_tag, shim6_by_tag);
	if (err)
		goto err_id;
	err = rhashtable_insert_fast(&t->ulids, &ctx->by_ulids, shim6_by_ulids);
	if (err)
		goto err_tag;
	WRITE_ONCE(t->count, t->count + 1);
	t->used = true;
	t->generation++;
	return 0;

err_tag:
	rhashtable_remove_fast(&t->tags, &ctx->by_tag, shim6_by_tag);
err_id:
	xa_erase(&t->all, ctx->id);
err_peer_tag:
	shim6_table_no_peer_tag(sn, ctx);
	return err;
}

/**
 * shim6_table_del - take a context out of the tables
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context; readers that have found it before go on using it
 */
void shim6_table_del(struct shim6_net *sn, struct shim6_context *ctx)
{
	struct shim6_table *t = &sn->table;

	lockdep_assert_held(&t->lock);
	rhashtable_remove_fast(&t->ulids, &ctx->by_ulids, shim6_by_ulids);
	rhashtable_remove_fast(&t->tags, &ctx->by_tag, shim6_by_tag);
	shim6_table_no_peer_tag(sn, ctx);
	xa_erase(&t->all, ctx->id);
	/* From here on no CPU remembers the context (recent.h). */
	smp_store_release(&sn->deleted, sn->deleted + 1);
	WRITE_ONCE(t->count, t->count - 1);
	t->generation++;
}

/**
 * shim6_table_init - make the tables, empty
 * @sn: the namespace's state, seen by nobody else yet
 *
 * Return: 0 or a negative errno.
 */
int shim6_table_init(struct shim6_net *sn)
{
	struct shim6_table *t = &sn->table;
	int err;

	err = rhashtable_init(&t->ulids, &shim6_by_ulids);
	if (err)
		return err;
	err = rhashtable_init(&t->tags, &shim6_by_tag);
	if (err)
		goto err_tags;
	err = rhltable_init(&t->peer_tags, &shim6_by_peer_tag);
	if (err)
		goto err_peer_tags;
	xa_init_flags(&t->all, XA_FLAGS_ALLOC);
	mutex_init(&t->lock);
	t->generation = 1;
	return 0;

err_peer_tags:
	rhashtable_destroy(&t->tags);
err_tags:
	rhashtable_destroy(&t->ulids);
	return err;
}

/**
 * shim6_table_exit - the tables go, and with them all contexts
 * @sn: the namespace's state
 * @gone: called for each context, which no packet uses any more, as
 *	rhashtable_free_and_destroy() does
 */
void shim6_table_exit(struct shim6_net *sn, void (*gone)(void *ctx, void *arg))
{
	struct shim6_table *t = &sn->table;

	xa_destroy(&t->all);
	rhltable_destroy(&t->peer_tags);
	rhashtable_destroy(&t->tags);
	rhashtable_free_and_destroy(&t->ulids, gone, NULL);
	mutex_destroy(&t->lock);
}
