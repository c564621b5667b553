/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_FAIR_H
#define _SHIM6_FAIR_H

#include <linux/rcupdate.h>
#include <linux/types.h>

/* Slots of a table, 8 octets each. */
#define SHIM6_FAIR_SLOTS	8192

struct in6_addr;

/**
 * struct shim6_fair_slot - the source that has a slot
 * @key: a keyed hash of it; bit 0 says that it was seen again
 * @tat: its rate; shim6_rate_allows()
 */
struct shim6_fair_slot {
	u32 key;
	u32 tat;
};

/**
 * struct shim6_fair - who has sent lately what a daemon has to deal with
 * @seed: so that nobody outside knows which sources share a slot
 * @reports: the rates of reports about sources that are new, and of the others
 * @slot: by a hash of the source
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
