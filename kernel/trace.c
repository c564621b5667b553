// SPDX-License-Identifier: GPL-2.0
/*
 * The bodies of the tracepoints, which are in trace.h.
 */
#include <net/ipv6.h>

#include "compat.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
