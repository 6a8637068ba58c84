// SPDX-License-Identifier: GPL-2.0
#include "lib/steer_tree.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/steer_priv.h"

#define LOOKS		16		/* at a ring, to find out what it has lost */
#define IDLE_PPM	900000		/* a CPU below that has emptied its ring meanwhile */
#define MAX_TRIES	1000		/* to read what is being replaced */

static const char *error_text(enum sluice_tree_error error)
{
	static const char *const text[SLUICE_TREE_E_NR] = {
#define X(name, err, text) [SLUICE_TREE_E_##name] = text,
		SLUICE_TREE_ERRORS(X)
#undef X
	};

	switch (error) {
	case SLUICE_TREE_E_LEASE:
		return "it has a lease of its own, where that of the tables counts";
	case SLUICE_TREE_E_CLAMP:
		return "an action is neither home nor other";
	default:
		return text[error];
	}
}

int steer_tree_check(const void *block, size_t bytes, struct sl_err *e)
{
	const enum sluice_tree_error error = bytes > SLUICE_TREE_MAX_SIZE ? SLUICE_TREE_E_SIZE :
					     sluice_place_validate(block, bytes);

	if (error)
		return sl_err(e, sluice_tree_errno(error), "no tree to place flows: %s",
			      error_text(error));
	return 0;
}

int steer_tree_read_file(const char *path, struct sluice_tree *ret, struct sl_err *e)
{
	union { struct sluice_tree tree; char byte[SLUICE_TREE_MAX_SIZE + 1]; } u = { 0 };
	struct sl_err why;
	FILE *from = fopen(path, "re");
	size_t n;
	int r;

	if (!from)
		return sl_err(e, -errno, "cannot open %s: %s", path, strerror(errno));
	n = fread(&u, 1, sizeof(u), from);
	r = ferror(from) ? -EIO : 0;
	fclose(from);
	if (r)
		return sl_err(e, r, "cannot read %s", path);
	r = steer_tree_check(&u.tree, n, &why);
	if (r)
		return sl_err(e, r, "%s: %s", path, why.text);
	*ret = u.tree;
	return 0;
}

static int has_trees(const struct steer *s, struct sl_err *e)
{
	if (s->trees)
		return 0;
	return sl_err(e, -EOPNOTSUPP, "the program on %s is older than trees that place flows; run "
		      "\"sluice unload %s\" and load it again", s->dev.ifname, s->dev.ifname);
}

/* --- the swap --------------------------------------------------------------- */

/* One process publishes at a time. *ret is to be unlocked; nobody else knows a private instance. */
static int lock(const struct steer *s, int *ret, struct sl_err *e)
{
	int fd, r;

	*ret = -1;
	if (!*s->dir)
		return 0;
	fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sl_err(e, -errno, "cannot open %s: %s", s->dir, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		*ret = fd;
		return 0;
	}
	r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return sl_err(e, r, "cannot lock %s: %s", s->dir,
		      r == -EBUSY ? "another process publishes a tree" : strerror(-r));
}

