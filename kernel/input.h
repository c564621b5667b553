/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_INPUT_H
#define _SHIM6_INPUT_H

struct nf_hook_state;
struct sk_buff;

unsigned int shim6_input(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state);
int shim6_input_init(void);
void shim6_input_exit(void);

#endif /* _SHIM6_INPUT_H */
