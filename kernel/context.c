// SPDX-License-Identifier: GPL-2.0
/*
 * The ULID-pair contexts of a namespace (RFC 5533 section 6).
 *
 * Packets find contexts under RCU and take no lock. Requests change contexts in
 * process context, under the table's mutex. A value that packets read alone is
 * written in place. Values that belong together (the current locator pair with
 * its route, the two lists of locators) are replaced as a whole.
 */
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "admit.h"
#include "answer.h"
#include "compat.h"
#include "context.h"
#include "hooks.h"
#include "locators.h"
#include "mtu.h"
#include "octets.h"
#include "path.h"
#include "reap.h"
#include "rhythm.h"
#include "state.h"
#include "stats.h"
#include "table.h"
#include "tcp.h"
#include "trace.h"
#include "wishes.h"

static struct kmem_cache *shim6_context_cache __ro_after_init;

static void shim6_context_free_rcu(struct rcu_head *rcu)
{
	struct shim6_context *ctx =
		container_of(rcu, struct shim6_context, rcu);
	/* Nothing else refers to the context any more. */
	struct shim6_path *path = rcu_dereference_protected(ctx->path, true);

	/* No packet can start the timer any more, and it does not restart itself. */
	timer_delete_sync(&ctx->timer);
	shim6_rhythm_free(ctx);
	if (path)
		shim6_path_free(path);
	kfree(rcu_dereference_protected(ctx->locators, true));
	kfree(rcu_dereference_protected(ctx->peer_tag, true));
	shim6_octets_exit(ctx);
	kmem_cache_free(shim6_context_cache, ctx);
}

/*
 * The result of a change, prepared before anything is changed:
 * path: of the current locator pair, NULL for none; a new one if new_path
 * locators: always new ones
 * rehomed: the locators of the current pair are not the ULIDs
 * header: payload bears the header on the ULID pair as well
 * moved: the current locator pair is another one than before
 */
struct shim6_context_next {
	struct shim6_path *path;
	struct shim6_locators *locators;
	bool rehomed;
	bool header;
	bool new_path;
	bool moved;
};

static void shim6_next_drop(struct shim6_context_next *next)
{
	if (next->new_path && next->path)
		shim6_path_free(next->path);
	kfree(next->locators);
}

/* The current locator pair after a change. */
static void shim6_next_pair(const struct shim6_context *ctx,
			    const struct shim6_context_change *c,
			    struct shim6_pair *pair)
{
	shim6_context_pair(ctx, pair);
	/* A request that names a locator and no encapsulation means native. */
	if (shim6_change_has(c, SHIM6_A_CONTEXT_LOCATOR_LOCAL) ||
	    shim6_change_has(c, SHIM6_A_CONTEXT_LOCATOR_PEER))
		pair->encapsulation = SHIM6_ENCAPSULATION_NATIVE;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_LOCATOR_LOCAL))
		pair->local = c->locator_local;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_LOCATOR_PEER))
		pair->peer = c->locator_peer;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_ENCAPSULATION))
		pair->encapsulation = c->encapsulation;
}

/* All steps of a change that can fail. */
static int shim6_next_prepare(struct shim6_net *sn,
			      const struct shim6_context *ctx,
			      const struct shim6_context_change *c,
			      struct shim6_context_next *next,
			      struct netlink_ext_ack *extack)
{
	struct shim6_locators *l = shim6_table_get(sn, ctx->locators);
	struct shim6_path *old = shim6_table_get(sn, ctx->path);
	bool known, same, udp;
	struct shim6_pair pair;
	u64 was = 0, tag;
	int err;

	memset(next, 0, sizeof(*next));
	known = shim6_context_tag_peer(ctx, &was);
	tag = was;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_TAG_PEER)) {
		known = true;
		tag = c->tag_peer;
	}
	shim6_next_pair(ctx, c, &pair);
	err = shim6_admit_encapsulation(sn, c, extack);
	if (err)
		return err;
	next->rehomed = !ipv6_addr_equal(&pair.local, &ctx->ulids.local) ||
			!ipv6_addr_equal(&pair.peer, &ctx->ulids.peer);
	udp = pair.encapsulation == SHIM6_ENCAPSULATION_UDP;

	next->locators = shim6_locators_merge(l, c);
	if (!next->locators)
		return -ENOMEM;
	err = shim6_admit_change(sn, ctx, c, next->locators, next->rehomed,
				 extack);
	if (err)
		goto err;

	same = old && tag == was && shim6_pair_equal(&pair, &old->pair);
	next->moved = !same && (next->rehomed || (old && !old->home) ||
				(READ_ONCE(ctx->header) && old &&
				 !shim6_pair_equal(&pair, &old->pair)));
	/* A peer with a new tag has Shim6, even if it seemed to have lost it. */
	next->header = READ_ONCE(ctx->header) ||
		       (next->moved && next->rehomed) ||
		       (tag != was && ctx->switches);
	if (shim6_change_has(c, SHIM6_A_CONTEXT_HEADER))
		next->header = c->header;

	if (same && (next->rehomed || next->header || udp)) {
		next->path = old;
		return 0;
	}
	next->new_path = true;
	/* On the ULIDs the path also says how Keepalives are carried. */
	if (next->rehomed || ((next->header || udp) && known)) {
		next->path = shim6_path_new(sn, &pair, tag, !next->rehomed,
					    GFP_KERNEL);
		if (!next->path) {
			err = -ENOMEM;
			goto err;
		}
	}
	return 0;

