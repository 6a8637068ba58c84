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
#include <linux/capability.h>
#include <linux/hashtable.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <net/net_namespace.h>

#include "sluice.h"

/* The directory "sluice" of one device. */
struct sluice_devdir {
	struct kobject kobj;
	struct hlist_node node;
	struct net_device *dev;
	unsigned int slots;
};

struct sluice_slot {
	struct kobject kobj;
	struct hlist_node node;
	struct sluice_devdir *devdir;
	struct net_device *dev;
	u32 parent;
	struct mutex lock;		/* of the list, and of writers of settings */
	struct list_head qdiscs;	/* newest first */
};

static DEFINE_MUTEX(dirs_lock);
static DEFINE_HASHTABLE(devdirs, 8);
static DEFINE_HASHTABLE(slots, 10);

/* --- files ---------------------------------------------------------------- */

struct sluice_attr {
	struct attribute attr;
	ssize_t (*show)(struct sluice_sched *q, const struct sluice_attr *a, char *buf);
	ssize_t (*store)(struct sluice_sched *q, const struct sluice_attr *a, const char *buf);
	u16 index;	/* knob, or offset in struct sluice_qdisc_stats */
	u16 size;	/* of the field there */
};

static struct sluice_slot *to_slot(struct kobject *kobj)
{
	return container_of(kobj, struct sluice_slot, kobj);
}

static struct sluice_sched *slot_newest(struct sluice_slot *slot)
{
	return list_first_entry_or_null(&slot->qdiscs, struct sluice_sched, slot_node);
}

static ssize_t sluice_attr_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct sluice_attr *a = container_of(attr, struct sluice_attr, attr);
	struct sluice_slot *slot = to_slot(kobj);
	struct sluice_sched *q;
	ssize_t ret = -ENODEV;

	mutex_lock(&slot->lock);
	q = slot_newest(slot);
	if (q)
		ret = a->show(q, a, buf);
	mutex_unlock(&slot->lock);
	return ret;
}

static ssize_t sluice_attr_store(struct kobject *kobj, struct attribute *attr, const char *buf,
				 size_t count)
{
	const struct sluice_attr *a = container_of(attr, struct sluice_attr, attr);
	struct sluice_slot *slot = to_slot(kobj);
	struct sluice_sched *q;
	ssize_t ret = -ENODEV;

	mutex_lock(&slot->lock);
	q = slot_newest(slot);
	if (!q)
		goto out;
	if (!ns_capable(dev_net(slot->dev)->user_ns, CAP_NET_ADMIN))
		ret = -EPERM;
	else if (strnlen(buf, count) != count)	/* what a parser would not see behind a NUL */
		ret = -EINVAL;
	else
		ret = a->store(q, a, buf);
out:
	mutex_unlock(&slot->lock);
	return ret ? ret : count;
}

static const struct sysfs_ops sluice_sysfs_ops = {
	.show = sluice_attr_show,
	.store = sluice_attr_store,
};

/* Decimal; kstrtou32() knows overflow as ERANGE, which is EINVAL in our contract. */
static int parse_u32(const char *s, u32 *value)
{
	return kstrtou32(s, 10, value) ? -EINVAL : 0;
}

static ssize_t knob_show(struct sluice_sched *q, const struct sluice_attr *a, char *buf)
{
	return sysfs_emit(buf, "%u\n", sluice_params_writer(q)->knob[a->index]);
}

static ssize_t knob_store(struct sluice_sched *q, const struct sluice_attr *a, const char *buf)
{
	u32 value[SLUICE_KNOB_NR];
	int err;

	err = parse_u32(buf, &value[a->index]);
	if (err)
		return err;
	return sluice_set_knobs(q, value, BIT(a->index), NULL);
}

