/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_CARD_H
#define _SHIM6_CARD_H

#include <linux/types.h>

struct sk_buff;

bool shim6_card_cuts(struct sk_buff *skb, bool udp);
bool shim6_card_sums(struct sk_buff *skb, bool udp);

#endif /* _SHIM6_CARD_H */
