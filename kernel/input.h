/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_INPUT_H
#define _SHIM6_INPUT_H

struct nf_hook_state;
struct shim6_net;
struct sk_buff;

unsigned int shim6_input(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state);
int shim6_input_init(void);
void shim6_input_exit(void);

void shim6_input_udp(struct shim6_net *sn, struct sk_buff *skb);

#endif /* _SHIM6_INPUT_H */
