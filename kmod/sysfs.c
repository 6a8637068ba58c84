// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/net/DEV/sluice/PARENT/: see Documentation/ABI/testing.
 *
 * A directory is not a qdisc but a *slot*, a place below (device, parent).
 * When a qdisc is replaced by one with another handle, the new one is
 * initialised while the old one still lives in the same place; and if the
 * graft fails, the new one dies and the old one goes on. So a slot keeps the list
 * of the live qdiscs of its place, and the files speak for the newest.
 *
 * Lifetimes. Slots and the per-device directory "sluice" above them are
 * kobjects of their own, not part of a qdisc's private data, since sysfs decides
 * when the last reference goes. Each holds a reference to the module for its
 * release function.
 *
 * Locks. Creation and removal run under RTNL and take dirs_lock. Shows and
 * stores run inside an active reference to their file, for which removal
 * waits; so they take neither RTNL nor dirs_lock, only the slot's mutex,
 * which removal does not hold while it waits. A file that is opened or being
 * written while the last qdisc goes finds an empty list: ENODEV.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "slot.h"

/* The directory "sluice" of one device. */
struct sluice_devdir {
	struct kobject kobj;
	struct hlist_node node;
	struct net_device *dev;
	unsigned int slots;
};

static DEFINE_MUTEX(dirs_lock);
static DEFINE_HASHTABLE(devdirs, 8);
static DEFINE_HASHTABLE(slots, 10);

/* --- who waits for a change ----------------------------------------------- */

/*
 * A lease needs no timer to end, but who polls wants to know when it did. So
 * there is work that looks when the first lease is due; it belongs to the slot, takes the
 * slot's mutex only, and is gone before the slot is.
 */
static void slot_look_again(struct sluice_slot *slot, u32 ms)
{
	if (ms)
		mod_delayed_work(system_wq, &slot->leases, msecs_to_jiffies(ms) + 1);
}

static void slot_leases(struct work_struct *work)
{
	struct sluice_slot *slot = container_of(to_delayed_work(work), struct sluice_slot, leases);
	bool lapsed = false;
	struct sluice_sched *q;
	u32 next_ms = 0;

	mutex_lock(&slot->lock);
	list_for_each_entry(q, &slot->qdiscs, slot_node) {
		u32 lapses;

		next_ms = min_not_zero(next_ms, sluice_leases_check(q));
		lapses = atomic_read(&q->lease_expired) + atomic_read(&q->tree_lease_expired);
		lapsed |= lapses != q->lapses_notified;
		q->lapses_notified = lapses;
	}
	slot_look_again(slot, next_ms);
	mutex_unlock(&slot->lock);
	if (lapsed)
		sysfs_notify_dirent(slot->source);
}

void sluice_dir_notify(struct sluice_sched *q)
{
	sysfs_notify_dirent(q->slot->source);
	slot_look_again(q->slot, sluice_leases_check(q));
}

/* --- kobjects ------------------------------------------------------------- */

static void slot_release(struct kobject *kobj)
{
	struct sluice_slot *slot = container_of(kobj, struct sluice_slot, kobj);

	sysfs_put(slot->source);
	mutex_destroy(&slot->lock);
	kfree(slot);
	module_put(THIS_MODULE);
}

static void slot_get_ownership(SLUICE_OWNERSHIP_CONST struct kobject *kobj, kuid_t *uid,
			       kgid_t *gid)
{
	const struct sluice_slot *slot = container_of(kobj, struct sluice_slot, kobj);

	net_ns_get_ownership(dev_net(slot->dev), uid, gid);
}

static const struct kobj_type slot_ktype = {
	.release = slot_release,
	.sysfs_ops = &sluice_sysfs_ops,
	.default_groups = sluice_slot_groups,
	.get_ownership = slot_get_ownership,
};

static void devdir_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct sluice_devdir, kobj));
	module_put(THIS_MODULE);
}

static void devdir_get_ownership(SLUICE_OWNERSHIP_CONST struct kobject *kobj, kuid_t *uid,
				 kgid_t *gid)
{
	const struct sluice_devdir *dir = container_of(kobj, struct sluice_devdir, kobj);

	net_ns_get_ownership(dev_net(dir->dev), uid, gid);
}

static const struct kobj_type devdir_ktype = {
	.release = devdir_release,
	.sysfs_ops = &sluice_sysfs_ops,
	.get_ownership = devdir_get_ownership,
};

static struct sluice_devdir *devdir_get(struct net_device *dev)
{
	struct sluice_devdir *dir;
	int err;

