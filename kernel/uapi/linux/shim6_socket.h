/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * The interface of Shim6 for programs and their sockets: the socket options and the
 * structures of RFC 6316, for TCP, UDP and raw sockets of AF_INET6.
 *
 * shim6.ko serves them at the level IPPROTO_IPV6, where the kernel lets modules
 * have options. The names are the RFC's; their numbers, SOL_SHIM and the errors are
 * left to each system, and are chosen here. Without the module every option is
 * refused with ENOPROTOOPT.
 */
#ifndef _UAPI_LINUX_SHIM6_SOCKET_H
#define _UAPI_LINUX_SHIM6_SOCKET_H

#include <linux/in6.h>
#include <linux/types.h>

/* The level of all options: IPPROTO_IPV6. */
#define SOL_SHIM			41

/* Section 6. "get" and "set" say which calls there are. */
#define SHIM_ASSOCIATED			5533	/* get: int */
#define SHIM_DONTSHIM			5534	/* get, set: int */
#define SHIM_HOT_STANDBY		5535	/* get, set: int */
#define SHIM_LOC_LOCAL_PREF		5536	/* get, set: shim_locator */
#define SHIM_LOC_PEER_PREF		5537	/* get, set: shim_locator */
#define SHIM_LOC_LOCAL_RECV		5538	/* get, set: int */
#define SHIM_LOC_PEER_RECV		5539	/* get, set: int */
#define SHIM_LOC_LOCAL_SEND		5540	/* get, set: shim_locator */
#define SHIM_LOC_PEER_SEND		5541	/* get, set: shim_locator */
#define SHIM_LOCLIST_LOCAL		5542	/* get, set: shim_locator[] */
#define SHIM_LOCLIST_PEER		5543	/* get, set: shim_locator[] */
#define SHIM_APP_TIMEOUT		5544	/* get, set: int, seconds */
#define SHIM_PATHEXPLORE		5545	/* get, set: shim_pathexplore */
#define SHIM_CONTEXT_DEFERRED_SETUP	5546	/* get: int */
/* The RFC has both names for it. */
#define SHIM_DEFERRED_CONTEXT_SETUP	SHIM_CONTEXT_DEFERRED_SETUP

/* Section 7.3: ancillary data in the RFC, and an option here. */
#define SHIM_FEEDBACK			5547	/* set: shim_feedback */

/*
 * Not in the RFC: the locators by which the context of the socket sends, local and
 * peer, and those by which the peer sends, in the same order. libshim6 makes the
 * ancillary data of section 7.1 of it.
 */
#define SHIM_PAIRS			5548	/* get: shim_locator[4] */

/* Section 6.16 and 6.10: errors for which systems have no numbers. */
#define EINVALIDLOCATOR			EADDRNOTAVAIL
#define EUNVERIFIEDLOCATOR		ENONET
#define EUNREACHABLELOCATOR		EHOSTUNREACH
#define ETOOMANYLOCATORS		E2BIG

/* Section 13. */
#define SHIM_MAX_LOCATORS		32

/* lc_flags */
#define SHIM_LC_HBA			0x01
#define SHIM_LC_CGA			0x02

/**
 * struct shim_locator - a locator (section 8.1)
 * @lc_family: AF_INET6
 * @lc_proto: 0, or IPPROTO_UDP if packets are carried in UDP
 * @lc_port: 0
 * @lc_prio: priority; the lowest value is the best
 * @lc_weight: weight among locators of one priority
 * @lc_ifidx: index of the device that has it; only for local locators
 * @lc_addr: the address
 * @lc_flags: SHIM_LC_HBA, SHIM_LC_CGA
 */
struct shim_locator {
	__u8 lc_family;
	__u8 lc_proto;
	__u16 lc_port;
	__u16 lc_prio;
	__u16 lc_weight;
	__u32 lc_ifidx;
	struct in6_addr lc_addr;
	__u16 lc_flags;
};

/**
 * struct shim_pathexplore - how paths are explored (section 8.2)
 * @pe_probenum: Number of Initial Probes
 * @pe_keepaliveto: seconds without a packet after which a failure is suspected,
 *	which RFC 5534 calls the Send Timeout
 * @pe_keepaliveint: seconds between two Keepalives
 * @pe_initprobeto: Initial Probe Timeout, in milliseconds
 * @pe_reserved: 0
 */
struct shim_pathexplore {
	__u16 pe_probenum;
	__u16 pe_keepaliveto;
	__u16 pe_keepaliveint;
	__u16 pe_initprobeto;
	__u32 pe_reserved;
};

/* fb_direction */
#define SHIM_FB_OUTBOUND		0
#define SHIM_FB_INBOUND			1

/* fb_indicator */
#define SHIM_FB_NONE			0
#define SHIM_FB_UNABLE			1
#define SHIM_FB_UNSATISFACTORY		2
#define SHIM_FB_SATISFACTORY		3

/**
 * struct shim_feedback - what a program knows of its path (section 8.3)
 * @fb_direction: SHIM_FB_OUTBOUND or SHIM_FB_INBOUND
 * @fb_indicator: SHIM_FB_NONE to SHIM_FB_SATISFACTORY
 * @fb_reserved: ignored
 */
struct shim_feedback {
	__u8 fb_direction;
	__u8 fb_indicator;
	__u16 fb_reserved;
};

#endif /* _UAPI_LINUX_SHIM6_SOCKET_H */
