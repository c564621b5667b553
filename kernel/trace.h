/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: changes of a context, packets that are dropped, and events for the
 * daemon. `perf trace -e 'shim6:*'` or /sys/kernel/tracing/events/shim6 show them;
 * docs/counters.md has examples.
 *
 * Tags are not shown: anybody who knows one can put packets into a context.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM shim6

#if !defined(_SHIM6_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SHIM6_TRACE_H

#include <linux/in6.h>
#include <linux/tracepoint.h>

#include <uapi/linux/shim6.h>

#include "context.h"
#include "state.h"
#include "stats.h"

#define shim6_show_state(state)						\
	__print_symbolic(state,						\
		{ SHIM6_CONTEXT_STATE_I1_SENT, "i1-sent" },		\
		{ SHIM6_CONTEXT_STATE_I2_SENT, "i2-sent" },		\
		{ SHIM6_CONTEXT_STATE_ESTABLISHED, "established" },	\
		{ SHIM6_CONTEXT_STATE_I2BIS_SENT, "i2bis-sent" })

#define shim6_show_reap_state(state)					\
	__print_symbolic(state,						\
		{ SHIM6_REAP_STATE_OPERATIONAL, "operational" },	\
		{ SHIM6_REAP_STATE_EXPLORING, "exploring" },		\
		{ SHIM6_REAP_STATE_INBOUND_OK, "inbound-ok" })

#define shim6_show_reap_event(event)					\
	__print_symbolic(event,						\
		{ SHIM6_REAP_EVENT_SEND_TIMEOUT, "send-timeout" },	\
		{ SHIM6_REAP_EVENT_INBOUND, "inbound" },		\
		{ SHIM6_REAP_EVENT_PAYLOAD, "payload" },		\
		{ SHIM6_REAP_EVENT_RETRANSMISSION, "retransmission" },	\
		{ SHIM6_REAP_EVENT_SILENCE, "silence" }, \
		{ SHIM6_REAP_EVENT_UNANSWERED, "unanswered" }, \
		{ SHIM6_REAP_EVENT_RESUMPTION, "resumption" }, \
		{ SHIM6_REAP_EVENT_FEEDBACK, "feedback" })

#define shim6_show_change(what)						\
	__print_symbolic(what,						\
		{ SHIM6_TRACE_NEW, "new" },				\
		{ SHIM6_TRACE_SET, "set" },				\
		{ SHIM6_TRACE_DEL, "del" })

TRACE_EVENT(shim6_context,
	TP_PROTO(const struct shim6_context *ctx, int what),
	TP_ARGS(ctx, what),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u32, fii)
		__field(u8, what)
		__field(u8, state)
		__field(u8, reap_state)
		__array(u8, local, sizeof(struct in6_addr))
		__array(u8, peer, sizeof(struct in6_addr))
	),
	TP_fast_assign(
		__entry->netns = ctx->sn->net->ns.inum;
		__entry->fii = ctx->ulids.fii;
		__entry->what = what;
		__entry->state = ctx->state;
		__entry->reap_state = ctx->reap_state;
		memcpy(__entry->local, &ctx->ulids.local,
		       sizeof(struct in6_addr));
		memcpy(__entry->peer, &ctx->ulids.peer,
		       sizeof(struct in6_addr));
	),
	TP_printk("netns=%u %s %pI6c %pI6c fii=%u state=%s reap-state=%s",
		  __entry->netns, shim6_show_change(__entry->what),
		  __entry->local, __entry->peer, __entry->fii,
		  shim6_show_state(__entry->state),
		  shim6_show_reap_state(__entry->reap_state))
);

