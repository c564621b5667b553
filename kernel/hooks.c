// SPDX-License-Identifier: GPL-2.0
/*
 * The netfilter hooks of a namespace are registered only while it has a context
 * or a daemon: a namespace that does not use Shim6 does not pay for it.
 */
#include "hooks.h"
#include "state.h"

/**
 * shim6_hooks_net_init - which hooks a namespace has when it needs them
 * @sn: the namespace's state, seen by nobody else yet
 * @ops: the hooks, copied
 */
void shim6_hooks_net_init(struct shim6_net *sn,
			  const struct nf_hook_ops ops[SHIM6_HOOKS])
{
	int i;

	for (i = 0; i < SHIM6_HOOKS; i++) {
		sn->hooks.ops[i] = ops[i];
		sn->hooks.ops[i].priv = sn;
	}
}

/**
 * shim6_hooks_get - one more context or daemon needs the hooks
 * @sn: the namespace's state; the caller holds the table's lock
 *
 * Return: 0 or a negative errno.
 */
int shim6_hooks_get(struct shim6_net *sn)
{
	struct shim6_hooks *h = &sn->hooks;
	int err;

	lockdep_assert_held(&sn->table.lock);
	if (!h->users && !h->gone) {
		err = nf_register_net_hooks(sn->net, h->ops, SHIM6_HOOKS);
		if (err)
			return err;
	}
	WRITE_ONCE(h->users, h->users + 1);
	return 0;
}

/**
 * shim6_hooks_put - one context or daemon less needs the hooks
 * @sn: the namespace's state; the caller holds the table's lock
 */
void shim6_hooks_put(struct shim6_net *sn)
{
	struct shim6_hooks *h = &sn->hooks;

	lockdep_assert_held(&sn->table.lock);
	WRITE_ONCE(h->users, h->users - 1);
	if (!h->users && !h->gone)
		nf_unregister_net_hooks(sn->net, h->ops, SHIM6_HOOKS);
}

/**
 * shim6_hooks_used - has a namespace a context or a daemon?
 * @sn: the namespace's state; no lock is needed
 */
bool shim6_hooks_used(const struct shim6_net *sn)
{
	return READ_ONCE(sn->hooks.users);
}

/**
 * shim6_hooks_net_pre_exit - the namespace is on its way out: no hooks from now on
 * @sn: the namespace's state
 *
 * A grace period must pass before anything is freed that packets use.
 */
void shim6_hooks_net_pre_exit(struct shim6_net *sn)
{
	struct shim6_hooks *h = &sn->hooks;

	mutex_lock(&sn->table.lock);
	h->gone = true;
	if (h->users)
		nf_unregister_net_hooks(sn->net, h->ops, SHIM6_HOOKS);
	mutex_unlock(&sn->table.lock);
}
