// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a qdisc's directory. A show or store holds the slot's mutex and
 * nothing else, and speaks for the newest qdisc of the slot; see sysfs.c.
 */
#include <linux/capability.h>
#include <linux/kernel.h>
#include <net/net_namespace.h>

#include "slot.h"

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

/* Takes the slot's mutex, which store_end() gives up. *ret: whether q may be written. */
static struct sluice_sched *store_begin(struct sluice_slot *slot, ssize_t *ret)
{
	struct sluice_sched *q;

	mutex_lock(&slot->lock);
	q = slot_newest(slot);
	if (!q)
		*ret = -ENODEV;
	else if (!ns_capable(dev_net(slot->dev)->user_ns, CAP_NET_ADMIN))
		*ret = -EPERM;
	else
		*ret = 0;
	return q;
}

static ssize_t store_end(struct sluice_slot *slot, struct sluice_sched *q, ssize_t ret,
			 size_t count)
{
	if (!ret)
		sluice_dir_notify(q);
	mutex_unlock(&slot->lock);
	return ret ? ret : count;
}

static ssize_t sluice_attr_store(struct kobject *kobj, struct attribute *attr, const char *buf,
				 size_t count)
{
	const struct sluice_attr *a = container_of(attr, struct sluice_attr, attr);
	struct sluice_slot *slot = to_slot(kobj);
	ssize_t ret;
	struct sluice_sched *q = store_begin(slot, &ret);

	if (!ret && strnlen(buf, count) != count)	/* what a parser would not see behind a NUL */
		ret = -EINVAL;
	if (!ret)
		ret = a->store(q, a, buf);
	return store_end(slot, q, ret, count);
}

const struct sysfs_ops sluice_sysfs_ops = {
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
	char copy[128], *rest, *word;
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

#define EPOCH_ATTR(_epoch, _name)						\
	static struct sluice_attr _epoch##_##_name = {				\
		.attr = { .name = #_name, .mode = 0444 },			\
		.show = field_show,						\
		.index = offsetof(struct sluice_qdisc_stats, _epoch._name),	\
		.size = sizeof_field(struct sluice_qdisc_epoch, _name),		\
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
	X(ce_sojourn_packets) X(ce_sojourn_bytes)				\
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

/* Of struct sluice_qdisc_epoch, in a directory each. */
#define EPOCH_FIELDS(X)								\
	X(source) X(generation) X(since_ns) X(elapsed_ns) X(packets) X(bytes)	\
	X(ce_packets) X(ce_bytes) X(drops) X(backlog_byte_us) X(backlogged_ns)	\
	X(backlog_max_bytes)

#define X(name) EPOCH_ATTR(epoch, name);
EPOCH_FIELDS(X)
#undef X
static struct attribute *epoch_attrs[] = {
#define X(name) &epoch_##name.attr,
	EPOCH_FIELDS(X)
#undef X
	NULL,
};

#define X(name) EPOCH_ATTR(epoch_before, name);
EPOCH_FIELDS(X)
#undef X
static struct attribute *epoch_before_attrs[] = {
#define X(name) &epoch_before_##name.attr,
	EPOCH_FIELDS(X)
#undef X
	NULL,
};

static const struct attribute_group slot_group = { .attrs = slot_attrs };
static const struct attribute_group stats_group = { .name = "stats", .attrs = stats_attrs };
static const struct attribute_group epoch_group = { .name = "epoch", .attrs = epoch_attrs };
static const struct attribute_group epoch_before_group = {
	.name = "epoch_before", .attrs = epoch_before_attrs,
};
const struct attribute_group *sluice_slot_groups[] = {
	&slot_group, &stats_group, &epoch_group, &epoch_before_group, NULL
};

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
	ssize_t ret;
	struct sluice_sched *q = store_begin(slot, &ret);

	if (!ret && pos)
		ret = -EINVAL;
	if (!ret)
		ret = sluice_set_tree(q, (const struct sluice_tree *)buf, count);
	return store_end(slot, q, ret, count);
}

const struct bin_attribute sluice_tree_attr = {
	.attr = { .name = "tree", .mode = 0644 },
	.read = tree_read,
	.write = tree_write,
};