static void unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void fill(struct sluice_tree_slot *slot, const struct sluice_tree *t)
{
	/* Odd, also where one that died has left it odd. */
	const __u32 seq = (__atomic_load_n(&slot->seq, __ATOMIC_RELAXED) | 1) + 2;

	__atomic_store_n(&slot->seq, seq, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(slot->block, t, t->h.size);
	__atomic_store_n(&slot->seq, seq + 1, __ATOMIC_RELEASE);
}

int steer_tree_publish(struct steer *s, const struct sluice_tree *t, struct sl_err *e)
{
	__u64 active;
	__u32 slot;
	int fd, r;

	r = has_trees(s, e);
	if (!r)
		r = steer_tree_check(t, t->h.size, e);
	if (!r)
		r = lock(s, &fd, e);
	if (r)
		return r;
	active = __atomic_load_n(&s->tree_control->active, __ATOMIC_RELAXED);
	if (active && SLUICE_TREE_ACTIVE_GENERATION(active) == t->h.generation) {
		unlock(fd);
		return sl_err(e, -EEXIST, "the tree that decides on %s has generation %u already",
			      s->dev.ifname, t->h.generation);
	}
	slot = active ? !SLUICE_TREE_ACTIVE_SLOT(active) : 0;
	fill(&s->trees[slot], t);
	__atomic_store_n(&s->tree_control->active, SLUICE_TREE_ACTIVE(slot, t->h.generation),
			 __ATOMIC_RELEASE);
	unlock(fd);
	return 0;
}

int steer_tree_drop(struct steer *s, struct sl_err *e)
{
	int r = has_trees(s, e), fd;

	if (!r)
		r = lock(s, &fd, e);
	if (r)
		return r;
	__atomic_store_n(&s->tree_control->active, 0, __ATOMIC_RELEASE);
	unlock(fd);
	return 0;
}

int steer_tree_get(struct steer *s, struct sluice_tree *ret, struct sl_err *e)
{
	const struct sluice_tree_slot *slot;
	struct sluice_tree t;
	__u64 active;
	__u32 seq;
	int r = has_trees(s, e);

	for (int i = 0; i < MAX_TRIES && !r; i++) {
		active = __atomic_load_n(&s->tree_control->active, __ATOMIC_ACQUIRE);
		if (!active)
			return sl_err(e, -ENODATA, "no tree places flows on %s", s->dev.ifname);
		if (SLUICE_TREE_ACTIVE_SLOT(active) >= SLUICE_TREE_SLOTS)
			break;
		slot = &s->trees[SLUICE_TREE_ACTIVE_SLOT(active)];
		seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
		memcpy(&t, slot->block, sizeof(t));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (seq & 1 || seq != __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) ||
		    t.h.generation != SLUICE_TREE_ACTIVE_GENERATION(active))
			continue;
		r = steer_tree_check(&t, t.h.size, e);
		if (!r)
			*ret = t;
		return r;
	}
	return r ? r : sl_err(e, -EAGAIN, "the tree of %s is replaced all the time", s->dev.ifname);
}

/* --- loads ------------------------------------------------------------------ */

/*
 * What a ring has dropped is known when it is empty: all that was sent and not delivered. It
 * is never more than that difference. So the least of several looks counts, if the CPU had time to
 * empty its ring in each of the intervals between them.
 */
static __u64 look_at_ring(struct steer *s, unsigned int cpu, __u32 ppm, bool last)
{
	struct steer_ring *ring = &s->seen_ring[cpu];
	__u64 delivered, sent = 0, open, lost = s->loads[cpu].lost;

	delivered = __atomic_load_n(&s->deliver[cpu].packets, __ATOMIC_ACQUIRE);
	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++)
		sent += *(const volatile __u64 *)&s->sent[rxq * SLUICE_MAX_CPUS + cpu].packets;
	open = sent > delivered ? sent - delivered : 0;
	if (!s->looks || open < ring->least)
		ring->least = open;
	ring->busy = (s->looks && ring->busy) || ppm > IDLE_PPM;
	if (last && !ring->busy)
		lost = ring->least;
	return lost < open ? lost : open;
}

static void publish_load(struct sluice_cpu_load *l, __u32 ppm, __u64 lost, __u64 now_ns)
{
	const struct sluice_cpu_load fresh = { .ppm = ppm };
	__u64 word;

	memcpy(&word, &fresh, sizeof(word));
	__atomic_store_n(&l->lost, lost, __ATOMIC_RELAXED);
	__atomic_store_n((__u64 *)l, word, __ATOMIC_RELAXED);
	__atomic_store_n(&l->time_ns, now_ns, __ATOMIC_RELAXED);
}

int steer_tree_loads(struct steer *s, const struct steer_cpu_load *load, size_t n, __u32 flow_ppm,
		     struct sl_err *e)
{
	struct sluice_tree_control *c = s->tree_control;
	const __u64 now_ns = monotonic_ns();
	const bool last = s->looks == LOOKS - 1;
	__u64 sum = 0, lost;
	int r = has_trees(s, e);

