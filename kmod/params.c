// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of a sluice qdisc: the operator's baseline, the daemon's learned triple
 * and its tree, each of the latter with a lease.
 *
 * All of it is one immutable set that writers replace and the packet path
 * dereferences under RCU, so a packet sees either the old or the new setting
 * and a change touches no queued packet. Netlink and sysfs end in the same
 * setters.
 *
 * There is no timer behind a lease. Whoever looks (the packet path, a dump, a
 * read of a file) compares jiffies, and what has lapsed simply is not there any
 * more. The first to notice moves the lease's state from RUNNING to LAPSED and
 * counts; a writer that replaces the set in time moves it to SUPERSEDED first,
 * so that a packet still holding the old set does not count a lapse that the
 * renewal prevented.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "sluice.h"

const struct sluice_knob_info sluice_knobs[SLUICE_KNOB_NR] = {
#define X(_name, _min, _max, _def, _unit, _text) \
	[SLUICE_KNOB_##_name] = { .name = #_name, .min = _min, .max = _max, .def = _def },
	SLUICE_KNOBS(X)
#undef X
};

static bool knob_in_range(enum sluice_knob i, u32 value)
{
	return value >= sluice_knobs[i].min && value <= sluice_knobs[i].max;
}

/* The set as a writer sees it: nobody can replace it meanwhile. */
struct sluice_set *sluice_params_writer(struct sluice_sched *q)
{
	return rcu_dereference_protected(q->set, true);
}

static bool lease_runs(struct sluice_lease *lease, atomic_t *expired)
{
	switch (atomic_read(&lease->state)) {
	case SLUICE_LEASE_RUNNING:
	case SLUICE_LEASE_SUPERSEDED:
		break;
	default:
		return false;
	}
	if (time_before64(get_jiffies_64(), lease->expires))
		return true;
	if (atomic_cmpxchg(&lease->state, SLUICE_LEASE_RUNNING, SLUICE_LEASE_LAPSED) ==
	    SLUICE_LEASE_RUNNING)
		atomic_inc(expired);
	return false;
}

bool sluice_learned_in_force(struct sluice_sched *q, struct sluice_set *set)
{
	return lease_runs(&set->learned_lease, &q->lease_expired);
}

bool sluice_tree_loaded(struct sluice_sched *q, struct sluice_set *set)
{
	return lease_runs(&set->tree_lease, &q->tree_lease_expired);
}

/* At least 1 while the lease runs; jiffies round up, so cap it at what was granted. */
u32 sluice_lease_remaining_ms(const struct sluice_lease *lease)
{
	u64 now = get_jiffies_64();

	if (!time_before64(now, lease->expires))
		return 0;
	return clamp_t(u32, jiffies_to_msecs(lease->expires - now), 1, lease->ms);
}

u32 sluice_leases_check(struct sluice_sched *q)
{
	struct sluice_set *set = sluice_params_writer(q);
	u32 learned = 0, tree = 0;

	if (sluice_learned_in_force(q, set))
		learned = sluice_lease_remaining_ms(&set->learned_lease);
	if (sluice_tree_loaded(q, set))
		tree = sluice_lease_remaining_ms(&set->tree_lease);
	return learned && tree ? min(learned, tree) : learned + tree;
}

static bool lease_in_range(u32 ms)
{
	return ms >= SLUICE_LEASE_MS_MIN && ms <= SLUICE_LEASE_MS_MAX;
}

static void lease_grant(struct sluice_lease *lease, u32 ms, u32 generation)
{
	lease->ms = ms;
	lease->generation = generation;
	/* One more: the current jiffy has partly passed, and a lease is never short. */
	lease->expires = get_jiffies_64() + msecs_to_jiffies(ms) + 1;
	atomic_set(&lease->state, SLUICE_LEASE_RUNNING);
}

/* Either the old lease is over by the clock and counted now, or it never will be. */
static void lease_hand_over(struct sluice_lease *old, struct sluice_lease *new, atomic_t *expired)
{
	bool runs = lease_runs(old, expired) &&
		    atomic_cmpxchg(&old->state, SLUICE_LEASE_RUNNING,
				   SLUICE_LEASE_SUPERSEDED) == SLUICE_LEASE_RUNNING;

	if (atomic_read(&new->state) == SLUICE_LEASE_INHERITED)
		atomic_set(&new->state, runs ? SLUICE_LEASE_RUNNING : SLUICE_LEASE_NONE);
}

static void baseline_configure(struct sluice_set *set, u32 manual_gen)
{
	const struct sluice_aqm_params p = {
		.qth_min = set->knob[SLUICE_KNOB_qth_min],
		.qth_max = set->knob[SLUICE_KNOB_qth_max],
		.max_p = set->knob[SLUICE_KNOB_max_p],
	};

	sluice_aqm_configure(&set->base.aqm, &p);
	set->base.key = SLUICE_FORCE_KEY(set->knob[SLUICE_KNOB_hold] ? SLUICE_SRC_HOLD :
					 SLUICE_SRC_BASELINE, manual_gen);
}

/* A copy of the set in force. */
static struct sluice_set *set_clone(struct sluice_sched *q)
{
	struct sluice_set *new = kmemdup(sluice_params_writer(q), sizeof(*new), GFP_KERNEL);

	if (!new)
		return NULL;
	atomic_set(&new->learned_lease.state, SLUICE_LEASE_INHERITED);
	atomic_set(&new->tree_lease.state, SLUICE_LEASE_INHERITED);
	return new;
}

static void set_publish(struct sluice_sched *q, struct sluice_set *new)
{
	struct sluice_set *old = sluice_params_writer(q);
	struct sluice_loaded_tree *tree = old->tree;

	lease_hand_over(&old->learned_lease, &new->learned_lease, &q->lease_expired);
	lease_hand_over(&old->tree_lease, &new->tree_lease, &q->tree_lease_expired);
	if (atomic_read(&new->tree_lease.state) == SLUICE_LEASE_NONE)
		new->tree = NULL;
	rcu_assign_pointer(q->set, new);
	if (tree && tree != new->tree)
		kfree_rcu(tree, rcu);
	kfree_rcu(old, rcu);
}

int sluice_params_init(struct sluice_sched *q)
{
	struct sluice_set *set = kzalloc(sizeof(*set), GFP_KERNEL);
	int i;

	if (!set)
		return -ENOMEM;
	for (i = 0; i < SLUICE_KNOB_NR; i++)
		set->knob[i] = sluice_knobs[i].def;
	baseline_configure(set, 0);
	RCU_INIT_POINTER(q->set, set);
	return 0;
}

void sluice_params_destroy(struct sluice_sched *q)
{
	struct sluice_set *set = sluice_params_writer(q);

	RCU_INIT_POINTER(q->set, NULL);
	if (!set)
		return;
	if (set->tree)
		kfree_rcu(set->tree, rcu);
	kfree_rcu(set, rcu);
}

/*
 * Sets the knobs whose bits are in "which", all or none. The operator wins:
 * this ends a learned triple and a tree.
 */
int sluice_set_knobs(struct sluice_sched *q, const u32 value[SLUICE_KNOB_NR], unsigned long which,
		     struct netlink_ext_ack *extack)
{
	struct sluice_set *new;
	unsigned int i;

	new = set_clone(q);
	if (!new)
		return -ENOMEM;
	for_each_set_bit(i, &which, SLUICE_KNOB_NR) {
		if (!knob_in_range(i, value[i])) {
			NL_SET_ERR_MSG_MOD(extack, "a knob is out of its range");
			goto einval;
		}
		new->knob[i] = value[i];
	}
	if (new->knob[SLUICE_KNOB_qth_min] > new->knob[SLUICE_KNOB_qth_max]) {
		NL_SET_ERR_MSG_MOD(extack,
				   "qth_min would be above qth_max; set both, or move the other first");
		goto einval;
	}
	baseline_configure(new, q->manual_gen + 1);
	atomic_set(&new->learned_lease.state, SLUICE_LEASE_NONE);
	atomic_set(&new->tree_lease.state, SLUICE_LEASE_NONE);
	set_publish(q, new);
	WRITE_ONCE(q->manual_gen, q->manual_gen + 1);
	return 0;

einval:
	kfree(new);
	return -EINVAL;
}

/* The daemon's write, as the contract header describes it. p NULL gives the triple up. */
int sluice_set_learned(struct sluice_sched *q, const struct sluice_aqm_params *p, u32 lease_ms,
		       u32 generation)
{
	struct sluice_set *new;

	if (p && (!knob_in_range(SLUICE_KNOB_qth_min, p->qth_min) ||
		  !knob_in_range(SLUICE_KNOB_qth_max, p->qth_max) ||
		  !knob_in_range(SLUICE_KNOB_max_p, p->max_p) || p->qth_min > p->qth_max ||
		  !lease_in_range(lease_ms)))
		return -EINVAL;
	if (sluice_params_writer(q)->knob[SLUICE_KNOB_hold])
		return -EBUSY;

	new = set_clone(q);
	if (!new)
		return -ENOMEM;
	atomic_set(&new->learned_lease.state, SLUICE_LEASE_NONE);
	if (p) {
		new->learned_params = *p;
		sluice_aqm_configure(&new->learned.aqm, p);
		new->learned.key = SLUICE_FORCE_KEY(SLUICE_SRC_LEARNED, generation);
		lease_grant(&new->learned_lease, lease_ms, generation);
	}
	set_publish(q, new);
	return 0;
}

/* A block without cells: the tree is given up, or its lease renewed. */
static int set_tree_lease(struct sluice_sched *q, const struct sluice_tree_header *h)
{
	struct sluice_set *old = sluice_params_writer(q), *new;

	if (h->lease_ms && !lease_in_range(h->lease_ms))
		return -ERANGE;
	if (old->knob[SLUICE_KNOB_hold])
		return -EBUSY;
	if (h->lease_ms && (!sluice_tree_loaded(q, old) ||
			    old->tree_lease.generation != h->generation))
		return -ESTALE;
	new = set_clone(q);
	if (!new)
		return -ENOMEM;
	if (h->lease_ms)
		lease_grant(&new->tree_lease, h->lease_ms, h->generation);
	else
		atomic_set(&new->tree_lease.state, SLUICE_LEASE_NONE);
	set_publish(q, new);
	return 0;
}

/* The daemon's tree, as the contract header describes it. */
int sluice_set_tree(struct sluice_sched *q, const struct sluice_tree *block, u32 size)
{
	struct sluice_set *old = sluice_params_writer(q), *new;
	const struct sluice_tree_clamps clamps = {
		.qth_lo = sluice_knobs[SLUICE_KNOB_qth_min].min,
		.qth_hi = old->knob[SLUICE_KNOB_limit_bytes],
		.max_p_lo = sluice_knobs[SLUICE_KNOB_max_p].min,
		.max_p_hi = sluice_knobs[SLUICE_KNOB_max_p].max,
		.lease_ms_lo = SLUICE_LEASE_MS_MIN,
		.lease_ms_hi = SLUICE_LEASE_MS_MAX,
	};
	enum sluice_tree_error error;

	error = sluice_tree_validate_block(block, size);
	if (!error && size == sizeof(block->h))
		return set_tree_lease(q, &block->h);
	if (!error)
		error = sluice_tree_validate(block, size, &clamps);
	if (error)
		return sluice_tree_errno(error);
	if (old->knob[SLUICE_KNOB_hold])
		return -EBUSY;

	new = set_clone(q);
	if (!new)
		return -ENOMEM;
	new->tree = kmalloc(offsetof(struct sluice_loaded_tree, block) + size, GFP_KERNEL);
	if (!new->tree) {
		kfree(new);
		return -ENOMEM;
	}
	memcpy(&new->tree->block, block, size);
	if (!sluice_tree_loaded(q, old))
		new->tree_epoch++;
	lease_grant(&new->tree_lease, block->h.lease_ms, block->h.generation);
	set_publish(q, new);
	return 0;
}
