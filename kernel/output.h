/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_OUTPUT_H
#define _SHIM6_OUTPUT_H

struct nf_hook_state;
struct sk_buff;

unsigned int shim6_output(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state);

#endif /* _SHIM6_OUTPUT_H */
