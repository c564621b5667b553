// SPDX-License-Identifier: GPL-2.0
/*
 * A module that misbehaves on request, to show that the runner tells the
 * kinds of misbehaviour apart. It loads in any case.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *what = "nothing";
module_param(what, charp, 0444);

static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);

static void splat_uaf(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	kfree((void *)p);
	p[8] = 1;
}

static void splat_oob(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	p[64] = 1;
	kfree((void *)p);
}

/* Many objects, because a stale register may hide a single one. */
static void splat_leak(void)
{
	void *p;
	int i;

	for (i = 0; i < 32; i++) {
		p = kmalloc(4000, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

static void splat_lock(void)
{
	spin_lock(&lock_a);
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	spin_unlock(&lock_a);

	spin_lock(&lock_b);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_b);
}

static int __init splat_init(void)
{
	pr_info("vm_splat: %s\n", what);
	if (!strcmp(what, "warn"))
		WARN(1, "asked for\n");
	else if (!strcmp(what, "bug"))
		BUG();
	else if (!strcmp(what, "panic"))
		panic("asked for");
	else if (!strcmp(what, "null"))
		WRITE_ONCE(*(volatile int *)8, 1);
	else if (!strcmp(what, "uaf"))
		splat_uaf();
	else if (!strcmp(what, "oob"))
		splat_oob();
	else if (!strcmp(what, "leak"))
		splat_leak();
	else if (!strcmp(what, "lock"))
		splat_lock();
	else if (!strcmp(what, "sleep")) {
		spin_lock(&lock_a);
		msleep(1);
		spin_unlock(&lock_a);
	}
	return 0;
}

static void __exit splat_exit(void)
{
}

module_init(splat_init);
module_exit(splat_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Misbehaves on request, for the runner's own tests");
