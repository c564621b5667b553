/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libshim6: the socket API of RFC 6316. The options are the kernel's, and are used by
 * getsockopt() and setsockopt(). The functions here map the ancillary data, which no
 * module can add to sendmsg() and recvmsg(). libshim6(3) describes them.
 */
#ifndef SHIM6_H
#define SHIM6_H

#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <errno.h>

#include <linux/shim6_socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As sendmsg(), and with ancillary data of level SOL_SHIM: SHIM_FEEDBACK,
 * SHIM_LOC_LOCAL_SEND and SHIM_LOC_PEER_SEND. If the kernel refuses any of it, nothing
 * is sent.
 */
ssize_t shim6_sendmsg(int fd, const struct msghdr *msg, int flags);

/*
 * As recvmsg(). If the options SHIM_LOC_LOCAL_RECV and SHIM_LOC_PEER_RECV of the socket
 * are 1, ancillary data of level SOL_SHIM and these types is added, each a struct
 * sockaddr_in6: the locators by which the peer sends at present, or zero if there is no
 * context. Without room for it msg_flags has MSG_CTRUNC.
 */
ssize_t shim6_recvmsg(int fd, struct msghdr *msg, int flags);

#ifdef __cplusplus
}
#endif

#endif
