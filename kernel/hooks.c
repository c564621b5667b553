// SPDX-License-Identifier: GPL-2.0
/*
 * The netfilter hooks of a namespace are registered only while it has a context
 * or a daemon: a namespace that does not use Shim6 does not pay for it.
 *
 * The last hook at PRE_ROUTING is there only for other hooks between it and the first
 * (rpfilter.c). Without them it is not registered. Nobody tells us when they come, so
 * we look whenever a context comes or changes, and when a packet is re-homed; in this
 * case, hooks that have just come see some packets without our mark.
 */
#include <linux/netfilter_ipv6.h>

#include "filter.h"
#include "hooks.h"
#include "state.h"

/* A packet was re-homed, and the last hook was missing. */
static void shim6_hooks_last_work(struct work_struct *work)
{
	struct shim6_net *sn = container_of(work, struct shim6_net,
					    hooks.last_work);

	mutex_lock(&sn->table.lock);
	shim6_hooks_look(sn);
	mutex_unlock(&sn->table.lock);
}

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
	INIT_WORK(&sn->hooks.last_work, shim6_hooks_last_work);
}

static void shim6_hooks_unregister(struct shim6_net *sn)
{
	struct shim6_hooks *h = &sn->hooks;

	nf_unregister_net_hooks(sn->net, h->ops, SHIM6_HOOK_LAST);
	if (!h->last)
		return;
	WRITE_ONCE(h->last, false);
	synchronize_net();
	nf_unregister_net_hook(sn->net, &h->ops[SHIM6_HOOK_LAST]);
}

/**
 * shim6_hooks_look - register the last hook if somebody else has hooks at PRE_ROUTING
 * @sn: the namespace's state; the caller holds the table's lock
 *
 * If there is no memory for it, the next look tries again.
 */
void shim6_hooks_look(struct shim6_net *sn)
{
	struct shim6_hooks *h = &sn->hooks;
	bool others;

	lockdep_assert_held(&sn->table.lock);
	if (!h->users || h->gone || h->last)
		return;
	rcu_read_lock();
	others = shim6_filter_hooked(sn->net, NF_INET_PRE_ROUTING, 1);
	rcu_read_unlock();
	if (!others || nf_register_net_hook(sn->net, &h->ops[SHIM6_HOOK_LAST]))
		return;
	/* A packet that is between the hooks already would keep its mark. */
	synchronize_net();
	WRITE_ONCE(h->last, true);
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
		err = nf_register_net_hooks(sn->net, h->ops, SHIM6_HOOK_LAST);
		if (err)
			return err;
	}
	WRITE_ONCE(h->users, h->users + 1);
	shim6_hooks_look(sn);
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
		shim6_hooks_unregister(sn);
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
		shim6_hooks_unregister(sn);
	mutex_unlock(&sn->table.lock);
}

/**
 * shim6_hooks_net_exit - no work is left
 * @sn: the namespace's state; no packet passes its hooks any more
 */
void shim6_hooks_net_exit(struct shim6_net *sn)
{
	cancel_work_sync(&sn->hooks.last_work);
}
