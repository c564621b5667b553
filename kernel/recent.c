// SPDX-License-Identifier: GPL-2.0
/*
 * The contexts of the last packets of each CPU: what is done when a packet is of
 * another one. recent.h says how they are found.
 */
#include <linux/bottom_half.h>
#include <linux/preempt.h>
#include <linux/slab.h>

#include "recent.h"
#include "table.h"

/* Forget all. A task that has moved away may read on at the same time. */
static void shim6_recent_forget(struct shim6_recent *r, unsigned long deleted)
{
	unsigned int i;

	for (i = 0; i < SHIM6_RECENTS; i++)
		RCU_INIT_POINTER(r->ctx[i], NULL);
	/* Pairs with shim6_recent_find(): who sees the number sees no old context. */
	smp_store_release(&r->deleted, deleted);
}

/*
 * Remember a context that was found after @deleted was read. If another one was
 * deleted since, this one may be deleted as well.
 */
static void shim6_recent_note(struct shim6_net *sn, struct shim6_context *ctx,
			      unsigned long deleted)
{
	const struct shim6_ulids *u = &ctx->ulids;
	struct shim6_recent *r;

	local_bh_disable();
	/* With PREEMPT_RT the line before may keep no other task away. */
	preempt_disable();
	r = this_cpu_ptr(sn->recent);
	if (READ_ONCE(sn->deleted) == deleted) {
		if (r->deleted != deleted)
			shim6_recent_forget(r, deleted);
		rcu_assign_pointer(r->ctx[shim6_recent_place(&u->local,
							     &u->peer, u->fii)],
				   ctx);
	}
	preempt_enable();
	local_bh_enable();
}

/**
 * shim6_recent_search - find a context in the table, and remember it
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @ulids: ULID pair and FII
 *
 * Return: the context or NULL.
 */
struct shim6_context *shim6_recent_search(struct shim6_net *sn,
					  const struct shim6_ulids *ulids)
{
	/*
	 * Pairs with shim6_table_del(): a context leaves the table before it is
	 * counted as deleted.
	 */
	const unsigned long deleted = smp_load_acquire(&sn->deleted);
	struct shim6_context *ctx = shim6_context_by_ulids(sn, ulids);

	if (ctx)
		shim6_recent_note(sn, ctx, deleted);
	return ctx;
}

/**
 * shim6_recent_init - no CPU remembers a context
 * @sn: the namespace's state, seen by nobody else yet
 *
 * Return: 0 or a negative errno.
 */
int shim6_recent_init(struct shim6_net *sn)
{
	sn->recent = alloc_percpu_gfp(struct shim6_recent,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return sn->recent ? 0 : -ENOMEM;
}

/**
 * shim6_recent_exit - undo shim6_recent_init()
 * @sn: the namespace's state; no packet can reach it any more
 */
void shim6_recent_exit(struct shim6_net *sn)
{
	free_percpu(sn->recent);
}
