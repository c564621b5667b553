// SPDX-License-Identifier: GPL-2.0
/*
 * Shim6: Level 3 multihoming shim protocol for IPv6 (RFC 5533).
 *
 * This file is the table of contents: each concept has a file of its own. They are
 * set up here, each after those that it needs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/genetlink.h>

#include <uapi/linux/shim6.h>

#include "context.h"
#include "daemon.h"
#include "hash.h"
#include "input.h"
#include "mtu.h"
#include "netlink.h"
#include "netns.h"
#include "offload.h"
#include "path.h"
#include "sockets.h"
#include "sockopt.h"

static int __init shim6_init(void)
{
	int err;

	shim6_hash_init();
	err = shim6_context_init();
	if (err)
		goto err_context;

	err = shim6_path_init();
	if (err)
		goto err_path;

	err = shim6_sockets_init();
	if (err)
		goto err_sockets;

	err = shim6_netns_init();
	if (err)
		goto err_netns;

	err = shim6_mtu_init();
	if (err)
		goto err_mtu;

	err = shim6_input_init();
	if (err)
		goto err_input;

	err = shim6_offload_init();
	if (err)
		goto err_offload;

	err = shim6_daemon_init();
	if (err)
		goto err_daemon;

	err = shim6_netlink_init();
	if (err)
		goto err_netlink;

	err = shim6_sockopt_init();
	if (err)
		goto err_sockopt;

	pr_info("version " SHIM6_VERSION " loaded\n");
	return 0;

err_sockopt:
	shim6_netlink_exit();
err_netlink:
	shim6_daemon_exit();
err_daemon:
	shim6_offload_exit();
err_offload:
	shim6_input_exit();
err_input:
	shim6_mtu_exit();
err_mtu:
	shim6_netns_exit();
err_netns:
	shim6_sockets_exit();
err_sockets:
	shim6_path_exit();
err_path:
	shim6_context_exit();
err_context:
	return err;
}

static void __exit shim6_exit(void)
{
	/* Waits for packets still in GRO, so it must run while everything else works. */
	shim6_offload_exit();
	shim6_sockopt_exit();
	shim6_sockets_stop();
	shim6_netlink_exit();
	shim6_daemon_exit();
	shim6_input_exit();
	shim6_mtu_exit();
	shim6_netns_exit();
	shim6_sockets_exit();
	shim6_context_exit();
	shim6_path_exit();
	pr_info("unloaded\n");
}

module_init(shim6_init);
module_exit(shim6_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Shim6 multihoming shim for IPv6 (RFC 5533)");
MODULE_AUTHOR("The shim6 authors");
MODULE_VERSION(SHIM6_VERSION);
MODULE_ALIAS_GENL_FAMILY(SHIM6_FAMILY_NAME);