	hash_for_each_possible(devdirs, dir, node, (unsigned long)dev) {
		if (dir->dev == dev) {
			dir->slots++;
			return dir;
		}
	}

	dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	if (!dir)
		return ERR_PTR(-ENOMEM);
	dir->dev = dev;
	dir->slots = 1;
	__module_get(THIS_MODULE);
	err = kobject_init_and_add(&dir->kobj, &devdir_ktype, &dev->dev.kobj, "sluice");
	if (err) {
		kobject_put(&dir->kobj);
		return ERR_PTR(err);
	}
	hash_add(devdirs, &dir->node, (unsigned long)dev);
	return dir;
}

static void devdir_put(struct sluice_devdir *dir)
{
	if (--dir->slots)
		return;
	hash_del(&dir->node);
	kobject_del(&dir->kobj);
	kobject_put(&dir->kobj);
}

static unsigned long slot_key(const struct net_device *dev, u32 parent)
{
	return (unsigned long)dev ^ parent;
}

static struct sluice_slot *slot_find(const struct net_device *dev, u32 parent)
{
	struct sluice_slot *slot;

	hash_for_each_possible(slots, slot, node, slot_key(dev, parent)) {
		if (slot->dev == dev && slot->parent == parent)
			return slot;
	}
	return NULL;
}

static struct sluice_slot *slot_create(struct net_device *dev, u32 parent)
{
	struct sluice_slot *slot;
	char name[16] = "root";
	int err;

	slot = kzalloc(sizeof(*slot), GFP_KERNEL);
	if (!slot)
		return ERR_PTR(-ENOMEM);
	mutex_init(&slot->lock);
	INIT_DELAYED_WORK(&slot->leases, slot_leases);
	INIT_LIST_HEAD(&slot->qdiscs);
	slot->dev = dev;
	slot->parent = parent;
	slot->devdir = devdir_get(dev);
	if (IS_ERR(slot->devdir)) {
		err = PTR_ERR(slot->devdir);
		kfree(slot);
		return ERR_PTR(err);
	}

	if (parent != TC_H_ROOT)
		snprintf(name, sizeof(name), "%x:%x", TC_H_MAJ(parent) >> 16, TC_H_MIN(parent));
	__module_get(THIS_MODULE);
	err = kobject_init_and_add(&slot->kobj, &slot_ktype, &slot->devdir->kobj, "%s", name);
	if (!err) {
		err = sysfs_create_bin_file(&slot->kobj, &sluice_tree_attr);
		slot->source = sysfs_get_dirent(slot->kobj.sd, "source");
		if (!err && !slot->source)
			err = -ENOMEM;
		if (err)
			kobject_del(&slot->kobj);
	}
	if (err) {
		struct sluice_devdir *dir = slot->devdir;

		kobject_put(&slot->kobj);
		devdir_put(dir);
		return ERR_PTR(err);
	}
	hash_add(slots, &slot->node, slot_key(dev, parent));
	return slot;
}

/* --- what the qdisc calls ------------------------------------------------- */

int sluice_dir_add(struct sluice_sched *q)
{
	struct net_device *dev = qdisc_dev(q->sch);
	struct sluice_slot *slot;
	int err = 0;

	mutex_lock(&dirs_lock);
	slot = slot_find(dev, q->sch->parent);
	if (!slot)
		slot = slot_create(dev, q->sch->parent);
	if (IS_ERR(slot)) {
		err = PTR_ERR(slot);
		goto out;
	}
	q->slot = slot;
	mutex_lock(&slot->lock);
	list_add(&q->slot_node, &slot->qdiscs);
	mutex_unlock(&slot->lock);
out:
	mutex_unlock(&dirs_lock);
	return err;
}

void sluice_dir_remove(struct sluice_sched *q)
{
	struct sluice_slot *slot = q->slot;
	bool last;

	if (!slot)
		return;
	mutex_lock(&dirs_lock);
	mutex_lock(&slot->lock);
	list_del_init(&q->slot_node);
	last = list_empty(&slot->qdiscs);
	mutex_unlock(&slot->lock);
	if (last) {
		struct sluice_devdir *dir = slot->devdir;

		hash_del(&slot->node);
		kobject_del(&slot->kobj);	/* waits for shows and stores */
		cancel_delayed_work_sync(&slot->leases);
		kobject_put(&slot->kobj);
		devdir_put(dir);
	}
	q->slot = NULL;
	mutex_unlock(&dirs_lock);
}

void sluice_lock(struct sluice_sched *q)
{
	mutex_lock(&q->slot->lock);
}

void sluice_unlock(struct sluice_sched *q)
{
	mutex_unlock(&q->slot->lock);
}
