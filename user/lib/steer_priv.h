/* SPDX-License-Identifier: GPL-2.0 */
/* Inside of struct steer, for user/lib/steer*.c. */
#ifndef SLUICE_LIB_STEER_PRIV_H
#define SLUICE_LIB_STEER_PRIV_H

#include "lib/netdev.h"
#include "lib/steer.h"

/* X(name, name in the object). The name is also that of the pin. */
#define STEER_MAPS(X)				\
	X(abi, ".rodata.sluice")		\
	X(config, "config")			\
	X(lease, "lease")			\
	X(flows, "flows")			\
	X(buckets, "buckets")			\
	X(bucket_stats, "bucket_stats")		\
	X(cpu_stats, "cpu_stats")		\
	X(pass_stats, "pass_stats")		\
	X(steer_stats, "steer_stats")		\
	X(deliver, "deliver")			\
	X(events, "events")			\
	X(cpus, "cpus")				\
	X(cpus_frags, "cpus_frags")

enum steer_map {
#define X(name, object_name) STEER_MAP_##name,
	STEER_MAPS(X)
#undef X
	STEER_MAP_MAX,
};

extern const char *const steer_map_pin[STEER_MAP_MAX];
extern const char *const steer_map_name[STEER_MAP_MAX];

/* The programs of one attachment: of either variant, or both while loading. */
#define STEER_PROGS(X)		\
	X(xdp_steer)		\
	X(xdp_steer_frags)	\
	X(cpu_deliver)		\
	X(cpu_deliver_frags)	\
	X(steer_ctl)

enum steer_prog {
#define X(name) STEER_PROG_##name,
	STEER_PROGS(X)
#undef X
	STEER_PROG_MAX,
};

extern const char *const steer_prog_name[STEER_PROG_MAX];

#define STEER_DIR_SIZE	128

struct ring_buffer;

struct steer {
	struct netdev dev;
	char dir[STEER_DIR_SIZE];	/* of pins; "" for a private instance */
	bool frags;			/* which of the two variants serves the interface */
	int map[STEER_MAP_MAX];		/* file descriptors, -1 when absent */
	int prog[STEER_PROG_MAX];
	unsigned int n_possible;	/* values of a per-CPU map */
	unsigned int n_targets;		/* entries of the cpumap */
	struct sluice_bucket *buckets;	/* mapped */
	struct sluice_deliver *deliver;	/* mapped, read-only */
	void *percpu;			/* room to read any per-CPU map whole */
	struct sluice_ctl clock;	/* a first reading, to measure HZ against */
	unsigned int hz;		/* 0: not measured yet */
	struct ring_buffer *ring;	/* made by the first use of events */
	void (*each_event)(const struct sluice_flow_event *ev, void *data);
	void *event_data;
};

/* An empty instance for the interface; dev may be NULL for a private one. */
struct steer *steer_alloc(const struct netdev *dev);
/* Loads the object; reused maps (map[i] >= 0) take the place of new ones. */
int steer_load_object(struct steer *s, __u32 max_flows, bool with_steer, struct sl_err *e);
/* After all descriptors are there: mappings and sizes. */
int steer_open_maps(struct steer *s, struct sl_err *e);
int steer_ctl_run(struct steer *s, struct sluice_ctl *ctl);
/* steer_read() without asking what is attached. */
int steer_read_counters(struct steer *s, struct steer_snapshot *out, struct sl_err *e);
int steer_write_targets(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize,
			struct sl_err *e);

static inline int steer_xdp_fd(const struct steer *s)
{
	return s->prog[s->frags ? STEER_PROG_xdp_steer_frags : STEER_PROG_xdp_steer];
}

static inline int steer_deliver_fd(const struct steer *s)
{
	return s->prog[s->frags ? STEER_PROG_cpu_deliver_frags : STEER_PROG_cpu_deliver];
}

static inline int steer_cpumap_fd(const struct steer *s)
{
	return s->map[s->frags ? STEER_MAP_cpus_frags : STEER_MAP_cpus];
}

#endif
