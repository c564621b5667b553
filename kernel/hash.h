/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hash of the context tables: every packet pays for it at both ends.
 *
 * It is NH, the universal hash that UMAC uses (RFC 4418 section 5.2). Two different
 * keys collide with a probability of 2^-32, even if an attacker has chosen them, as
 * long as the words in shim6_hash_words are secret. NH takes one multiplication
 * for two words, which for a ULID pair is a third of the cost of jhash2(). Its 64
 * bits become a bucket by a multiplication with a random odd number, mixed with
 * the table's own seed, which changes when chains get too long.
 */
#ifndef _SHIM6_HASH_H
#define _SHIM6_HASH_H

#include <linux/types.h>

/* The words of a ULID pair and its FII, and one more to make the number even. */
#define SHIM6_HASH_WORDS	10

/* Chosen at random when the module is loaded. */
extern u32 shim6_hash_words[SHIM6_HASH_WORDS];
extern u64 shim6_hash_odd;

static inline u64 shim6_hash_two(const u32 *w, unsigned int i)
{
	return (u64)(w[i] + shim6_hash_words[i]) *
	       (w[i + 1] + shim6_hash_words[i + 1]);
}

static inline u32 shim6_hash_end(u64 h, u32 seed)
{
	h ^= h >> 32;
	return ((h ^ seed) * shim6_hash_odd) >> 32;
}

/* The hash of a struct shim6_ulids, with the arguments that rhashtables give. */
static inline u32 shim6_hash_ulids(const void *key, u32 len, u32 seed)
{
	const u32 *w = key;

	return shim6_hash_end(shim6_hash_two(w, 0) + shim6_hash_two(w, 2) +
			      shim6_hash_two(w, 4) + shim6_hash_two(w, 6) +
			      (u64)(w[8] + shim6_hash_words[8]) *
				      shim6_hash_words[9], seed);
}

/* The hash of a tag, a u64, with the same arguments. */
static inline u32 shim6_hash_tag(const void *key, u32 len, u32 seed)
{
	return shim6_hash_end(shim6_hash_two(key, 0), seed);
}

void shim6_hash_init(void);

#endif /* _SHIM6_HASH_H */