err:
	shim6_next_drop(next);
	return err;
}

/*
 * A socket may be bound to the device of its address, but re-homed packets arrive
 * by another device. So we note the ULID's device: input.c says that such packets
 * came by it.
 */
static void shim6_context_locate(struct shim6_context *ctx)
{
	const struct net_device *dev;

	rcu_read_lock();
	dev = ipv6_dev_find(ctx->sn->net, &ctx->ulids.local, NULL);
	if (dev && !(dev->flags & IFF_LOOPBACK))
		WRITE_ONCE(ctx->device, dev->ifindex);
	rcu_read_unlock();
}

/* Packets go or come by another pair: what was noticed of the one before is over. */
static void shim6_context_forgive(struct shim6_context *ctx)
{
	shim6_rhythm_forgive(ctx);
	shim6_answer_forgive(ctx);
}

/* The pair by which the peer sends; it is native unless the request says more. */
static void shim6_context_set_inbound(struct shim6_context *ctx,
				      const struct shim6_context_change *c)
{
	if (shim6_change_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL) ||
	    shim6_change_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER)) {
		ctx->inbound_encapsulation = SHIM6_ENCAPSULATION_NATIVE;
		shim6_context_forgive(ctx);
	}
	if (shim6_change_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL))
		ctx->inbound_local = c->inbound_local;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER))
		ctx->inbound_peer = c->inbound_peer;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_INBOUND_ENCAPSULATION))
		ctx->inbound_encapsulation = c->inbound_encapsulation;
}

/* Only inserting the peer tag into its table can still fail. */
static int shim6_context_apply(struct shim6_net *sn, struct shim6_context *ctx,
			       const struct shim6_context_change *c,
			       struct shim6_context_next *next)
{
	struct shim6_locators *l = shim6_table_get(sn, ctx->locators);
	struct shim6_path *old;
	int err;

	if (shim6_change_has(c, SHIM6_A_CONTEXT_TAG_PEER)) {
		err = shim6_table_set_peer_tag(sn, ctx, c->tag_peer);
		if (err)
			return err;
	}
	if (shim6_change_has(c, SHIM6_A_CONTEXT_SEND_TIMEOUT))
		WRITE_ONCE(ctx->send_timeout, c->send_timeout);
	if (shim6_change_has(c, SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT))
		WRITE_ONCE(ctx->keepalive_timeout, c->keepalive_timeout);
	shim6_context_set_inbound(ctx, c);
	if (next->moved)
		shim6_context_forgive(ctx);

	if (!next->locators->locals && !next->locators->peers) {
		kfree(next->locators);
		next->locators = NULL;
	}
	rcu_assign_pointer(ctx->locators, next->locators);
	if (l)
		kfree_rcu(l, rcu);

	if (!ctx->device || next->moved)
		shim6_context_locate(ctx);
	if (next->header || shim6_change_has(c, SHIM6_A_CONTEXT_HEADER))
		WRITE_ONCE(ctx->header, next->header);
	if (next->moved)
		shim6_reap_probed(ctx);
	if (next->new_path) {
		/* A packet may have set the path in the meantime. */
		old = unrcu_pointer(xchg(&ctx->path,
					 RCU_INITIALIZER(next->path)));
		if (old) {
			shim6_mtu_untell(old);
			shim6_mtu_forget(ctx, old);
			call_rcu(&old->rcu, shim6_path_free_rcu);
		}
	}
	if (shim6_change_has(c, SHIM6_A_CONTEXT_STATE))
		WRITE_ONCE(ctx->state, c->state);
	if (shim6_change_has(c, SHIM6_A_CONTEXT_REAP_STATE))
		shim6_reap_set_state(ctx, c->reap_state);
	if (shim6_change_has(c, SHIM6_A_CONTEXT_REAP_TIMER))
		shim6_reap_set_timer(ctx, c->reap_timer);
	return 0;
}

/**
 * shim6_context_new - make a context
 * @sn: the namespace's state; the caller holds the table's lock
 * @c: all values of the context that are known; at least ULID pair and local tag
 * @extack: where to say why not
 *
 * Return: the context, or an ERR_PTR with nothing changed.
 */
struct shim6_context *
shim6_context_new(struct shim6_net *sn, const struct shim6_context_change *c,
		  struct netlink_ext_ack *extack)
{
	struct shim6_context_next next;
	struct shim6_context *ctx;
	struct shim6_path *path;
	int err;

	lockdep_assert_held(&sn->table.lock);
	err = shim6_admit_new(sn, c, extack);
	if (err)
		return ERR_PTR(err);

