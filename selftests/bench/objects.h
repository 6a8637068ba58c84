/* SPDX-License-Identifier: GPL-2.0 */
/* Loading what is measured: instances of the data plane, filled, and the benchmark's own programs. */
#ifndef SLUICE_BENCH_OBJECTS_H
#define SLUICE_BENCH_OBJECTS_H

#include <bpf/libbpf.h>

#include "bench.h"
#include "lib/steer_priv.h"

/*
 * A private instance, with cpumap entries for CPUs 0 to n_cpus - 1 (0: none) and the flags of
 * struct sluice_steer_config. max_flows as in struct steer_options.
 */
struct steer *instance_new(__u32 max_flows, unsigned int n_cpus, __u32 flags, struct sl_err *e);
/* The i-th of many flows, and n entries for the first n of them, in one go. */
struct sluice_flow4_key bench_flow(__u32 i);
int instance_fill(struct steer *s, __u32 n, bool assigned, struct sl_err *e);

/* build/selftests/bench/NAME.bpf.o with the maps of the instance (or NULL: its own). */
int object_load(const char *name, struct steer *s, struct bpf_object **ret, struct sl_err *e);
int object_prog(struct bpf_object *o, const char *name, struct sl_err *e);
/* Its struct bench_state, or NULL. */
struct bench_state *object_state(struct bpf_object *o);

/* Sequences of BENCH_TUPLES of the first n flows: in random order, or Zipf. */
int object_set_uniform(struct bpf_object *o, __u32 n, struct sl_err *e);
int object_set_zipf(struct bpf_object *o, __u32 n, double exponent, struct sl_err *e);

#endif
