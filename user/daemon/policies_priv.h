/* SPDX-License-Identifier: GPL-2.0 */
/* What policies.c, policies_keep.c and policies_json.c share. */
#ifndef SLUICE_DAEMON_POLICIES_PRIV_H
#define SLUICE_DAEMON_POLICIES_PRIV_H

#include "daemon/policies.h"
#include "guard/trial.h"
#include "policy/novelty.h"

#define HISTORY_MAX	512	/* entries that are kept */
#define SPENT_MAX	512	/* trials of a week that are accounted for */
#define WEEK_S		(7 * 86400.0)

enum entry_kind {
	ENTRY_NONE,
	ENTRY_MODEL,
	ENTRY_AGENT,		/* the agent of [ecn] policy = learn */
	ENTRY_BASELINE,		/* what the operator wrote */
};

struct entry {
	enum entry_kind kind;
	struct model model;	/* of ENTRY_MODEL */
	struct novelty *novelty;	/* NULL: it has no calibration */
	uint32_t crc;
	char name[96];		/* a file, "shipped", "learned" */
};

enum stage { STAGE_QUIET, STAGE_WATCH, STAGE_SHADOW, STAGE_TRIAL };
#define STAGE_NAMES { "quiet", "watch", "shadow", "trial" }

/* What a candidate said in the shadow. */
struct shadow {
	uint64_t decisions, failed, clamped;
	double octaves;		/* sum of |log2 K / K in force| */
};

/* Part of the error budget that a trial took. */
struct spent {
	double time_s;		/* CLOCK_REALTIME */
	double alpha;
};

struct policies {
	struct settings settings;	/* that it was made from */
	struct entry fixed, incumbent, previous, candidate;
	uint32_t configured_crc;	/* of the model that [ecn] names, or of the agent: 0 */
	bool pinned;
	bool previous_bad;		/* it was taken back */

	enum stage stage;
	uint64_t since_ns;
	struct trial *trial;		/* of STAGE_WATCH and STAGE_TRIAL */
	struct shadow shadow;
	double expected;		/* gain of the candidate; NAN */
	uint64_t decided[TRIAL_ARMS];	/* decisions in which the arm's policy acted */
	uint64_t fell_back;		/* of these: the static's, since the state was novel */
	uint64_t states, novel;		/* of the incumbent: looked at; unlike what it was made from */
	uint64_t retry_ns;		/* when the one that was taken back has another chance; 0: never */
	unsigned int retries;
	uint64_t trials;		/* for the seeds */

	struct ecn_agent_config reward;	/* what J is */
	struct spent spent[SPENT_MAX];
	size_t n_spent;
	uint64_t checked_ns;
	json_t *history;		/* array, oldest first */
	bool failed;			/* to write; and it was said */
};

/* Takes the model, or leaves it on failure: no policy can be made of it, or -ENOMEM. */
int entry_of_model(struct model *m, const char *name, struct entry *ret, struct sl_err *e);
void entry_free(struct entry *e);	/* leaves it empty */
const char *entry_kind_name(const struct entry *e);
/* Adds an entry and logs it; who changes something afterwards saves. report: may be NULL. */
void policies_event(struct daemon *d, const char *event, const struct entry *about,
		    const char *reason, const struct trial_report *report);

/* policies_keep.c: DIR/policies.json and the models that it names. */
void policies_save(struct policies *p);
/* What was kept, if anything: -ENOENT; otherwise it says what is wrong, and nothing is taken up. */
int policies_load(struct policies *p, struct sl_err *e);
double policies_budget_used(const struct policies *p);	/* within the latest week */
void policies_spend(struct policies *p, double alpha);

#endif
