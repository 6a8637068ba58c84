/* SPDX-License-Identifier: GPL-2.0 */
/* The rows of bench_steer. */
#ifndef SLUICE_BENCH_STEER_ROWS_H
#define SLUICE_BENCH_STEER_ROWS_H

#include "measure.h"
#include "tree_rows.h"

/* Those in build/bench.json come first, in its order. X(name) */
#define JSON_ROWS(X)		\
	X(floor)		\
	X(hit4)			\
	X(hit6)			\
	X(hash4)		\
	X(bucket)		\
	X(miss)			\
	X(vlan)			\
	X(fragment)		\
	X(flows_1k)		\
	X(flows_100k)		\
	X(flows_1m_zipf)	\
	X(flows_1m_uniform)	\
	X(hit4_sampled)		\
	X(cpumap_program)	\
	X(tree_off)		\
	X(tree_d5)		\
	X(tree_d10)		\
	X(tree_d20)		\
	X(live)
#define OTHER_ROWS(X)		\
	X(empty)		\
	X(pass_not_ip)		\
	X(pass_empty_tables)	\
	X(bucket6)		\
	X(esp)			\
	X(hit4_undone)		\
	X(cpumap_sampled)	\
	X(cpumap_undone)	\
	X(rewritten_floor)	\
	X(flows_1m_zipf_assigned)	\
	X(tree_place)		\
	X(live_floor)

enum row_id {
#define X(name) ROW_##name,
	JSON_ROWS(X)
	OTHER_ROWS(X)
#undef X
	ROW_MAX,
};

#define MAX_INSTANCES	16
#define MAX_OBJECTS	16

struct bench {
	struct row row[ROW_MAX];
	struct steer *instance[MAX_INSTANCES];
	struct bpf_object *object[MAX_OBJECTS];
	size_t n_instances, n_objects;
	struct bench_trees trees;
	struct bpf_object *tree_object[4];	/* of tree_off and what follows it */
};

/* A quick one has small tables and few packets: what it prints means nothing. */
int bench_prepare(struct bench *b, size_t rounds, bool quick, struct sl_err *e);
void bench_free(struct bench *b);

#endif
