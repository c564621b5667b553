/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contexts of the last packets of each CPU. Most packets are of a context that
 * the same CPU has just served. It is found here by comparing addresses, without a
 * hash and without the table's cache lines.
 *
 * A context that is deleted stays where it was remembered. So each CPU notes as of
 * which deletion it remembers, and nothing is taken from a CPU that has missed one.
 * A reader that has seen the number of deletions unchanged within its RCU read-side
 * section has the context to the end of the section, as the deletion comes first
 * and the grace period after it.
 */
#ifndef _SHIM6_RECENT_H
#define _SHIM6_RECENT_H

#include <linux/bits.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <net/ipv6.h>

#include "state.h"

/* How many contexts a CPU remembers: each has one place, by its addresses. */
#define SHIM6_RECENT_BITS	3
#define SHIM6_RECENTS		BIT(SHIM6_RECENT_BITS)

/**
 * struct shim6_recent - the contexts that a CPU remembers
 * @deleted: how many contexts had been deleted when it began to remember them
 * @ctx: the contexts, or NULL
 *
 * Only its own CPU writes it, with softirqs and preemption off. A task that has
 * moved to another CPU may still read it.
 */
struct shim6_recent {
	unsigned long deleted;
	struct shim6_context __rcu *ctx[SHIM6_RECENTS];
};

/* The place of a context, by its ULIDs and its FII. */
static inline unsigned int shim6_recent_place(const struct in6_addr *local,
					      const struct in6_addr *peer,
					      u32 fii)
{
	const u32 x = (__force u32)(local->s6_addr32[3] ^ peer->s6_addr32[3]) ^
		      fii;

	/* By 2^32 and the golden ratio, so that all octets count. */
	return (x * 0x9e3779b1) >> (32 - SHIM6_RECENT_BITS);
}

/**
 * shim6_recent_find - the context between two ULIDs, if this CPU remembers it
 * @sn: the namespace's state; the caller is in an RCU read-side section
 * @local: ULID(local)
 * @peer: ULID(peer)
 * @fii: Forked Instance Identifier
 *
 * Return: the context, or NULL, which says nothing about whether there is one.
 */
static inline struct shim6_context *
shim6_recent_find(const struct shim6_net *sn, const struct in6_addr *local,
		  const struct in6_addr *peer, u32 fii)
{
	const struct shim6_recent *r = raw_cpu_ptr(sn->recent);
	struct shim6_context *ctx;

	/* Before the context: places are emptied before this number changes. */
	if (smp_load_acquire(&r->deleted) != READ_ONCE(sn->deleted))
		return NULL;
	ctx = rcu_dereference(r->ctx[shim6_recent_place(local, peer, fii)]);
	if (!ctx || !ipv6_addr_equal(&ctx->ulids.peer, peer) ||
	    !ipv6_addr_equal(&ctx->ulids.local, local) ||
	    ctx->ulids.fii != fii)
		return NULL;
	return ctx;
}

struct shim6_context *shim6_recent_search(struct shim6_net *sn,
					  const struct shim6_ulids *ulids);
int shim6_recent_init(struct shim6_net *sn);
void shim6_recent_exit(struct shim6_net *sn);

#endif /* _SHIM6_RECENT_H */
