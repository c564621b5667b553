// SPDX-License-Identifier: GPL-2.0
/*
 * Payload on the ULID pair of a context that was re-homed before keeps the Payload
 * Extension header.
 *
 * RFC 5533 section 11.1 finds "no need" for the header there, but a stateful
 * router on the path needs it. The router's entry of a TCP connection dates from
 * before the switch, and has not seen the sequence numbers that went by another
 * pair. So the router takes later segments for INVALID and drops them, while
 * Probes pass. With the header, a packet is of IP protocol 140, like the Probes
 * by which the pair was found to work.
 *
 * Routers compare the sequence numbers of a connection's two directions. So a host
 * whose own direction has never left the ULIDs adds the header as well, as soon
 * as the peer's packets bear it.
 */
#include <linux/icmpv6.h>
#include <linux/jiffies.h>

#include "compat.h"
#include "header.h"
#include "home.h"
#include "path.h"
#include "state.h"

/* No longer than the shortest time for which routers keep an idle entry. */
#define SHIM6_HOME_QUIET	(30 * HZ)

/*
 * Shall the next packet go without the header? A router forgets IP protocol 140
 * sooner (in Linux after ten minutes) than a TCP connection (after five days),
 * and may let new connections in by their port. So when nothing was heard for
 * long, packets go with and without the header in turn: the kind that the router
 * lets through is answered.
 */
static bool shim6_home_plain(struct shim6_context *ctx)
{
	const bool plain = READ_ONCE(ctx->plain_next);
	const unsigned long now = jiffies;
	const bool quiet =
		now - (READ_ONCE(ctx->last_heard) ?: ctx->created) >
			SHIM6_HOME_QUIET &&
		now - READ_ONCE(ctx->last_probed) > SHIM6_HOME_QUIET;

	if (quiet || plain)
		WRITE_ONCE(ctx->plain_next, quiet && !plain);
	return quiet && plain;
}

/*
 * Only the peer was re-homed, so no request has made the path. The memory, one
 * path a context, is charged to the sender.
 */
static struct shim6_path *shim6_home_add(struct shim6_context *ctx)
{
	const struct shim6_pair pair = {
		.local = ctx->ulids.local,
		.peer = ctx->ulids.peer,
		.encapsulation = SHIM6_ENCAPSULATION_NATIVE,
	};
	struct shim6_path *path, *was;
	u64 tag, now;

	if (!shim6_context_tag_peer(ctx, &tag))
		return NULL;
	path = shim6_path_new(ctx->sn, &pair, tag, true,
			      GFP_ATOMIC | __GFP_NOWARN);
	if (!path)
		return NULL;
	was = unrcu_pointer(cmpxchg(&ctx->path, NULL, RCU_INITIALIZER(path)));
	if (was) {
		shim6_path_free(path);
		/* Another pair has become the current one just now. */
		return was;
	}
	/* A request that has just changed the tag has not seen this path. */
	if (shim6_context_tag_peer(ctx, &now) && now == tag)
		return path;
	if (unrcu_pointer(cmpxchg(&ctx->path, RCU_INITIALIZER(path), NULL)) ==
	    path)
		call_rcu(&path->rcu, shim6_path_free_rcu);
	return NULL;
}

/**
 * shim6_home_path - the path of a packet that goes by the ULID pair
 * @ctx: the context, which keeps the header and is not re-homed; the caller is
 *	in an RCU read-side section
 * @path: the path of the ULID pair, or NULL if there is none yet
 *
 * Return: the path, or NULL if the packet is to leave without the header.
 */
struct shim6_path *shim6_home_path(struct shim6_context *ctx,
				   struct shim6_path *path)
{
	if (shim6_home_plain(ctx))
		return NULL;
	return path ?: shim6_home_add(ctx);
}

/**
 * shim6_home_refused - an ICMPv6 error about a packet that bore the header on
 * the ULID pair
 * @ctx: the context, whose tag the packet had
 * @icmp: the error
 * @place: where the header was in the packet in error
 *
 * A peer that has restarted without Shim6 can still be reached by its ULID, so
 * the header goes if the error says that its protocol is unknown.
 */
void shim6_home_refused(struct shim6_context *ctx,
			const struct icmp6hdr *icmp,
			const struct shim6_place *place)
{
	if (icmp->icmp6_type == ICMPV6_PARAMPROB &&
	    icmp->icmp6_code == ICMPV6_UNK_NEXTHDR &&
	    ntohl(icmp->icmp6_pointer) == place->prev)
		WRITE_ONCE(ctx->header, false);
}