static ssize_t learned_show(struct sluice_sched *q, const struct sluice_attr *a, char *buf)
{
	struct sluice_set *set = sluice_params_writer(q);
	const struct sluice_aqm_params *p = &set->learned_params;

	if (!sluice_learned_in_force(q, set))
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%u %u %u %u %u\n", p->qth_min, p->qth_max, p->max_p,
			  sluice_lease_remaining_ms(&set->learned_lease),
			  set->learned_lease.generation);
}

static ssize_t learned_store(struct sluice_sched *q, const struct sluice_attr *a, const char *buf)
{
	enum { QTH_MIN, QTH_MAX, MAX_P, LEASE_MS, GENERATION, FIELDS };
	char copy[128], *rest = copy, *word;
	struct sluice_aqm_params p;
	u32 value[FIELDS];
	int n = 0;

	if (strscpy(copy, buf, sizeof(copy)) < 0)
		return -EINVAL;
	rest = strim(copy);
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (n == FIELDS || parse_u32(word, &value[n++]))
			return -EINVAL;
	}
	if (n != FIELDS)
		return -EINVAL;
	if (!(value[QTH_MIN] | value[QTH_MAX] | value[MAX_P] | value[LEASE_MS]))
		return sluice_set_learned(q, NULL, 0, 0);
	p.qth_min = value[QTH_MIN];
	p.qth_max = value[QTH_MAX];
	p.max_p = value[MAX_P];
	return sluice_set_learned(q, &p, value[LEASE_MS], value[GENERATION]);
}

static ssize_t source_show(struct sluice_sched *q, const struct sluice_attr *a, char *buf)
{
	static const char *const word[] = {
		[SLUICE_SRC_BASELINE] = "baseline",
		[SLUICE_SRC_LEARNED] = "learned",
		[SLUICE_SRC_HOLD] = "hold",
		[SLUICE_SRC_TREE] = "tree",
	};
	struct sluice_qdisc_stats st;

	sluice_snapshot(q, &st);
	return sysfs_emit(buf, "%s\n", word[st.source]);
}

static ssize_t field_show(struct sluice_sched *q, const struct sluice_attr *a, char *buf)
{
	struct sluice_qdisc_stats st;
	const void *field = (const char *)&st + a->index;

	sluice_snapshot(q, &st);
	if (a->size == sizeof(u32))
		return sysfs_emit(buf, "%u\n", *(const u32 *)field);
	return sysfs_emit(buf, "%llu\n", *(const u64 *)field);
}

static ssize_t hist_show(struct sluice_sched *q, const struct sluice_attr *a, char *buf)
{
	struct sluice_qdisc_stats st;
	int i, len = 0;

	sluice_snapshot(q, &st);
	for (i = 0; i < SLUICE_HIST_SLOTS; i++)
		len += sysfs_emit_at(buf, len, "%llu%c", st.sojourn_hist[i],
				     i < SLUICE_HIST_SLOTS - 1 ? ' ' : '\n');
	return len;
}

#define FIELD_ATTR(_prefix, _name)						\
	static struct sluice_attr _prefix##_name = {				\
		.attr = { .name = #_name, .mode = 0444 },			\
		.show = field_show,						\
		.index = offsetof(struct sluice_qdisc_stats, _name),		\
		.size = sizeof_field(struct sluice_qdisc_stats, _name),		\
	}

#define X(_name, min, max, def, unit, text)					\
	static struct sluice_attr knob_##_name = {				\
		.attr = { .name = #_name, .mode = 0644 },			\
		.show = knob_show,						\
		.store = knob_store,						\
		.index = SLUICE_KNOB_##_name,					\
	};
SLUICE_KNOBS(X)
#undef X

static struct sluice_attr learned_attr = {
	.attr = { .name = "learned", .mode = 0644 },
	.show = learned_show,
	.store = learned_store,
};
static struct sluice_attr source_attr = {
	.attr = { .name = "source", .mode = 0444 },
	.show = source_show,
};
FIELD_ATTR(top_, generation);
FIELD_ATTR(top_, manual_gen);
FIELD_ATTR(top_, lease_ms);
FIELD_ATTR(top_, lease_expired);