	err = shim6_hooks_get(sn);
	if (err)
		return ERR_PTR(err);
	ctx = kmem_cache_zalloc(shim6_context_cache, GFP_KERNEL_ACCOUNT);
	if (!ctx) {
		shim6_hooks_put(sn);
		return ERR_PTR(-ENOMEM);
	}
	ctx->ulids = c->ulids;
	ctx->tag_local = c->tag_local;
	ctx->state = SHIM6_CONTEXT_STATE_I1_SENT;
	ctx->reap_state = SHIM6_REAP_STATE_OPERATIONAL;
	ctx->send_timeout = READ_ONCE(sn->config.send_timeout);
	ctx->keepalive_timeout = SHIM6_KEEPALIVE_TIMEOUT_DEFAULT;
	ctx->inbound_local = c->ulids.local;
	ctx->inbound_peer = c->ulids.peer;
	ctx->inbound_encapsulation = SHIM6_ENCAPSULATION_NATIVE;
	ctx->sn = sn;
	shim6_reap_init(ctx);

	err = shim6_octets_init(ctx);
	if (err)
		goto err_free;
	err = shim6_next_prepare(sn, ctx, c, &next, extack);
	if (err)
		goto err_free;
	err = shim6_context_apply(sn, ctx, c, &next);
	if (err) {
		shim6_next_drop(&next);
		goto err_free;
	}
	err = shim6_table_add(sn, ctx);
	if (err)
		goto err_table;
	shim6_reap_start(ctx);
	shim6_wishes_again(sn, &ctx->ulids);
	trace_shim6_context(ctx, SHIM6_TRACE_NEW);
	return ctx;

err_table:
	path = shim6_table_get(sn, ctx->path);
	if (path)
		shim6_mtu_untell(path);
	ctx->dead = true;
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
	shim6_hooks_put(sn);
	return ERR_PTR(err);

err_free:
	shim6_hooks_put(sn);
	shim6_octets_exit(ctx);
	kmem_cache_free(shim6_context_cache, ctx);
	return ERR_PTR(err);
}

/**
 * shim6_context_set - change all values of a context that are named, or none
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context
 * @c: the values that are named
 * @extack: where to say why not
 *
 * Return: 0 or a negative errno.
 */
int shim6_context_set(struct shim6_net *sn, struct shim6_context *ctx,
		      const struct shim6_context_change *c,
		      struct netlink_ext_ack *extack)
{
	struct shim6_context_next next;
	struct shim6_pair pair;
	int err;

	lockdep_assert_held(&sn->table.lock);
	err = shim6_next_prepare(sn, ctx, c, &next, extack);
	if (err)
		return err;
	err = shim6_context_apply(sn, ctx, c, &next);
	if (err) {
		shim6_next_drop(&next);
		return err;
	}
	shim6_hooks_look(sn);
	trace_shim6_context(ctx, SHIM6_TRACE_SET);
	if (next.new_path)
		shim6_reap_moved(ctx);
	if (next.moved) {
		/* A doubt about the new pair does not wait for the old one's. */
		WRITE_ONCE(ctx->last_event, 0);
		WRITE_ONCE(ctx->last_stuck, 0);
		WRITE_ONCE(ctx->switches, ctx->switches + 1);
		shim6_count(sn, SHIM6_A_STATS_SWITCHES);
		shim6_context_pair(ctx, &pair);
		trace_shim6_switch(ctx, &pair.local, &pair.peer);
		shim6_tcp_restart(sn, ctx);
	}
	return 0;
}

/**
 * shim6_context_del - take a context out of the tables and free it
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context; packets may use it until a grace period has passed
 */
void shim6_context_del(struct shim6_net *sn, struct shim6_context *ctx)
{
	struct shim6_path *path = shim6_table_get(sn, ctx->path);

	trace_shim6_context(ctx, SHIM6_TRACE_DEL);
	WRITE_ONCE(ctx->dead, true);
	shim6_table_del(sn, ctx);
	if (path) {
		shim6_mtu_untell(path);
		shim6_mtu_forget(ctx, path);
	}
	shim6_hooks_put(sn);
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
}

static void shim6_context_gone(void *ptr, void *arg)
{
	struct shim6_context *ctx = ptr;

	ctx->dead = true;
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
}

/**
 * shim6_context_net_exit - the namespace goes, and with it all its contexts
 * @sn: the namespace's state, which contexts use until a grace period has passed;
 *	no packet uses a context any more
 */
void shim6_context_net_exit(struct shim6_net *sn)
{
	shim6_table_exit(sn, shim6_context_gone);
}

/**
 * shim6_context_init - make the cache that contexts are allocated from
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_context_init(void)
{
	shim6_context_cache = KMEM_CACHE(shim6_context, SLAB_HWCACHE_ALIGN);
	return shim6_context_cache ? 0 : -ENOMEM;
}

/**
 * shim6_context_exit - undo shim6_context_init(), after the last context
 */
void shim6_context_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(shim6_context_cache);
}
