// SPDX-License-Identifier: BSD-3-Clause
/* The ancillary data of RFC 6316, section 7, by options of sockets. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shim6.h"

/* The data of a piece of ancillary data, which is as long as it says. */
static size_t data_len(const struct cmsghdr *c)
{
	return c->cmsg_len < CMSG_LEN(0) ? 0 : c->cmsg_len - CMSG_LEN(0);
}

static bool is_shim(const struct cmsghdr *c)
{
	return c->cmsg_level == SOL_SHIM && c->cmsg_type >= SHIM_ASSOCIATED && c->cmsg_type <= SHIM_PAIRS;
}

static int send_locator(int fd, const struct cmsghdr *c)
{
	struct shim_locator l = { 0 };
	struct sockaddr_in6 a;

	if (data_len(c) < sizeof(a)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&a, CMSG_DATA(c), sizeof(a));
	l.lc_family = a.sin6_family;
	l.lc_addr = a.sin6_addr;
	return setsockopt(fd, SOL_SHIM, c->cmsg_type, &l, sizeof(l));
}

/* Does what one piece of ancillary data of level SOL_SHIM asks for. */
static int send_one(int fd, const struct cmsghdr *c)
{
	switch (c->cmsg_type) {
	case SHIM_FEEDBACK:
		return setsockopt(fd, SOL_SHIM, SHIM_FEEDBACK, CMSG_DATA(c), data_len(c));
	case SHIM_LOC_LOCAL_SEND:
	case SHIM_LOC_PEER_SEND:
		return send_locator(fd, c);
	}
	errno = EINVAL;
	return -1;
}

ssize_t shim6_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr rest = *msg;
	struct cmsghdr *c;
	char *to = NULL;
	size_t used = 0;
	ssize_t n = -1;
	int was;

	if (!msg->msg_control || !msg->msg_controllen)
		return sendmsg(fd, msg, flags);
	to = calloc(1, msg->msg_controllen + CMSG_ALIGN(1));
	if (!to)
		return -1;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_len < sizeof(*c) ||
		    c->cmsg_len > msg->msg_controllen - ((char *)c - (char *)msg->msg_control)) {
			errno = EINVAL;
			goto out;
		}
		if (is_shim(c)) {
			if (send_one(fd, c))
				goto out;
			continue;
		}
		memcpy(to + used, c, c->cmsg_len);
		used += CMSG_ALIGN(c->cmsg_len);
	}
	rest.msg_control = used ? to : NULL;
	rest.msg_controllen = used;
	n = sendmsg(fd, &rest, flags);
out:
	was = errno;
	free(to);
	errno = was;
	return n;
}

static bool wants(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return !getsockopt(fd, SOL_SHIM, option, &value, &len) && value == 1;
}

/* Adds one locator behind what the kernel has given. */
static void add(struct msghdr *msg, size_t room, int type, const struct shim_locator *l)
{
	const size_t at = CMSG_ALIGN(msg->msg_controllen);
	struct sockaddr_in6 a = { 0 };
	struct cmsghdr c = { .cmsg_len = CMSG_LEN(sizeof(a)), .cmsg_level = SOL_SHIM, .cmsg_type = type };

	if (at + CMSG_SPACE(sizeof(a)) > room) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	a.sin6_family = l->lc_family;
	a.sin6_addr = l->lc_addr;
	memset((char *)msg->msg_control + at, 0, CMSG_SPACE(sizeof(a)));
	memcpy((char *)msg->msg_control + at, &c, sizeof(c));
	memcpy((char *)msg->msg_control + at + CMSG_LEN(0), &a, sizeof(a));
	msg->msg_controllen = at + CMSG_SPACE(sizeof(a));
}

ssize_t shim6_recvmsg(int fd, struct msghdr *msg, int flags)
{
	const size_t room = msg->msg_control ? msg->msg_controllen : 0;
	struct shim_locator pairs[4];
	socklen_t len = sizeof(pairs);
	bool local, peer;
	ssize_t n;
	int was;

	n = recvmsg(fd, msg, flags);
	if (n < 0)
		return n;
	was = errno;
	local = wants(fd, SHIM_LOC_LOCAL_RECV);
	peer = wants(fd, SHIM_LOC_PEER_RECV);
	if ((local || peer) && getsockopt(fd, SOL_SHIM, SHIM_PAIRS, pairs, &len))
		memset(pairs, 0, sizeof(pairs));
	if (local)
		add(msg, room, SHIM_LOC_LOCAL_RECV, &pairs[2]);
	if (peer)
		add(msg, room, SHIM_LOC_PEER_RECV, &pairs[3]);
	errno = was;
	return n;
}
