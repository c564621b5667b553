// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sends a line to a UDP service that answers, and shows by which locators both go.
 *
 * usage: monitor ADDRESS PORT LINE		(cc monitor.c $(pkg-config --cflags --libs libshim6))
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <shim6.h>

static void show(const char *what, const struct in6_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	printf("%s %s\n", what, inet_ntop(AF_INET6, a, text, sizeof(text)));
}

int main(int argc, char **argv)
{
	const struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM };
	char answer[1500], control[256];
	struct iovec iov = { .iov_base = answer, .iov_len = sizeof(answer) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	struct shim_locator pairs[4];
	socklen_t len = sizeof(pairs);
	struct sockaddr_in6 from;
	struct addrinfo *to;
	struct cmsghdr *c;
	int fd, one = 1;
	ssize_t n;

	if (argc != 4 || getaddrinfo(argv[1], argv[2], &hints, &to)) {
		fprintf(stderr, "usage: monitor ADDRESS PORT LINE\n");
		return 2;
	}
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) || send(fd, argv[3], strlen(argv[3]), 0) < 0) {
		perror(argv[1]);
		return 1;
	}
	if (setsockopt(fd, SOL_SHIM, SHIM_LOC_LOCAL_RECV, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SHIM, SHIM_LOC_PEER_RECV, &one, sizeof(one)) ||
	    getsockopt(fd, SOL_SHIM, SHIM_PAIRS, pairs, &len)) {
		perror("no context of Shim6");
		return 1;
	}
	show("we send from", &pairs[0].lc_addr);
	show("to", &pairs[1].lc_addr);
	n = shim6_recvmsg(fd, &msg, 0);
	if (n < 0) {
		perror("no answer");
		return 1;
	}
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		memcpy(&from, CMSG_DATA(c), sizeof(from));
		if (c->cmsg_level == SOL_SHIM && c->cmsg_type == SHIM_LOC_LOCAL_RECV)
			show("the peer sends to", &from.sin6_addr);
		if (c->cmsg_level == SOL_SHIM && c->cmsg_type == SHIM_LOC_PEER_RECV)
			show("from", &from.sin6_addr);
	}
	printf("%.*s\n", (int)n, answer);
	return 0;
}
