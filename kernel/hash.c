// SPDX-License-Identifier: GPL-2.0
/*
 * The secrets of the hash by which contexts are found.
 */
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/random.h>

#include "hash.h"

u32 shim6_hash_words[SHIM6_HASH_WORDS] __ro_after_init;
u64 shim6_hash_odd __ro_after_init;

/**
 * shim6_hash_init - choose the secrets; must run before there is a table
 */
void __init shim6_hash_init(void)
{
	get_random_bytes(shim6_hash_words, sizeof(shim6_hash_words));
	get_random_bytes(&shim6_hash_odd, sizeof(shim6_hash_odd));
	shim6_hash_odd |= 1;
}
