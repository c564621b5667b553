/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FAIR_H
#define _SHIM6_FAIR_H

#include <linux/rcupdate.h>
#include <linux/types.h>

/* How many slots a table has, of 8 octets each. */
#define SHIM6_FAIR_SLOTS	8192

struct in6_addr;

/**
 * struct shim6_fair_slot - a slot, and the source that has it
 * @key: a keyed hash of the source; bit 0 says that the source was seen again
 * @tat: the source's rate, as in shim6_rate_allows()
 */
struct shim6_fair_slot {
	u32 key;
	u32 tat;
};

/**
 * struct shim6_fair - the sources that have lately sent messages for the daemon
 * @seed: keys of the hashes, so that nobody outside knows which sources share a
 *	slot
 * @reports: the rates of reports about new sources, and about the others
 * @slot: by a hash of the source; packets write it without a lock
 */
struct shim6_fair {
	u32 seed[2];
	u32 reports[2];
	struct shim6_fair_slot slot[SHIM6_FAIR_SLOTS];
};

bool shim6_rate_allows(u32 *tat, u32 per_second, u32 burst);
bool shim6_fair_message(struct shim6_fair *fair, const struct in6_addr *source,
			bool busy);
bool shim6_fair_report(struct shim6_fair *fair, const struct in6_addr *source);
struct shim6_fair *shim6_fair_new(void);

#endif /* _SHIM6_FAIR_H */
