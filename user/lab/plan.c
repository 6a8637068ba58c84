// SPDX-License-Identifier: GPL-2.0
#include "lab/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <nettle/sha2.h>

#include "lab/plan_priv.h"
#include "lib/rng.h"

#define ORDER_STREAM	0x6f72646572ULL
#define SEED_BITS	53	/* whole as a double, too */

const char *plan_executor_name(enum plan_executor x)
{
	return x == PLAN_KERNEL ? "kernel" : x == PLAN_NATIVE ? "native" : "simulator";
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->policies; i++)
		lab_policy_free(&p->policy[i].p);
	free(p->policy);
	free(p->workload);
	free(p->configuration);
	free(p->text);
	*p = (struct plan){ .seed = 0 };
}

size_t plan_runs(const struct plan *p)
{
	return p->workloads * p->configurations * p->policies * p->trials;
}

uint64_t plan_seed(const struct plan *p, unsigned int workload, unsigned int configuration,
		   unsigned int trial, unsigned int policy)
{
	uint64_t h = rng_mix64(p->seed + 1);

	h = rng_mix64(h ^ workload);
	h = rng_mix64(h ^ configuration);
	h = rng_mix64(h ^ trial);
	if (p->fresh)
		h = rng_mix64(h ^ (policy + 1));
	return h >> (64 - SEED_BITS);
}

/* Fisher and Yates. */
static void shuffle(struct rng *rng, unsigned int *x, unsigned int n)
{
	for (unsigned int i = n; i > 1; i--) {
		const unsigned int j = rng_below(rng, i), kept = x[i - 1];

		x[i - 1] = x[j];
		x[j] = kept;
	}
}

static void count_up(unsigned int *x, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		x[i] = i;
}

struct plan_run *plan_order(const struct plan *p)
{
	const unsigned int groups = p->workloads * p->configurations;
	struct plan_run *run = calloc(plan_runs(p), sizeof(*run));
	unsigned int *group = calloc(groups, sizeof(*group));
	unsigned int *policy = calloc(p->policies, sizeof(*policy));
	unsigned int block = 0, filled = 0;
	struct rng root, rng;
	size_t n = 0;

	if (!run || !group || !policy) {
		free(run);
		run = NULL;
		goto out;
	}
	rng_seed(&root, p->seed);
	rng_split(&root, ORDER_STREAM, &rng);
	/* Trial by trial, so that a campaign that ends early has as many of each. */
	for (unsigned int t = 0; t < p->trials; t++) {
		count_up(group, groups);
		shuffle(&rng, group, groups);
		for (unsigned int g = 0; g < groups; g++) {
			count_up(policy, p->policies);
			shuffle(&rng, policy, p->policies);
			if (filled == p->block) {
				block++;
				filled = 0;
			}
			filled++;
			for (unsigned int i = 0; i < p->policies; i++)
				run[n++] = (struct plan_run){
					.workload = group[g] / p->configurations,
					.configuration = group[g] % p->configurations,
					.policy = policy[i], .trial = t, .block = block,
				};
		}
	}
out:
	free(group);
	free(policy);
	return run;
}

/* --- what it means ------------------------------------------------------------------- */

static json_t *configurations_json(const struct plan *p)
{
	json_t *all = json_array();

	for (size_t i = 0; i < p->configurations; i++) {
		json_t *one = json_array();

		/* A key of one executor alone is in no hash of the others'. */
		for (int k = 0; k < LAB_KEYS; k++)
			if (k != LAB_RING || p->executor == PLAN_NATIVE)
				json_array_append_new(one, json_real(p->configuration[i].value[k]));
		json_array_append_new(all, one);
	}
	return all;
}

static json_t *meaning(const struct plan *p)
{
	json_t *workloads = json_array(), *policies = json_array(), *weights = json_array();

	for (size_t i = 0; i < p->workloads; i++)
		json_array_append_new(workloads, json_pack(
			"[s s b o]", p->workload[i].w.name, p->workload[i].w.family,
			p->workload[i].test, workload_json(&p->workload[i].w)));
	for (size_t i = 0; i < p->policies; i++)
		json_array_append_new(policies, json_pack(
			"[s s I]", p->policy[i].name, lab_role_name(p->policy[i].p.role),
			p->policy[i].p.means == LAB_MODEL ?
			(json_int_t)model_crc(&p->policy[i].p.model) : (json_int_t)-1));
	for (int c = 0; c < FLOW_CLASSES; c++)
		json_array_append_new(weights, json_real(p->objective.class[c]));
	json_array_append_new(weights, json_real(p->objective.goodput));
	return json_pack("{s:s s:s s:I s:i s:i s:i s:i s:i s:b s:b s:o s:[s s s s] s:o s:o s:o}",
			 "name", p->name, "executor", plan_executor_name(p->executor),
			 "seed", (json_int_t)p->seed, "trials", p->trials, "attempts", p->attempts_max,
			 "block", p->block, "series", p->series, "aa", p->aa, "fresh", p->fresh,
			 "virtual_time", p->virtual_time,
			 "objective", weights, "endpoint", p->endpoint, p->endpoint_class, p->candidate,
			 p->reference, "workloads", workloads, "configurations",
			 configurations_json(p), "policies", policies);
}

int plan_hash(struct plan *p, struct sl_err *e)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	json_t *m = meaning(p);
	char *text = m ? json_dumps(m, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	struct sha256_ctx ctx;

	json_decref(m);
	if (!text)
		return sl_err(e, -ENOMEM, "out of memory");
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	free(text);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(p->hash + 2 * i, "%02x", digest[i]);
	return 0;
}
