/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's configuration: the table of keys (settings_rows), and the
 * structure it fills. Documentation: sluice.conf(5).
 */
#ifndef SLUICE_DAEMON_SETTINGS_H
#define SLUICE_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <linux/sluice.h>

#include "daemon/ecn_agent.h"
#include "daemon/guard.h"
#include "daemon/steer_agent.h"
#include "lib/err.h"

#define SETTINGS_LIST	192	/* inih reads lines of up to 199 characters */
#define SETTINGS_LINKS_MAX	32	/* interfaces that can be steered */

enum ecn_policy { ECN_POLICY_LEARN, ECN_POLICY_BDP, ECN_POLICY_FIXED, ECN_POLICY_MODEL };
#define ECN_POLICY_NAMES { "learn", "bdp", "fixed", "model", NULL }
/* Which qdiscs are controlled: auto, or those of one kind, enum ecn_kind + ECN_CHOICE_FIRST. */
enum ecn_choice { ECN_CHOICE_AUTO, ECN_CHOICE_FIRST };
/* The agent; rules, which steer_policy.h has; nobody. */
enum steer_decider {
	STEER_POLICY_LEARN, STEER_POLICY_GREEDY, STEER_POLICY_RSSPP, STEER_POLICY_P2C,
	STEER_POLICY_STATIC,
};
#define STEER_POLICY_NAMES { "learn", "greedy", "rsspp", "p2c", "static", NULL }

/* [guard], what trials and the watch go by; guard/trial.h says what the numbers mean. */
struct settings_trials {
	char fixed[32];			/* "static": baseline, or a share of C * RTT */
	unsigned int objective;		/* enum ecn_reward */
	unsigned int slice_s, shadow_s, retry_s;
	double alpha, error_budget, harm, tolerance;
	double confidence;
	unsigned int canary_blocks, trial_blocks, watch_slices;
};

struct settings {
	/* [daemon] */
	unsigned int epoch_ms;
	unsigned int log_level;		/* 0 error .. 4 debug */
	char socket[108];
	char checkpoint[SETTINGS_LIST];
	unsigned int checkpoint_s;
	char policies[SETTINGS_LIST];
	char operator[SETTINGS_LIST];

	/* [learn] */
	bool learn;
	unsigned int learn_steps;
	unsigned int learn_budget_us;
	unsigned int seed;
	char transitions[SETTINGS_LIST];
	unsigned int transitions_mbytes;
	unsigned int transitions_files;
	bool background;
	double background_cpu;
	unsigned int background_minutes;

	/* [ecn] */
	unsigned int ecn_policy;	/* enum ecn_policy */
	char ecn_model[SETTINGS_LIST];
	unsigned int ecn_backend;	/* enum ecn_choice */
	char ecn_interfaces[SETTINGS_LIST];
	char ecn_originals[SETTINGS_LIST];
	char ecn_rate[SETTINGS_LIST];
	unsigned int rtt_us;
	unsigned int ecn_lease_ms;
	bool ecn_offload;
	unsigned int grid;		/* enum ecn_grid */
	unsigned int reward;		/* enum ecn_reward */
	bool ecn_explore;
	double ecn_epsilon;
	double regret_budget;
	double fct_weight_rate, fct_weight_delay;
	unsigned int fct_ref_us;

	/* [steer] */
	unsigned int steer_policy;	/* enum steer_decider */
	char steer_model[SETTINGS_LIST];
	char steer_tree[SETTINGS_LIST];
	char steer_interfaces[SETTINGS_LIST];
	char steer_cpus[SETTINGS_LIST];
	char steer_inside[SETTINGS_LIST];
	bool steer_force;
	unsigned int steer_mode;	/* enum steer_mode */
	unsigned int steer_interval_ms;
	unsigned int steer_lease_ms;
	unsigned int steer_sample;
	unsigned int steer_announce;
	unsigned int steer_report;
	unsigned int steer_max_flows;
	unsigned int steer_flow_idle_s;
	bool steer_refuse_losing;
	bool steer_explore;
	double steer_epsilon;
	double steer_hysteresis;
	unsigned int steer_max_moves;
	struct steer_reward_weights weights;	/* latency_ref_s is set from the next */
	unsigned int latency_ref_us;

	/* [guard] */
	unsigned int qth_low, qth_high;
	unsigned int max_p_low, max_p_high;
	unsigned int changes_per_s;
	unsigned int moves_per_epoch;
	unsigned int stand_down_s;
	char rules[SETTINGS_LIST];
	struct settings_trials trials;
};

/* What is left after the defaults: path NULL. */
int settings_load(struct settings *s, const char *path, struct sl_err *e);
void settings_help(FILE *f);
/* For tests: that the man page and the sample file mention every key with its default. */
const struct config_row *settings_table(size_t *n);

/* Whether a blank- or comma-separated list has name in it; "*" has all. */
bool settings_list_has(const char *list, const char *name);
/* The same, but "*" has nothing. */
bool settings_list_names(const char *list, const char *name);
/* Calls each for every word; stops at and returns the first non-zero answer. */
int settings_list_each(const char *list, int (*each)(const char *word, void *data), void *data);
/* The configured rate of ifname in bytes per second, or 0. */
double settings_rate(const struct settings *s, const char *ifname);
/* Whether flows get entries in the flow table by themselves. */
bool settings_steer_admits(const struct settings *s);
/* The CPUs of [steer] cpus, or all that are online if it is empty; their number or -errno. */
int settings_cpus(const struct settings *s, __u16 cpus[SLUICE_MAX_CPUS], struct sl_err *e);

void settings_ecn_agent(const struct settings *s, struct ecn_agent_config *c);
void settings_steer_agent(const struct settings *s, struct steer_agent_config *c);
void settings_guard(const struct settings *s, struct guard_config *c);
int settings_syslog_level(const struct settings *s);

#endif
