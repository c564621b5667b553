// SPDX-License-Identifier: GPL-2.0
/*
 * A fair share of the daemon for those who talk to this host. What strangers
 * send can be forged, with another source in each packet. A source that comes
 * again is worth more than one that is new, so a small table remembers the
 * sources of the last moments: where not all can be served, those are.
 *
 * A flood of new sources overwrites what is in the table, but not at once: the
 * table has room for a tenth of a second of a hundred thousand packets a
 * second. A source that was seen again keeps its slot for some time, so that
 * it need not be lucky twice.
 */
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat.h"
#include "fair.h"

/* The clock of rates counts parts of a jiffy. */
#define SHIM6_RATE_PARTS	64
#define SHIM6_RATE_SECOND	((u32)HZ * SHIM6_RATE_PARTS)

/* Messages of strangers, by the first half of their address. */
#define SHIM6_MESSAGES		100
#define SHIM6_MESSAGES_BURST	200
/* Reports of unknown tags a second, for new sources and for the others. */
#define SHIM6_REPORTS		512
#define SHIM6_REPORTS_BURST	512
/* A source that was seen again keeps its slot for this long. */
#define SHIM6_FAIR_KEPT		(10 * SHIM6_RATE_SECOND)
/* One in so many others takes it all the same. */
#define SHIM6_FAIR_LUCK		32

static u32 shim6_rate_now(void)
{
	return (u32)jiffies * SHIM6_RATE_PARTS;
}

/* How far a rate is used up, in parts of a jiffy; 0 if it is not at all. */
static u32 shim6_rate_used(u32 tat, u32 now, u32 most)
{
	const u32 ahead = tat - now;

	/* In the past, or so long ago that the clock has gone round. */
	return ahead > most ? 0 : ahead;
}

/**
 * shim6_rate_allows - may there be another?
 * @tat: when those that were allowed would be due if they came evenly (the
 *	"theoretical arrival time" of ATM's generic cell rate algorithm); any
 *	value to begin with
 * @per_second: how many there may be
 * @burst: how many may come at once, at least 1
 *
 * Takes no lock. Return: whether it is within the rate, and counted.
 */
bool shim6_rate_allows(u32 *tat, u32 per_second, u32 burst)
{
	const u32 interval = SHIM6_RATE_SECOND / per_second ?: 1;
	const u32 now = shim6_rate_now();
	u32 was = READ_ONCE(*tat), used;

	used = shim6_rate_used(was, now, interval * burst);
	if (used > interval * (burst - 1))
		return false;
	/* Another CPU has just been allowed one: this one comes after it. */
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
 * The slot of a source, of which @octets count. It is the source's from now on
 * unless another keeps it, which it then shares. *@again: it was so before.
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
		/* A rate that is used up stays so: it may be the source's own. */
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
 * @source: whose it is
 * @busy: the daemon has much to read already: only for a source that has come
 *	again, since a flood has others all the time
 *
 * A network is one source: whoever has an address of it has all.
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
 * At most once per source and second, on which R1bis depends (RFC 5533 section
 * 7.17), and not at any rate for all together. Sources that share a slot share
 * the limit.
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
 * shim6_fair_new - a table in which nobody is
 *
 * Return: the table, which kvfree() frees after a grace period, or NULL.
 */
struct shim6_fair *shim6_fair_new(void)
{
	struct shim6_fair *fair;

	fair = kvzalloc(sizeof(*fair), GFP_KERNEL_ACCOUNT);
	if (fair)
		get_random_bytes(fair->seed, sizeof(fair->seed));
	return fair;
}