	if (r)
		return r;
	if (n > SLUICE_MAX_CPUS)
		return sl_err(e, -E2BIG, "%zu CPUs are more than %u", n, SLUICE_MAX_CPUS);
	for (size_t i = 0; i < n; i++)
		if (load[i].cpu >= s->n_targets || load[i].ppm > SLUICE_TREE_PPM)
			return sl_err(e, -EINVAL, "there is no CPU %u with a load of %u ppm",
				      load[i].cpu, load[i].ppm);
	for (size_t i = 0; i < n; i++) {
		lost = look_at_ring(s, load[i].cpu, load[i].ppm, last);
		publish_load(&s->loads[load[i].cpu], load[i].ppm, lost, now_ns);
		sum += load[i].ppm;
		__atomic_store_n(&c->target[i], load[i].cpu, __ATOMIC_RELAXED);
	}
	s->looks = last ? 0 : s->looks + 1;
	__atomic_store_n(&c->mean_ppm, n ? sum / n : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->flow_ppm, flow_ppm, __ATOMIC_RELAXED);
	__atomic_store_n(&c->n_targets, n, __ATOMIC_RELEASE);
	return 0;
}

void steer_tree_forget(struct steer *s, const bool cpu[SLUICE_MAX_CPUS])
{
	struct sluice_tree_control *c = s->tree_control;
	unsigned int kept = 0;

	if (!c)
		return;
	for (unsigned int i = 0; i < c->n_targets && i < SLUICE_MAX_CPUS; i++)
		if (c->target[i] >= SLUICE_MAX_CPUS || !cpu[c->target[i]])
			__atomic_store_n(&c->target[kept++], c->target[i], __ATOMIC_RELAXED);
	__atomic_store_n(&c->n_targets, kept, __ATOMIC_RELEASE);
}

/* --- counters --------------------------------------------------------------- */

/* Where the counts of the generation are summed: sorted, the latest first; NULL: too old. */
static struct sluice_tree_count *count_of(struct sluice_tree_count *of, __u32 generation)
{
	for (int i = 0; i < SLUICE_TREE_COUNTS; i++) {
		if (of[i].generation == generation)
			return &of[i];
		if (of[i].generation && (__s32)(of[i].generation - generation) > 0)
			continue;
		memmove(&of[i + 1], &of[i], (SLUICE_TREE_COUNTS - 1 - i) * sizeof(*of));
		of[i] = (struct sluice_tree_count){ .generation = generation };
		return &of[i];
	}
	return NULL;
}

static void add_stats(struct sluice_tree_stats *sum, const volatile struct sluice_tree_stats *in)
{
	struct sluice_tree_count *c;

	sum->home += in->home;
	sum->other += in->other;
	sum->alone += in->alone;
	sum->held += in->held;
	sum->lapsed += in->lapsed;
	sum->torn += in->torn;
	for (int i = 0; i < SLUICE_TREE_COUNTS; i++) {
		c = in->of[i].generation ? count_of(sum->of, in->of[i].generation) : NULL;
		if (!c)
			continue;
		c->home += in->of[i].home;
		c->other += in->of[i].other;
	}
}

int steer_tree_read(struct steer *s, struct steer_tree_state *ret, struct sl_err *e)
{
	const volatile struct sluice_tree_control *c = s->tree_control;
	struct sluice_ctl clock = { .op = SLUICE_CTL_CLOCK };
	struct sluice_steer_control control;
	struct steer_tree_state out = { 0 };
	__u32 zero = 0;
	int r;

	r = has_trees(s, e);
	if (r)
		return r;
	r = bpf_map_lookup_elem(s->map[STEER_MAP_control], &zero, &control);
	if (!r)
		r = steer_ctl_run(s, &clock);
	if (r)
		return sl_err(e, r, "cannot read the maps of %s: %s", s->dev.ifname, strerror(-r));
	out.leased = control.expires_jiffies &&
		     (__s64)(control.expires_jiffies - clock.jiffies) > 0;
	out.generation = SLUICE_TREE_ACTIVE_GENERATION(c->active);
	out.mean_ppm = c->mean_ppm;
	out.flow_ppm = c->flow_ppm;
	out.n_targets = c->n_targets < SLUICE_MAX_CPUS ? c->n_targets : SLUICE_MAX_CPUS;
	for (unsigned int i = 0; i < out.n_targets; i++) {
		out.target[i].cpu = c->target[i] & (SLUICE_MAX_CPUS - 1);
		out.target[i].load = s->loads[out.target[i].cpu];
	}
	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++)
		add_stats(&out.stats, &s->tree_stats[rxq]);
	*ret = out;
	return 0;
}
