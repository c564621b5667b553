/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_OFFLOAD_H
#define _SHIM6_OFFLOAD_H

struct list_head;
struct sk_buff;
struct sock;

struct sk_buff *shim6_udp_gro_receive(struct sock *sk, struct list_head *head,
				      struct sk_buff *skb);
int shim6_udp_gro_complete(struct sock *sk, struct sk_buff *skb, int nhoff);
int shim6_offload_init(void);
void shim6_offload_exit(void);

#endif /* _SHIM6_OFFLOAD_H */