TRACE_EVENT(shim6_switch,
	TP_PROTO(const struct shim6_context *ctx, const struct in6_addr *local,
		 const struct in6_addr *peer),
	TP_ARGS(ctx, local, peer),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u32, fii)
		__field(u32, switches)
		__array(u8, ulid_local, sizeof(struct in6_addr))
		__array(u8, ulid_peer, sizeof(struct in6_addr))
		__array(u8, local, sizeof(struct in6_addr))
		__array(u8, peer, sizeof(struct in6_addr))
	),
	TP_fast_assign(
		__entry->netns = ctx->sn->net->ns.inum;
		__entry->fii = ctx->ulids.fii;
		__entry->switches = ctx->switches;
		memcpy(__entry->ulid_local, &ctx->ulids.local,
		       sizeof(struct in6_addr));
		memcpy(__entry->ulid_peer, &ctx->ulids.peer,
		       sizeof(struct in6_addr));
		memcpy(__entry->local, local, sizeof(struct in6_addr));
		memcpy(__entry->peer, peer, sizeof(struct in6_addr));
	),
	TP_printk("netns=%u %pI6c %pI6c fii=%u locator-local=%pI6c locator-peer=%pI6c switches=%u",
		  __entry->netns, __entry->ulid_local, __entry->ulid_peer,
		  __entry->fii, __entry->local, __entry->peer,
		  __entry->switches)
);

TRACE_EVENT(shim6_reap,
	TP_PROTO(const struct shim6_context *ctx, u32 event),
	TP_ARGS(ctx, event),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u32, fii)
		__field(u32, event)
		__field(u8, reap_state)
		__array(u8, local, sizeof(struct in6_addr))
		__array(u8, peer, sizeof(struct in6_addr))
	),
	TP_fast_assign(
		__entry->netns = ctx->sn->net->ns.inum;
		__entry->fii = ctx->ulids.fii;
		__entry->event = event;
		__entry->reap_state = ctx->reap_state;
		memcpy(__entry->local, &ctx->ulids.local,
		       sizeof(struct in6_addr));
		memcpy(__entry->peer, &ctx->ulids.peer,
		       sizeof(struct in6_addr));
	),
	TP_printk("netns=%u %pI6c %pI6c fii=%u event=%s reap-state=%s",
		  __entry->netns, __entry->local, __entry->peer, __entry->fii,
		  shim6_show_reap_event(__entry->event),
		  shim6_show_reap_state(__entry->reap_state))
);

TRACE_EVENT(shim6_acquire,
	TP_PROTO(const struct shim6_net *sn, const struct shim6_ulids *ulids,
		 u64 packets),
	TP_ARGS(sn, ulids, packets),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u64, packets)
		__array(u8, local, sizeof(struct in6_addr))
		__array(u8, peer, sizeof(struct in6_addr))
	),
	TP_fast_assign(
		__entry->netns = sn->net->ns.inum;
		__entry->packets = packets;
		memcpy(__entry->local, &ulids->local, sizeof(struct in6_addr));
		memcpy(__entry->peer, &ulids->peer, sizeof(struct in6_addr));
	),
	TP_printk("netns=%u %pI6c %pI6c packets=%llu", __entry->netns,
		  __entry->local, __entry->peer, __entry->packets)
);

/* A packet is dropped; the reason is the name of the counter that counts it. */
TRACE_EVENT(shim6_drop,
	TP_PROTO(const struct shim6_net *sn, const struct sk_buff *skb,
		 int counter),
	TP_ARGS(sn, skb, counter),
	TP_STRUCT__entry(
		__field(const void *, skbaddr)
		__field(unsigned int, netns)
		__field(unsigned int, len)
		__string(reason, shim6_stats_name(counter))
		__array(u8, source, sizeof(struct in6_addr))
		__array(u8, destination, sizeof(struct in6_addr))
	),
	TP_fast_assign(
		__entry->skbaddr = skb;
		__entry->netns = sn->net->ns.inum;
		__entry->len = skb->len;
		shim6_assign_str(reason, shim6_stats_name(counter));
		memcpy(__entry->source, &ipv6_hdr(skb)->saddr,
		       sizeof(struct in6_addr));
		memcpy(__entry->destination, &ipv6_hdr(skb)->daddr,
		       sizeof(struct in6_addr));
	),
	TP_printk("netns=%u reason=%s %pI6c > %pI6c len=%u skbaddr=%p",
		  __entry->netns, __get_str(reason), __entry->source,
		  __entry->destination, __entry->len, __entry->skbaddr)
);

#endif /* _SHIM6_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
