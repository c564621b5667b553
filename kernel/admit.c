// SPDX-License-Identifier: GPL-2.0
/*
 * The rules for contexts. A request that breaks one is refused as a whole, with a sentence
 * that says why.
 */
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "admit.h"
#include "compat.h"
#include "context.h"
#include "encap_udp.h"
#include "filter.h"
#include "locators.h"
#include "state.h"
#include "table.h"

/**
 * shim6_admit_address - can an address be a ULID or a locator?
 * @addr: the address
 */
bool shim6_admit_address(const struct in6_addr *addr)
{
	const int never = IPV6_ADDR_MULTICAST | IPV6_ADDR_LOOPBACK |
			  IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MAPPED;
	int type = ipv6_addr_type(addr);

	return type != IPV6_ADDR_ANY && !(type & never);
}

/*
 * To find a context that would be confused with another one (RFC 5533 section 7.6):
 * two contexts are confused if both are established, have the same tag of the peer
 * and a locator of the peer in common.
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
	    (shim6_change_has(c->change, SHIM6_A_CONTEXT_LOCATOR_PEER) &&
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

/*
 * Does a request name an address of this host as a locator of the peer? Then packets
 * that arrive with the tag would be taken as sent by this host itself.
 */
static bool shim6_peer_is_here(struct net *net,
			       const struct shim6_context_change *c)
{
	int i;

	if (shim6_change_has(c, SHIM6_A_CONTEXT_LOCATOR_PEER) &&
	    ipv6_chk_addr(net, &c->locator_peer, NULL, 0))
		return true;
	if (shim6_change_has(c, SHIM6_A_CONTEXT_LOCATORS_PEER))
		for (i = 0; i < c->n_peers; i++)
			if (ipv6_chk_addr(net, &c->peers[i], NULL, 0))
				return true;
	return false;
}

/* Is an address one of a device that is in a VRF? */
static bool shim6_address_in_vrf(struct net *net, const struct in6_addr *addr)
{
	struct net_device *dev;
	bool found = false;

	if (ipv6_chk_addr(net, addr, NULL, 0))
		return false;
	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		found = !shim6_filter_served(dev) && ipv6_chk_addr(net, addr, dev, 1);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/**
 * shim6_admit_encapsulation - can packets be carried as a request wants?
 * @sn: the namespace's state
 * @c: the request
 * @extack: where the reason goes if they can't
 *
 * Return: 0 or a negative errno.
 */
int shim6_admit_encapsulation(const struct shim6_net *sn,
			      const struct shim6_context_change *c,
			      struct netlink_ext_ack *extack)
{
	if (!shim6_change_has(c, SHIM6_A_CONTEXT_ENCAPSULATION) ||
	    c->encapsulation != SHIM6_ENCAPSULATION_UDP || shim6_udp_port(sn))
		return 0;
	NL_SET_ERR_MSG(extack, SHIM6_NO_UDP_PORT);
	return -EADDRNOTAVAIL;
}

/**
 * shim6_admit_change - may a context become what a request wants?
 * @sn: the namespace's state; the caller holds the table's lock
 * @ctx: the context as it is
 * @c: the request
 * @locators: the lists of locators that the context will have, or NULL
 * @rehomed: its current locator pair will not be the ULID pair
 * @extack: where the reason goes if it may not
 *
 * Return: 0 or a negative errno.
 */
int shim6_admit_change(struct shim6_net *sn, const struct shim6_context *ctx,
		       const struct shim6_context_change *c,
		       const struct shim6_locators *locators, bool rehomed,
		       struct netlink_ext_ack *extack)
{
	u32 state = shim6_change_has(c, SHIM6_A_CONTEXT_STATE) ? c->state : ctx->state;
	bool has_tag = shim6_change_has(c, SHIM6_A_CONTEXT_TAG_PEER);
	u64 was = 0, tag;
	bool had = shim6_context_tag_peer(ctx, &was);

	if (shim6_peer_is_here(sn->net, c)) {
		NL_SET_ERR_MSG(extack,
			       "a locator of the peer is an address of this host");
		return -EINVAL;
	}
	tag = has_tag ? c->tag_peer : was;
	if (!has_tag && !had) {
		if (rehomed) {
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
	if ((!had || was != tag) &&
	    shim6_table_peer_tag_is_full(sn, tag)) {
		NL_SET_ERR_MSG(extack,
			       "there are too many contexts with this tag-peer");
		return -ENOSPC;
	}
	if (state == SHIM6_CONTEXT_STATE_ESTABLISHED &&
	    shim6_context_confused(sn, ctx, c, locators, tag)) {
		NL_SET_ERR_MSG(extack,
			       "another context with this tag-peer shares a locator of the peer (context confusion, RFC 5533, section 7.6)");
		return -EEXIST;
	}
	return 0;
}

/**
 * shim6_admit_new - may there be a context that a request wants?
 * @sn: the namespace's state; the caller holds the table's lock
 * @c: the request
 * @extack: where the reason goes if there may not
 *
 * This looks at ULIDs, FII and tag; shim6_admit_change() looks at the rest.
 *
 * Return: 0 or a negative errno.
 */
int shim6_admit_new(struct shim6_net *sn, const struct shim6_context_change *c,
		    struct netlink_ext_ack *extack)
{
	if (!shim6_admit_address(&c->ulids.local) ||
	    !shim6_admit_address(&c->ulids.peer) ||
	    ipv6_addr_equal(&c->ulids.local, &c->ulids.peer)) {
		NL_SET_ERR_MSG(extack,
			       "a ULID pair is two different unicast addresses, neither link-local nor loopback");
		return -EINVAL;
	}
	if (ipv6_chk_addr(sn->net, &c->ulids.peer, NULL, 0)) {
		NL_SET_ERR_MSG(extack,
			       "the peer's ULID is an address of this host");
		return -EINVAL;
	}
	if (shim6_address_in_vrf(sn->net, &c->ulids.local)) {
		NL_SET_ERR_MSG(extack,
			       "the local ULID is an address in a VRF, where Shim6 does not work");
		return -EOPNOTSUPP;
	}
	if (sn->table.count >= READ_ONCE(sn->config.max_contexts)) {
		NL_SET_ERR_MSG(extack,
			       "the namespace holds max-contexts contexts already");
		return -ENOSPC;
	}
	if (shim6_table_by_ulids(sn, &c->ulids)) {
		NL_SET_ERR_MSG(extack,
			       "there is a context with this ULID pair and FII");
		return -EEXIST;
	}
	if (shim6_table_by_tag(sn, c->tag_local)) {
		NL_SET_ERR_MSG(extack,
			       "there is a context with this tag-local");
		return -EEXIST;
	}
	return 0;
}
