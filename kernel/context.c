// SPDX-License-Identifier: GPL-2.0
/*
 * The ULID-pair contexts of a namespace (RFC 5533 section 6).
 *
 * Packets find contexts under RCU and take no lock. Changes are made under the
 * table's mutex, by requests in process context: a value that a packet reads
 * alone is written at once, and what belongs together (the current locator
 * pair with its route, the two lists of locators) is replaced as a whole.
 */
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "compat.h"
#include "context.h"
#include "netns.h"
#include "path.h"
#include "reap.h"
#include "stats.h"
#include "table.h"
#include "tcp.h"
#include "trace.h"

static struct kmem_cache *shim6_context_cache __ro_after_init;

static bool shim6_in_list(const struct in6_addr *addr,
			  const struct in6_addr *list, unsigned int n)
{
	while (n--)
		if (ipv6_addr_equal(addr, &list[n]))
			return true;
	return false;
}

/**
 * shim6_context_is_local - is an address in Ls(local)?
 * @ctx: the context; the caller is in an RCU read-side section
 * @addr: the address
 */
bool shim6_context_is_local(const struct shim6_context *ctx,
			    const struct in6_addr *addr)
{
	const struct shim6_locators *l = rcu_dereference_check(ctx->locators, 1);
	const struct shim6_path *path = rcu_dereference_check(ctx->path, 1);

	return ipv6_addr_equal(addr, &ctx->ulids.local) ||
	       (path && ipv6_addr_equal(addr, &path->local)) ||
	       (l && shim6_in_list(addr, l->addr, l->locals));
}

/**
 * shim6_context_is_here - is a packet of a context for this host?
 * @ctx: the context; the caller is in an RCU read-side section
 * @net: the namespace
 * @addr: the packet's destination
 *
 * A router that knows the tag by chance has to forward the packet. Most are
 * for a locator of the context, which spares the look-up.
 */
bool shim6_context_is_here(const struct shim6_context *ctx, struct net *net,
			   const struct in6_addr *addr)
{
	return shim6_context_is_local(ctx, addr) ||
	       ipv6_chk_addr(net, addr, NULL, 0);
}

/**
 * shim6_context_is_peer - is an address in Ls(peer)?
 * @ctx: the context; the caller is in an RCU read-side section
 * @addr: the address
 */
bool shim6_context_is_peer(const struct shim6_context *ctx,
			   const struct in6_addr *addr)
{
	const struct shim6_locators *l = rcu_dereference_check(ctx->locators, 1);
	const struct shim6_path *path = rcu_dereference_check(ctx->path, 1);

	return ipv6_addr_equal(addr, &ctx->ulids.peer) ||
	       (path && ipv6_addr_equal(addr, &path->peer)) ||
	       (l && shim6_in_list(addr, l->addr + l->locals, l->peers));
}

static bool shim6_has(const struct shim6_context_change *c, int attr)
{
	return c->has & BIT(attr);
}

/*
 * Would another context be confused with this one (RFC 5533 section 7.6): two
 * that are established, have the same tag of the peer and a locator of the
 * peer in common?
 */
struct shim6_confusion {
	const struct shim6_context *self;
	const struct shim6_context_change *change;
	const struct shim6_locators *locators;
};

static bool shim6_context_confuses(const struct shim6_context *ctx,
				   const void *arg)
{
	const struct shim6_confusion *c = arg;
	const struct shim6_locators *l = c->locators;
	int i;

	if (ctx == c->self || ctx->state != SHIM6_CONTEXT_STATE_ESTABLISHED)
		return false;
	if (shim6_context_is_peer(ctx, &c->change->ulids.peer) ||
	    (shim6_has(c->change, SHIM6_A_CONTEXT_LOCATOR_PEER) &&
	     shim6_context_is_peer(ctx, &c->change->locator_peer)))
		return true;
	for (i = 0; l && i < l->peers; i++)
		if (shim6_context_is_peer(ctx, &l->addr[l->locals + i]))
			return true;
	return false;
}

static bool shim6_context_confused(struct shim6_net *sn,
				   const struct shim6_context *self,
				   const struct shim6_context_change *c,
				   const struct shim6_locators *l, u64 tag)
{
	const struct shim6_confusion confusion = {
		.self = self, .change = c, .locators = l,
	};
	bool found;

	rcu_read_lock();
	found = shim6_table_by_peer_tag(sn, tag, shim6_context_confuses,
					&confusion);
	rcu_read_unlock();
	return found;
}

