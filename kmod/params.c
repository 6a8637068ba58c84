// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of a sluice qdisc: the operator's baseline and the daemon's learned
 * triple with its lease.
 *
 * All of it is one immutable set that writers replace and the packet path
 * dereferences under RCU, so a packet sees either the old or the new setting
 * and a change touches no queued packet. Netlink and sysfs end in the same two
 * setters.
 *
 * There is no timer behind a lease. Whoever looks (the packet path, a dump, a
 * read of a file) compares jiffies, and a lapsed set simply means its
 * baseline. The first to notice moves lease_state from RUNNING to LAPSED and
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

bool sluice_learned_in_force(struct sluice_sched *q, struct sluice_set *set)
{
	switch (atomic_read(&set->lease_state)) {
	case SLUICE_LEASE_RUNNING:
	case SLUICE_LEASE_SUPERSEDED:
		break;
	default:
		return false;
	}
	if (time_before64(get_jiffies_64(), set->expires))
		return true;
	if (atomic_cmpxchg(&set->lease_state, SLUICE_LEASE_RUNNING, SLUICE_LEASE_LAPSED) ==
	    SLUICE_LEASE_RUNNING)
		atomic_inc(&q->lease_expired);
	return false;
}

/* At least 1 while the lease runs; jiffies round up, so cap it at what was granted. */
u32 sluice_lease_remaining_ms(const struct sluice_set *set)
{
	u64 now = get_jiffies_64();

	if (!time_before64(now, set->expires))
		return 0;
	return clamp_t(u32, jiffies_to_msecs(set->expires - now), 1, set->lease_ms);
}

static void baseline_configure(struct sluice_set *set)
{
	const struct sluice_aqm_params p = {
		.qth_min = set->knob[SLUICE_KNOB_qth_min],
		.qth_max = set->knob[SLUICE_KNOB_qth_max],
		.max_p = set->knob[SLUICE_KNOB_max_p],
	};

	sluice_aqm_configure(&set->base, &p);
}

/* A copy of the set in force, without the learned triple. */
static struct sluice_set *set_clone_baseline(struct sluice_sched *q)
{
	struct sluice_set *new = kmemdup(sluice_params_writer(q), sizeof(*new), GFP_KERNEL);

	if (!new)
		return NULL;
	atomic_set(&new->lease_state, SLUICE_LEASE_NONE);
	new->generation = 0;
	new->lease_ms = 0;
	return new;
}

static void set_publish(struct sluice_sched *q, struct sluice_set *new)
{
	struct sluice_set *old = sluice_params_writer(q);

	/* Either this lease is over by the clock and counted now, or it never will be. */
	if (sluice_learned_in_force(q, old))
		atomic_cmpxchg(&old->lease_state, SLUICE_LEASE_RUNNING, SLUICE_LEASE_SUPERSEDED);
	rcu_assign_pointer(q->set, new);
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
	baseline_configure(set);
	RCU_INIT_POINTER(q->set, set);
	return 0;
}

void sluice_params_destroy(struct sluice_sched *q)
{
	struct sluice_set *set = sluice_params_writer(q);

	RCU_INIT_POINTER(q->set, NULL);
	if (set)
		kfree_rcu(set, rcu);
}

/*
 * Sets the knobs whose bits are in "which", all or none. The operator wins:
 * this ends a learned triple.
 */
int sluice_set_knobs(struct sluice_sched *q, const u32 value[SLUICE_KNOB_NR], unsigned long which,
		     struct netlink_ext_ack *extack)
{
	struct sluice_set *new;
	unsigned int i;

	new = set_clone_baseline(q);
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
	baseline_configure(new);
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
		  lease_ms < SLUICE_LEASE_MS_MIN || lease_ms > SLUICE_LEASE_MS_MAX))
		return -EINVAL;
	if (sluice_params_writer(q)->knob[SLUICE_KNOB_hold])
		return -EBUSY;

	new = set_clone_baseline(q);
	if (!new)
		return -ENOMEM;
	if (p) {
		new->learned_params = *p;
		sluice_aqm_configure(&new->learned, p);
		new->lease_ms = lease_ms;
		new->generation = generation;
		/* One more: the current jiffy has partly passed, and a lease is never short. */
		new->expires = get_jiffies_64() + msecs_to_jiffies(lease_ms) + 1;
		atomic_set(&new->lease_state, SLUICE_LEASE_RUNNING);
	}
	set_publish(q, new);
	return 0;
}
