/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CARD_H
#define _SHIM6_CARD_H

#include <linux/types.h>

struct sk_buff;

bool shim6_card_cuts(const struct sk_buff *skb);
bool shim6_card_sums(const struct sk_buff *skb);

#endif /* _SHIM6_CARD_H */