/* The lists after a change: of each side the new one if it is named. */
static struct shim6_locators *
shim6_locators_merge(const struct shim6_locators *old,
		     const struct shim6_context_change *c)
{
	const struct in6_addr *local = c->locals, *peer = c->peers;
	u16 locals = c->n_locals, peers = c->n_peers;
	struct shim6_locators *l;

	if (!shim6_has(c, SHIM6_A_CONTEXT_LOCATORS_LOCAL)) {
		locals = old ? old->locals : 0;
		local = old ? old->addr : NULL;
	}
	if (!shim6_has(c, SHIM6_A_CONTEXT_LOCATORS_PEER)) {
		peers = old ? old->peers : 0;
		peer = old ? old->addr + old->locals : NULL;
	}
	l = kmalloc(struct_size(l, addr, locals + peers), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->locals = locals;
	l->peers = peers;
	if (locals)
		memcpy(l->addr, local, locals * sizeof(*local));
	if (peers)
		memcpy(l->addr + locals, peer, peers * sizeof(*peer));
	return l;
}

static void shim6_context_free_rcu(struct rcu_head *rcu)
{
	struct shim6_context *ctx =
		container_of(rcu, struct shim6_context, rcu);
	struct shim6_path *path = rcu_dereference_protected(ctx->path, 1);

	/* No packet can start it any more, and it does not start itself. */
	timer_delete_sync(&ctx->timer);
	if (path)
		shim6_path_free(path);
	kfree(rcu_dereference_protected(ctx->locators, 1));
	kmem_cache_free(shim6_context_cache, ctx);
}

/* What a change comes to, made before anything is changed. */
struct shim6_context_next {
	struct shim6_path *path;
	struct shim6_locators *locators;
	bool rehomed;
	bool new_path;
};

static int shim6_next_check(struct shim6_net *sn,
			    const struct shim6_context *ctx,
			    const struct shim6_context_change *c,
			    const struct shim6_context_next *next,
			    struct netlink_ext_ack *extack)
{
	u32 state = shim6_has(c, SHIM6_A_CONTEXT_STATE) ? c->state : ctx->state;
	bool has_tag = shim6_has(c, SHIM6_A_CONTEXT_TAG_PEER);
	u64 tag = has_tag ? c->tag_peer : ctx->tag_peer;

	if (!has_tag && !ctx->has_peer_tag) {
		if (next->rehomed) {
			NL_SET_ERR_MSG(extack,
				       "a context without tag-peer can't be re-homed");
			return -EINVAL;
		}
		if (state >= SHIM6_CONTEXT_STATE_ESTABLISHED) {
			NL_SET_ERR_MSG(extack,
				       "in this state a context has a tag-peer");
			return -EINVAL;
		}
		return 0;
	}
	if ((!ctx->has_peer_tag || ctx->tag_peer != tag) &&
	    shim6_table_peer_tag_is_full(sn, tag)) {
		NL_SET_ERR_MSG(extack,
			       "there are too many contexts with this tag-peer");
		return -ENOSPC;
	}
	if (state == SHIM6_CONTEXT_STATE_ESTABLISHED &&
	    shim6_context_confused(sn, ctx, c, next->locators, tag)) {
		NL_SET_ERR_MSG(extack,
			       "another context with this tag-peer shares a locator of the peer (context confusion, RFC 5533, section 7.6)");
		return -EEXIST;
	}
	return 0;
}

static void shim6_next_drop(struct shim6_context_next *next)
{
	if (next->new_path && next->path)
		shim6_path_free(next->path);
	kfree(next->locators);
}

/* Everything that can fail of a change. */
static int shim6_next_prepare(struct shim6_net *sn,
			      const struct shim6_context *ctx,
			      const struct shim6_context_change *c,
			      struct shim6_context_next *next,
			      struct netlink_ext_ack *extack)
{
	struct shim6_path *old = rcu_dereference_protected(ctx->path, 1);
	struct shim6_locators *l = rcu_dereference_protected(ctx->locators, 1);
	const struct in6_addr *local = old ? &old->local : &ctx->ulids.local;
	const struct in6_addr *peer = old ? &old->peer : &ctx->ulids.peer;
	u64 tag = ctx->tag_peer;
	int err;

	memset(next, 0, sizeof(*next));
	if (shim6_has(c, SHIM6_A_CONTEXT_TAG_PEER))
		tag = c->tag_peer;
	if (shim6_has(c, SHIM6_A_CONTEXT_LOCATOR_LOCAL))
		local = &c->locator_local;
	if (shim6_has(c, SHIM6_A_CONTEXT_LOCATOR_PEER))
		peer = &c->locator_peer;
	next->rehomed = !ipv6_addr_equal(local, &ctx->ulids.local) ||
			!ipv6_addr_equal(peer, &ctx->ulids.peer);

	next->locators = shim6_locators_merge(l, c);
	if (!next->locators)
		return -ENOMEM;
	err = shim6_next_check(sn, ctx, c, next, extack);
	if (err)
		goto err;

	if (next->rehomed && old && tag == ctx->tag_peer &&
	    ipv6_addr_equal(local, &old->local) &&
	    ipv6_addr_equal(peer, &old->peer)) {
		next->path = old;
		return 0;
	}
	next->new_path = next->rehomed || old;
	if (next->rehomed) {
		next->path = shim6_path_new(local, peer, tag);
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

/* Nothing fails from here on, but for the peer tag's place in its table. */
static int shim6_context_apply(struct shim6_net *sn, struct shim6_context *ctx,
			       const struct shim6_context_change *c,
			       struct shim6_context_next *next)
{
	struct shim6_path *old = rcu_dereference_protected(ctx->path, 1);
	struct shim6_locators *l = rcu_dereference_protected(ctx->locators, 1);
	int err;

	if (shim6_has(c, SHIM6_A_CONTEXT_TAG_PEER)) {
		err = shim6_table_set_peer_tag(sn, ctx, c->tag_peer);
		if (err)
			return err;
	}
	if (shim6_has(c, SHIM6_A_CONTEXT_SEND_TIMEOUT))
		WRITE_ONCE(ctx->send_timeout, c->send_timeout);
	if (shim6_has(c, SHIM6_A_CONTEXT_KEEPALIVE_TIMEOUT))
		WRITE_ONCE(ctx->keepalive_timeout, c->keepalive_timeout);
	if (shim6_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_LOCAL))
		ctx->inbound_local = c->inbound_local;
	if (shim6_has(c, SHIM6_A_CONTEXT_INBOUND_LOCATOR_PEER))
		ctx->inbound_peer = c->inbound_peer;

	if (!next->locators->locals && !next->locators->peers) {
		kfree(next->locators);
		next->locators = NULL;
	}
	rcu_assign_pointer(ctx->locators, next->locators);
	if (l)
		kfree_rcu(l, rcu);

	if (next->new_path) {
		rcu_assign_pointer(ctx->path, next->path);
		if (old) {
			shim6_mtu_untell(sn, ctx, old);
			call_rcu(&old->rcu, shim6_path_free_rcu);
		}
		if (next->path)
			shim6_mtu_tell(sn, ctx, next->path);
	}
	if (shim6_has(c, SHIM6_A_CONTEXT_STATE))
		WRITE_ONCE(ctx->state, c->state);
	if (shim6_has(c, SHIM6_A_CONTEXT_REAP_STATE))
		shim6_reap_set_state(ctx, c->reap_state);
	if (shim6_has(c, SHIM6_A_CONTEXT_REAP_TIMER))
		shim6_reap_set_timer(ctx, c->reap_timer);
	return 0;
}

/**
 * shim6_context_address - can an address be a ULID or a locator?
 * @addr: the address
 */
bool shim6_context_address(const struct in6_addr *addr)
{
	const int never = IPV6_ADDR_MULTICAST | IPV6_ADDR_LOOPBACK |
			  IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MAPPED;
	int type = ipv6_addr_type(addr);

	return type != IPV6_ADDR_ANY && !(type & never);
}

static int shim6_context_check_new(struct shim6_net *sn,
				   const struct shim6_context_change *c,
				   struct netlink_ext_ack *extack)
{
	if (!shim6_context_address(&c->ulids.local) ||
	    !shim6_context_address(&c->ulids.peer) ||
	    ipv6_addr_equal(&c->ulids.local, &c->ulids.peer)) {
		NL_SET_ERR_MSG(extack,
			       "a ULID pair is two different unicast addresses, neither link-local nor loopback");
		return -EINVAL;
	}
	if (sn->table.count >= READ_ONCE(sn->config.max_contexts)) {
		NL_SET_ERR_MSG(extack,
			       "the namespace holds max-contexts contexts already");
		return -ENOSPC;
	}
	if (shim6_context_by_ulids(sn, &c->ulids)) {
		NL_SET_ERR_MSG(extack,
			       "there is a context with this ULID pair and FII");
		return -EEXIST;
	}
	if (shim6_context_by_tag(sn, c->tag_local)) {
		NL_SET_ERR_MSG(extack,
			       "there is a context with this tag-local");
		return -EEXIST;
	}
	return 0;
}

/**
 * shim6_context_new - make a context
 * @sn: the namespace's state, whose table's lock the caller holds
 * @c: all that is known of it; ULID pair and local tag at least
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

	err = shim6_context_check_new(sn, c, extack);
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
	ctx->sn = sn;
	shim6_reap_init(ctx);

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
	trace_shim6_context(ctx, SHIM6_TRACE_NEW);
	return ctx;

err_table:
	path = rcu_dereference_protected(ctx->path, 1);
	if (path)
		shim6_mtu_untell(sn, ctx, path);
	ctx->dead = true;
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
	shim6_hooks_put(sn);
	return ERR_PTR(err);

err_free:
	shim6_hooks_put(sn);
	kmem_cache_free(shim6_context_cache, ctx);
	return ERR_PTR(err);
}

/**
 * shim6_context_set - change a context, in all that is named or in nothing
 * @sn: the namespace's state, whose table's lock the caller holds
 * @ctx: the context
 * @c: what is named
 * @extack: where to say why not
 *
 * Return: 0 or a negative errno.
 */
int shim6_context_set(struct shim6_net *sn, struct shim6_context *ctx,
		      const struct shim6_context_change *c,
		      struct netlink_ext_ack *extack)
{
	struct shim6_context_next next;
	int err;

	err = shim6_next_prepare(sn, ctx, c, &next, extack);
	if (err)
		return err;
	err = shim6_context_apply(sn, ctx, c, &next);
	if (err) {
		shim6_next_drop(&next);
		return err;
	}
	trace_shim6_context(ctx, SHIM6_TRACE_SET);
	if (next.new_path) {
		WRITE_ONCE(ctx->switches, ctx->switches + 1);
		shim6_count(sn, SHIM6_A_STATS_SWITCHES);
		trace_shim6_switch(ctx, next.path ? &next.path->local :
						    &ctx->ulids.local,
				   next.path ? &next.path->peer :
					       &ctx->ulids.peer);
		shim6_tcp_restart(sn, ctx);
	}
	return 0;
}

/**
 * shim6_context_del - take a context out of the tables and free it
 * @sn: the namespace's state, whose table's lock the caller holds
 * @ctx: the context, which packets may use until the grace period is over
 */
void shim6_context_del(struct shim6_net *sn, struct shim6_context *ctx)
{
	struct shim6_path *path = rcu_dereference_protected(ctx->path, 1);

	trace_shim6_context(ctx, SHIM6_TRACE_DEL);
	WRITE_ONCE(ctx->dead, true);
	shim6_table_del(sn, ctx);
	if (path)
		shim6_mtu_untell(sn, ctx, path);
	shim6_hooks_put(sn);
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
}

/**
 * shim6_context_gone - a context's namespace goes, and with it its table
 * @ctx: the context, which no packet uses any more
 */
void shim6_context_gone(struct shim6_context *ctx)
{
	ctx->dead = true;
	call_rcu(&ctx->rcu, shim6_context_free_rcu);
}

/**
 * shim6_context_init - what contexts are made of
 *
 * Return: 0 or a negative errno.
 */
int __init shim6_context_init(void)
{
	shim6_context_cache = KMEM_CACHE(shim6_context, SLAB_HWCACHE_ALIGN);
	return shim6_context_cache ? 0 : -ENOMEM;
}

/**
 * shim6_context_exit - the last context is gone
 */
void shim6_context_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(shim6_context_cache);
}
