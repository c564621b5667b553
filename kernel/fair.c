// SPDX-License-Identifier: GPL-2.0
/*
 * A fair share of the daemon's time for all that talk to this host. Packets of
 * strangers can be forged, with another source in each. A source that comes again
 * is worth more than a new one. So a small table remembers the sources of the
 * last moments; if not all can be served, those sources are.
 *
 * A flood of new sources overwrites the table, but not at once: it has room for a
 * tenth of a second of a hundred thousand packets a second. A source that was seen
 * again keeps its slot for some time, so that it need not be lucky twice.
 */
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat.h"
#include "fair.h"

/* The clock of rates counts in parts of a jiffy. */
#define SHIM6_RATE_PARTS	64
#define SHIM6_RATE_SECOND	((u32)HZ * SHIM6_RATE_PARTS)

/* Messages of strangers a second, for each first half of an address; at once. */
#define SHIM6_MESSAGES		100
#define SHIM6_MESSAGES_BURST	200
/* Reports of unknown tags a second, for new sources and again for the others. */
#define SHIM6_REPORTS		512
#define SHIM6_REPORTS_BURST	512
/* For this long a source that was seen again keeps its slot. */
#define SHIM6_FAIR_KEPT		(10 * SHIM6_RATE_SECOND)
/* One in so many other sources takes the slot all the same. */
#define SHIM6_FAIR_LUCK		32

static u32 shim6_rate_now(void)
{
	return (u32)jiffies * SHIM6_RATE_PARTS;
}

/* How far a rate is used up, in parts of a jiffy; 0 if not at all. */
static u32 shim6_rate_used(u32 tat, u32 now, u32 most)
{
	const u32 ahead = tat - now;

	/* @tat is in the past, or so old that the clock has wrapped. */
	return ahead > most ? 0 : ahead;
}

/**
 * shim6_rate_allows - may another message come within a rate?
 * @tat: the state of the rate: when all messages that were allowed would have come
 *	if they came evenly (the "theoretical arrival time" of ATM's generic cell
 *	rate algorithm); any value to begin with. No lock is taken
 * @per_second: how many messages may come in a second
 * @burst: how many may come at once, at least 1
 *
 * Return: whether the message is within the rate; if so it is counted.
 */
bool shim6_rate_allows(u32 *tat, u32 per_second, u32 burst)
{
	const u32 interval = SHIM6_RATE_SECOND / per_second ?: 1;
	const u32 now = shim6_rate_now();
	u32 was = READ_ONCE(*tat), used;

	used = shim6_rate_used(was, now, interval * burst);
	if (used > interval * (burst - 1))
		return false;
	/* If another CPU was allowed one just now, this message is refused. */
	return cmpxchg(tat, was, now + used + interval) == was;
}

static bool shim6_rate_is_over(u32 tat, u32 per_second)
{
	const u32 interval = SHIM6_RATE_SECOND / per_second ?: 1;

	return shim6_rate_used(tat, shim6_rate_now(), interval);
}

static bool shim6_fair_kept(const struct shim6_fair_slot *slot, u32 key)
{
	const u32 since = shim6_rate_now() - READ_ONCE(slot->tat);

	return (key & 1) && (s32)since < (s32)SHIM6_FAIR_KEPT &&
	       get_random_u32() % SHIM6_FAIR_LUCK;
}

/*
 * The slot of a source, of whose address the first @octets count. From now on it is
 * the source's, unless another source keeps it: then they share it. *@again: the
 * slot was the source's before.
 */
static struct shim6_fair_slot *shim6_fair_slot(struct shim6_fair *fair,
					       const struct in6_addr *source,
					       u32 octets, bool *again)
{
	const u32 at = jhash(source, octets, fair->seed[0]);
	const u32 key = jhash(source, octets, fair->seed[1]) & ~1;
	struct shim6_fair_slot *slot = &fair->slot[at % SHIM6_FAIR_SLOTS];
	const u32 was = READ_ONCE(slot->key);
	const u32 now = shim6_rate_now();

	*again = (was & ~1) == key;
	if (*again) {
		if (!(was & 1))
			WRITE_ONCE(slot->key, key | 1);
	} else if (!shim6_fair_kept(slot, was)) {
		/* A used-up rate stays used up: it may be the source's own. */
		WRITE_ONCE(slot->key, key);
		if (!shim6_rate_used(READ_ONCE(slot->tat), now,
				     2 * SHIM6_RATE_SECOND))
			WRITE_ONCE(slot->tat, now);
	}
	return slot;
}

/**
 * shim6_fair_message - shall the daemon get a stranger's message?
 * @fair: the table
 * @source: the message's source address
 * @busy: the daemon has much to read already, so only a source that has come again
 *	is served: a flood has new ones all the time
 *
 * A network (/64) is one source: a host with one address of it can have them all.
 */
bool shim6_fair_message(struct shim6_fair *fair, const struct in6_addr *source,
			bool busy)
{
	struct shim6_fair_slot *slot;
	bool again;

	slot = shim6_fair_slot(fair, source, 8, &again);
	return (again || !busy) &&
	       shim6_rate_allows(&slot->tat, SHIM6_MESSAGES,
				 SHIM6_MESSAGES_BURST);
}

/**
 * shim6_fair_report - shall the daemon be told that a source's tag is unknown?
 * @fair: the table
 * @source: the source
 *
 * At most once a second for each source, which limits R1bis (RFC 5533 section
 * 7.17), and limited for all sources together. Sources that share a slot share
 * its limit.
 */
bool shim6_fair_report(struct shim6_fair *fair, const struct in6_addr *source)
{
	struct shim6_fair_slot *slot;
	bool again;

	slot = shim6_fair_slot(fair, source, sizeof(*source), &again);
	if (shim6_rate_is_over(READ_ONCE(slot->tat), 1) ||
	    !shim6_rate_allows(&fair->reports[again], SHIM6_REPORTS,
			       SHIM6_REPORTS_BURST))
		return false;
	return shim6_rate_allows(&slot->tat, 1, 1);
}

/**
 * shim6_fair_new - make an empty table
 *
 * Return: the table, to be freed by kvfree() after a grace period, or NULL.
 */
struct shim6_fair *shim6_fair_new(void)
{
	struct shim6_fair *fair;

	fair = kvzalloc(sizeof(*fair), GFP_KERNEL_ACCOUNT);
	if (fair)
		get_random_bytes(fair->seed, sizeof(fair->seed));
	return fair;
}