static struct attribute *slot_attrs[] = {
#define X(name, min, max, def, unit, text) &knob_##name.attr,
	SLUICE_KNOBS(X)
#undef X
	&learned_attr.attr,
	&source_attr.attr,
	&top_generation.attr,
	&top_manual_gen.attr,
	&top_lease_ms.attr,
	&top_lease_expired.attr,
	NULL,
};

/* The fields of struct sluice_qdisc_stats that are numbers; sojourn_hist has its own show. */
#define STATS_FIELDS(X)								\
	X(time_ns) X(packets) X(bytes) X(ce_packets) X(ce_bytes)		\
	X(early_drops) X(limit_drops) X(backlog_bytes) X(backlog_packets)	\
	X(backlog_max_bytes) X(backlog_byte_us) X(backlogged_ns)		\
	X(sojourn_samples) X(sojourn_sum_ns)					\
	X(qth_min) X(qth_max) X(max_p) X(generation)				\
	X(base_qth_min) X(base_qth_max) X(base_max_p) X(manual_gen)		\
	X(limit_bytes) X(limit_pkts) X(lease_ms) X(lease_expired)		\
	X(tree_evaluations) X(tree_generation) X(tree_lease_ms)			\
	X(tree_lease_expired) X(tree_cell)

#define X(name) FIELD_ATTR(stats_, name);
STATS_FIELDS(X)
#undef X
static struct sluice_attr stats_sojourn_hist = {
	.attr = { .name = "sojourn_hist", .mode = 0444 },
	.show = hist_show,
};

static struct attribute *stats_attrs[] = {
#define X(name) &stats_##name.attr,
	STATS_FIELDS(X)
#undef X
	&stats_sojourn_hist.attr,
	NULL,
};

static const struct attribute_group slot_group = { .attrs = slot_attrs };
static const struct attribute_group stats_group = { .name = "stats", .attrs = stats_attrs };
static const struct attribute_group *slot_groups[] = { &slot_group, &stats_group, NULL };

static ssize_t tree_read(struct file *file, struct kobject *kobj,
			 SLUICE_BIN_CONST struct bin_attribute *attr, char *buf, loff_t pos,
			 size_t count)
{
	struct sluice_slot *slot = to_slot(kobj);
	struct sluice_sched *q;
	struct sluice_set *set;
	ssize_t ret = -ENODEV;

	mutex_lock(&slot->lock);
	q = slot_newest(slot);
	if (q) {
		set = sluice_params_writer(q);
		ret = 0;
		if (set->tree && sluice_tree_loaded(q, set))
			ret = memory_read_from_buffer(buf, count, &pos, &set->tree->block,
						      set->tree->block.h.size);
	}
	mutex_unlock(&slot->lock);
	return ret;
}

static ssize_t tree_write(struct file *file, struct kobject *kobj,
			  SLUICE_BIN_CONST struct bin_attribute *attr, char *buf, loff_t pos,
			  size_t count)
{
	struct sluice_slot *slot = to_slot(kobj);
	struct sluice_sched *q;
	ssize_t ret = -ENODEV;

	mutex_lock(&slot->lock);
	q = slot_newest(slot);
	if (!q)
		goto out;
	if (!ns_capable(dev_net(slot->dev)->user_ns, CAP_NET_ADMIN))
		ret = -EPERM;
	else if (pos)
		ret = -EINVAL;
	else
		ret = sluice_set_tree(q, (const struct sluice_tree *)buf, count);
out:
	mutex_unlock(&slot->lock);
	return ret ? ret : count;
}

static const struct bin_attribute tree_attr = {
	.attr = { .name = "tree", .mode = 0644 },
	.read = tree_read,
	.write = tree_write,
};

/* --- kobjects ------------------------------------------------------------- */

static void slot_release(struct kobject *kobj)
{
	struct sluice_slot *slot = to_slot(kobj);

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
	.default_groups = slot_groups,
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
		err = sysfs_create_bin_file(&slot->kobj, &tree_attr);
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
