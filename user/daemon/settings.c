// SPDX-License-Identifier: GPL-2.0
#include "daemon/settings.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "distill/place_tree.h"
#include "lib/config.h"
#include "lib/inside.h"
#include "lib/log.h"
#include "lib/sysfs.h"
#include "policy/model.h"
#include "policy/verify.h"

static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const ecn_policies[] = ECN_POLICY_NAMES;
/* After auto in the order of enum ecn_kind. */
static const char *const ecn_choices[] = { "auto", "sluice", "red", "fq_codel", "fq", NULL };
static const char *const steer_deciders[] = STEER_POLICY_NAMES;
static const char *const grids[] = { "time", "acc", NULL };
static const char *const rewards[] = ECN_REWARD_NAMES;
static const char *const modes[] = { "auto", "native", "generic", NULL };

static int check_interfaces(const char *text, struct sl_err *e);
static int check_rates(const char *text, struct sl_err *e);
static int check_cpus(const char *text, struct sl_err *e);
static int check_inside(const char *text, struct sl_err *e);
static int check_path(const char *text, struct sl_err *e);
static int check_model(const char *text, struct sl_err *e);
static int check_static(const char *text, struct sl_err *e);
static int check_rules(const char *text, struct sl_err *e);
static int check_tree(const char *text, struct sl_err *e);

#define FIELD(f) .offset = offsetof(struct settings, f), .size = sizeof(((struct settings *)0)->f)
#define UINT(s, k, f, low, high, d, u, h) \
	{ .section = s, .key = k, .type = CONFIG_UINT, .min = low, .max = high, .def = d, \
	  .unit = u, .help = h, FIELD(f) }
#define REAL(s, k, f, low, high, d, u, h) \
	{ .section = s, .key = k, .type = CONFIG_REAL, .min = low, .max = high, .def = d, \
	  .unit = u, .help = h, FIELD(f) }
#define BOOL(s, k, f, d, h) \
	{ .section = s, .key = k, .type = CONFIG_BOOL, .def = d, .unit = "", .help = h, FIELD(f) }
#define WORD(s, k, f, w, d, h) \
	{ .section = s, .key = k, .type = CONFIG_WORD, .words = w, .def = d, .unit = "", \
	  .help = h, FIELD(f) }
#define TEXT(s, k, f, c, d, h) \
	{ .section = s, .key = k, .type = CONFIG_TEXT, .check = c, .def = d, .unit = "", \
	  .help = h, FIELD(f) }

static const struct config_row rows[] = {
	UINT("daemon", "epoch_ms", epoch_ms, 5, 10000, "50", "ms",
	     "Period of reading counters, renewing leases and deciding."),
	WORD("daemon", "log_level", log_level, log_levels, "info",
	     "Least important kind of line that is logged; debug has every decision."),
	TEXT("daemon", "socket", socket, check_path, "/run/sluice/sluiced.sock",
	     "Where sluice asks the daemon."),
	TEXT("daemon", "checkpoint", checkpoint, check_path, "/var/lib/sluice/checkpoint",
	     "File that keeps what was learned across restarts; none turns it off."),
	UINT("daemon", "checkpoint_s", checkpoint_s, 1, 86400, "60", "s",
	     "Period of writing the checkpoint; it is also written at stop."),
	TEXT("daemon", "policies", policies, check_path, "/var/lib/sluice/policies",
	     "Directory that keeps which policy is in force, and what became of others; none turns it "
	     "off."),
	TEXT("daemon", "operator", operator, check_path, "/var/lib/sluice/operator",
	     "File that keeps across restarts what operators paused, and the queues that stand down "
	     "until they are released; with none a restart forgets both."),

	BOOL("learn", "enabled", learn, "yes",
	     "Update the networks from what is observed; no acts on the checkpoint alone."),
	UINT("learn", "steps", learn_steps, 0, 1000, "4", "",
	     "Most gradient steps of each agent per epoch."),
	UINT("learn", "budget_us", learn_budget_us, 100, 100000, "3000", "us",
	     "Time that training may take per epoch, on average."),
	UINT("learn", "seed", seed, 0, 4294967295.0, "1", "",
	     "Seed of the networks and of exploration."),
	TEXT("learn", "transitions", transitions, check_path, "none",
	     "Log what the agents observe and do, for learning offline, in files of this name with "
	     ".ecn and .steer behind it; none turns it off."),
	UINT("learn", "transitions_mbytes", transitions_mbytes, 1, 4000, "16", "MB",
	     "Size at which such a file is renamed to .1, that to .2 and so on."),
	UINT("learn", "transitions_files", transitions_files, 1, 100, "4", "",
	     "Most files of each agent; the oldest goes."),
	BOOL("learn", "background", background, "no",
	     "Train a network on what is done on the queues, in a thread of least priority, and have "
	     "it propose models."),
	REAL("learn", "background_cpu", background_cpu, 0.1, 100, "5", "",
	     "Percent of one core that this thread may use."),
	UINT("learn", "background_minutes", background_minutes, 1, 1440, "10", "",
	     "Minutes from one proposal to the next."),

	WORD("ecn", "policy", ecn_policy, ecn_policies, "model",
	     "Who sets qth_min, qth_max and max_p: the agent, the rule K = C * RTT / 7, nobody, or a "
	     "model made by \"sluice train\"."),
	TEXT("ecn", "model", ecn_model, check_model, MODEL_SHIPPED,
	     "File of the model that policy = model begins with. shipped and shipped-tree are built in: "
	     "a table, which did best in simulation, and a tree that was distilled from it. With "
	     "policy = learn a model of ddqn, from which the agent starts where there is no "
	     "checkpoint."),
	WORD("ecn", "backend", ecn_backend, ecn_choices, "auto",
	     "Kind of qdisc that is controlled. auto: sluice, and on interfaces that are named also "
	     "red, fq_codel and fq of the stock kernel."),
	TEXT("ecn", "interfaces", ecn_interfaces, check_interfaces, "*",
	     "Interfaces whose qdiscs are controlled: names, or * for all, which with backend auto "
	     "has sluice qdiscs only."),
	TEXT("ecn", "originals", ecn_originals, check_path, "/var/lib/sluice/originals",
	     "File that keeps the operator's values of stock qdiscs while they are controlled; with "
	     "none they are not."),
	TEXT("ecn", "rate", ecn_rate, check_rates, "",
	     "Capacity where it is known, such as 'eth0=200mbit eth1=10gbit'; otherwise it is the "
	     "peak drain rate seen while backlogged."),
	UINT("ecn", "rtt_us", rtt_us, 1, 10000000, "2000", "us",
	     "Typical round-trip time; a queue is decided every max(epoch, 10 RTT)."),
	UINT("ecn", "lease_ms", ecn_lease_ms, 100, 600000, "1000", "ms",
	     "After this long without the daemon the kernel returns to the baseline."),
	BOOL("ecn", "offload", ecn_offload, "yes",
	     "Have the qdisc sluice run a model that is a tree by itself, where its tree_interval_ms "
	     "is what the tree was made for."),
	WORD("ecn", "grid", grid, grids, "time",
	     "Templates in time (t0 * 2^n) or the byte grid of the ACC paper."),
	WORD("ecn", "reward", reward, rewards, "fct",
	     "Objective: flow completion times, the ACC paper's throughput and queue length, or the "
	     "waiting time balanced with the share of bytes that a backlog carried."),
	BOOL("ecn", "explore", ecn_explore, "no",
	     "Try settings one grid step away on live traffic."),
	REAL("ecn", "epsilon", ecn_epsilon, 0, 1, "0.1", "",
	     "Probability that a decision explores."),
	REAL("ecn", "regret_budget", regret_budget, 0, 1e9, "300", "",
	     "Estimated reward that exploration may give up per hour."),
	REAL("ecn", "weight_rate", fct_weight_rate, 0, 1000, "1", "",
	     "Weight of the drain rate in the fct reward."),
	REAL("ecn", "weight_delay", fct_weight_delay, 0, 1000, "1", "",
	     "Weight of the sojourn time in the fct reward."),
	UINT("ecn", "reference_us", fct_ref_us, 1, 10000000, "1000", "us",
	     "Sojourn time that the fct reward counts as one unit of delay."),

	WORD("steer", "policy", steer_policy, steer_deciders, "greedy",
	     "Who moves buckets and flows: the agent; a rule that averages their loads and takes "
	     "from the busiest CPU what lowers the highest load most; the solver after RSS++; power of "
	     "two choices; or nobody, and they stay where the baseline has them."),
	TEXT("steer", "model", steer_model, check_path, "none",
	     "File of a model made by \"sluice train steer\", from which the agent starts and goes on "
	     "learning. A checkpoint that began with the same model goes before it."),
	TEXT("steer", "tree", steer_tree, check_tree, "none",
	     "A tree that places newly admitted flows as they come, in the XDP program: a file made by "
	     "\"sluice distill steer\", or shipped, which is built in; none leaves them with their "
	     "bucket. It places more flows with a smaller announce."),
	TEXT("steer", "interfaces", steer_interfaces, check_interfaces, "",
	     "Interfaces whose arriving packets are steered by XDP; none by default."),
	TEXT("steer", "cpus", steer_cpus, check_cpus, "",
	     "CPUs to steer to, such as '1-3 6'; empty is every CPU that is online."),
	TEXT("steer", "inside", steer_inside, check_inside, "none",
	     "Tunnels whose inner flows are told apart: gre, ipip, vxlan, geneve, gtpu."),
	BOOL("steer", "force", steer_force, "no",
	     "Accept a veth whose peer offloads transmit checksums, although TCP will stall."),
	WORD("steer", "mode", steer_mode, modes, "auto",
	     "XDP mode: native, generic, or native where the driver has it."),
	UINT("steer", "interval_ms", steer_interval_ms, 20, 60000, "250", "ms",
	     "Period of steering decisions; CPU time is counted in ticks of 10 ms or less."),
	UINT("steer", "lease_ms", steer_lease_ms, 100, 600000, "1000", "ms",
	     "After this long without the daemon packets follow the baseline."),
	UINT("steer", "sample", steer_sample, 0, 1048576, "64", "packets",
	     "One packet in this many (a power of two) is timed; 0 times none."),
	UINT("steer", "announce", steer_announce, 0, 1048576, "64", "packets",
	     "One packet in this many (a power of two) of flows without an entry is sampled; a flow "
	     "sampled twice gets one. 0 admits no flows."),
	UINT("steer", "report", steer_report, 16, 1048576, "1024", "packets",
	     "A flow with an entry is told to the daemon, as a heavy one, once in this many packets."),
	UINT("steer", "max_flows", steer_max_flows, 0, 1024, "256", "flows",
	     "Most flows that are assigned to a CPU of their own on each interface."),
	UINT("steer", "flow_idle_s", steer_flow_idle_s, 1, 3600, "10", "s",
	     "A flow without packets for this long gives its entry back."),
	BOOL("steer", "refuse_losing", steer_refuse_losing, "yes",
	     "Refuse moves, tried ones too, that would leave their CPU busier than the one relieved."),
	BOOL("steer", "explore", steer_explore, "no",
	     "Try moves on live traffic that do not look best."),
	REAL("steer", "epsilon", steer_epsilon, 0, 1, "0.2", "",
	     "Probability that an object's decision explores."),
	REAL("steer", "hysteresis", steer_hysteresis, 0, 1000, "0.03", "",
	     "Gain in value that a move must promise."),
	UINT("steer", "max_moves", steer_max_moves, 0, 1024, "4", "",
	     "Most moves of one decision."),
	REAL("steer", "weight_throughput", weights.throughput, 0, 1000, "1", "",
	     "Reward per unit of throughput."),
	REAL("steer", "weight_latency", weights.latency, 0, 1000, "0.1", "",
	     "Penalty per unit of waiting time."),
	REAL("steer", "weight_imbalance", weights.imbalance, 0, 1000, "1", "",
	     "Penalty per unit of imbalance above 70 % utilisation."),
	REAL("steer", "weight_move", weights.move, 0, 1000, "0.02", "",
	     "Penalty per move."),
	UINT("steer", "reference_us", latency_ref_us, 1, 10000000, "1000", "us",
	     "Waiting time that counts as one unit."),

	UINT("guard", "qth_low", qth_low, 0, 2147483647, "3000", "bytes",
	     "No learned threshold is below."),
	UINT("guard", "qth_high", qth_high, 0, 2147483647, "4000000", "bytes",
	     "No learned threshold is above, nor above the queue's limit."),
	UINT("guard", "max_p_low", max_p_low, 0, 1000000, "1000", "ppm",
	     "No learned max_p is below."),
	UINT("guard", "max_p_high", max_p_high, 0, 1000000, "1000000", "ppm",
	     "No learned max_p is above."),
	UINT("guard", "changes_per_s", changes_per_s, 1, 1000, "20", "",
	     "Most changes of one queue, or of one interface's steering, in a second."),
	UINT("guard", "moves_per_epoch", moves_per_epoch, 0, 4096, "8", "",
	     "Most moves of buckets and flows in an epoch, over all interfaces."),
	UINT("guard", "stand_down_s", stand_down_s, 0, 86400, "0", "s",
	     "How long a queue is left alone after its operator wrote a knob; 0 is until \"sluice agent "
	     "release\"."),
	TEXT("guard", "rules", rules, check_rules, "",
	     "What a tree in the kernel must keep, such as never-raise:qth_min:backlog_avg."),
	TEXT("guard", "static", trials.fixed, check_static, "0.25",
	     "What learning is measured against and falls back to: a share of C * RTT, at which "
	     "packets are marked, or baseline, the operator's own values."),
	WORD("guard", "objective", trials.objective, rewards, "balance",
	     "J, by which policies are compared; the words of [ecn] reward."),
	UINT("guard", "slice_s", trials.slice_s, 5, 3600, "5", "s",
	     "How long one policy acts in a trial, and at least 50 round trips; a fifth of that "
	     "does not count."),
	UINT("guard", "shadow_s", trials.shadow_s, 0, 86400, "30", "s",
	     "How long a candidate says what it would do before it is tried."),
	REAL("guard", "alpha", trials.alpha, 1e-6, 0.5, "0.05", "",
	     "Probability that a trial promotes what is not better."),
	REAL("guard", "error_budget", trials.error_budget, 0, 1000, "0.5", "",
	     "The sum of alpha over the trials of seven days; when it is used up there are none."),
	REAL("guard", "harm", trials.harm, 0.01, 20, "0.5", "",
	     "A slice ends where J is below the static policy's by so much; a logarithm."),
	REAL("guard", "tolerance", trials.tolerance, 0, 20, "0.05", "",
	     "The policy in force is taken back when its J is below the static policy's by more "
	     "than this."),
	REAL("guard", "confidence", trials.confidence, 0, 0.999, "0.95", "",
	     "A state of a queue that is further from those the policy was made from than this share "
	     "of them is new: the static policy decides there. 0 does not look."),
	UINT("guard", "canary_blocks", trials.canary_blocks, 1, 10000, "8", "",
	     "Blocks of slices on one queue before a trial extends to all."),
	UINT("guard", "trial_blocks", trials.trial_blocks, 2, 100000, "400", "",
	     "Blocks after which a trial ends without a difference shown."),
	UINT("guard", "watch_slices", trials.watch_slices, 0, 1000, "20", "",
	     "Of so many slices the static policy has one, to see whether the one in force is worth "
	     "it; 0 does not watch."),
	UINT("guard", "retry_s", trials.retry_s, 0, 604800, "3600", "s",
	     "A policy that was taken back is tried again after this long, and twice as long each "
	     "time; 0 never does."),
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct config_row *settings_table(size_t *n)
{
	*n = N_ROWS;
	return rows;
}

void settings_help(FILE *f)
{
	config_help(f, rows, N_ROWS);
}

int settings_list_each(const char *list, int (*each)(const char *word, void *data), void *data)
{
	char copy[SETTINGS_LIST], *word, *save = NULL;
	int r = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, " ,\t", &save); word && !r; word = strtok_r(NULL, " ,\t", &save))
		r = each(word, data);
	return r;
}

static int same_name(const char *word, void *name)
{
	return !strcmp(word, "*") || !strcmp(word, name);
}

bool settings_list_has(const char *list, const char *name)
{
	return settings_list_each(list, same_name, (void *)name);
}

static int same_word(const char *word, void *name)
{
	return !strcmp(word, name);
}

bool settings_list_names(const char *list, const char *name)
{
	return settings_list_each(list, same_word, (void *)name);
}

static int check_interface(const char *word, void *data)
{
	struct sl_err *e = data;

	if (strlen(word) >= IFNAMSIZ || strchr(word, '/') || !strcmp(word, ".") ||
	    !strcmp(word, ".."))
		return sl_err(e, -EINVAL, "'%s' cannot be the name of an interface", word);
	return 0;
}

static int check_interfaces(const char *text, struct sl_err *e)
{
	return settings_list_each(text, check_interface, e);
}

static int check_inside(const char *text, struct sl_err *e)
{
	__u32 mask;

	return inside_parse(text, &mask, e);
}

static int check_path(const char *text, struct sl_err *e)
{
	if (text[0] != '/' && strcmp(text, "none"))
		return sl_err(e, -EINVAL, "give an absolute path");
	return 0;
}

static int check_model(const char *text, struct sl_err *e)
{
	if (text[0] != '/' && !model_is_builtin(text))
		return sl_err(e, -EINVAL, "give an absolute path, " MODEL_SHIPPED " or "
			      MODEL_SHIPPED_TREE);
	return 0;
}

struct rules {
	struct verify_limits limits;
	struct sl_err *e;
};

static int add_rule(const char *word, void *data)
{
	struct rules *r = data;

	return verify_rule_add(&r->limits, word, r->e);
}

static int check_rules(const char *text, struct sl_err *e)
{
	struct rules r = { verify_limits_default(), e };

	return settings_list_each(text, add_rule, &r);
}

static int check_static(const char *text, struct sl_err *e)
{
	char *end;
	double share = strtod(text, &end);

	if (strcmp(text, "baseline") && (end == text || *end || !(share > 0 && share <= 100)))
		return sl_err(e, -EINVAL, "give a share of C * RTT, such as 0.5, or baseline");
	return 0;
}

static int check_tree(const char *text, struct sl_err *e)
{
	if (text[0] != '/' && strcmp(text, "none") && strcmp(text, PLACE_SHIPPED))
		return sl_err(e, -EINVAL, "give an absolute path, " PLACE_SHIPPED " or none");
	return 0;
}

struct rate {
	const char *ifname;
	double bytes_per_s;
	struct sl_err *e;
};

/* One "DEV=NUMBERUNIT"; units are bits per second, as tc writes them. */
static int parse_rate(const char *word, void *data)
{
	static const struct {
		const char *unit;
		double bits;
	} units[] = { { "bit", 1 }, { "kbit", 1e3 }, { "mbit", 1e6 }, { "gbit", 1e9 } };
	const char *equals = strchr(word, '=');
	struct rate *r = data;
	double number;
	char *end;
	size_t i;

	if (!equals || equals == word || equals - word >= IFNAMSIZ)
		return sl_err(r->e, -EINVAL, "'%s' is not of the form eth0=200mbit", word);
	number = strtod(equals + 1, &end);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcasecmp(end, units[i].unit))
			break;
	if (i == sizeof(units) / sizeof(units[0]) || end == equals + 1 || !(number > 0))
		return sl_err(r->e, -EINVAL, "'%s' needs a rate such as 200mbit or 10gbit", word);
	if (r->ifname && !strncmp(word, r->ifname, (size_t)(equals - word)) &&
	    strlen(r->ifname) == (size_t)(equals - word))
		r->bytes_per_s = number * units[i].bits / 8;
	return 0;
}

static int check_rates(const char *text, struct sl_err *e)
{
	struct rate r = { .e = e };

	return settings_list_each(text, parse_rate, &r);
}

double settings_rate(const struct settings *s, const char *ifname)
{
	struct rate r = { .ifname = ifname };

	settings_list_each(s->ecn_rate, parse_rate, &r);
	return r.bytes_per_s;
}

bool settings_steer_admits(const struct settings *s)
{
	return s->steer_announce && (s->steer_max_flows || strcmp(s->steer_tree, "none")) &&
	       s->steer_policy != STEER_POLICY_STATIC;
}

struct cpus {
	__u16 *cpu;
	int n;
	struct sl_err *e;
};

/* One CPU number or range; doubles are dropped. */
static int parse_cpus(const char *word, void *data)
{
	struct cpus *c = data;
	unsigned long first, last;
	char *end;
	int i;

	first = last = strtoul(word, &end, 10);
	if (end != word && *end == '-') {
		const char *second = end + 1;

		last = strtoul(second, &end, 10);
		if (end == second)
			last = 0;
	}
	if (word[0] < '0' || word[0] > '9' || *end || last < first)
		return sl_err(c->e, -EINVAL, "'%s' is neither a CPU number nor a range such as 1-3",
			      word);
	if (last >= SLUICE_MAX_CPUS)
		return sl_err(c->e, -EINVAL,
			      "CPU %lu is beyond %d, the last that can be steered to", last,
			      SLUICE_MAX_CPUS - 1);
	for (; first <= last; first++) {
		for (i = 0; i < c->n && c->cpu[i] != first; i++)
			;
		if (i == c->n)
			c->cpu[c->n++] = (__u16)first;
	}
	return 0;
}

static int check_cpus(const char *text, struct sl_err *e)
{
	__u16 cpu[SLUICE_MAX_CPUS];
	struct cpus c = { cpu, 0, e };

	return settings_list_each(text, parse_cpus, &c);
}

int settings_cpus(const struct settings *s, __u16 cpus[SLUICE_MAX_CPUS], struct sl_err *e)
{
	char online[SETTINGS_LIST];
	struct cpus on = { cpus, 0, e };
	int r;

	if (*s->steer_cpus) {
		r = settings_list_each(s->steer_cpus, parse_cpus, &on);
		return r < 0 ? r : on.n;
	}
	r = sysfs_read("/sys/devices/system/cpu/online", online, sizeof(online));
	if (r < 0)
		return sl_err(e, r, "cannot tell which CPUs are online; set cpus in [steer]");
	r = settings_list_each(online, parse_cpus, &on);
	return r < 0 ? r : on.n;
}

static bool power_of_two(unsigned int v)
{
	return (v & (v - 1)) == 0;
}

static int count(const char *word, void *n)
{
	(void)word;
	++*(unsigned int *)n;
	return 0;
}

/* What no single row can check. */
static int cross_check(const struct settings *s, const char *path, struct sl_err *e)
{
	const char *file = path ? path : "defaults";
	unsigned int links = 0;

	if (s->trials.watch_slices == 1)
		return sl_err(e, -EINVAL, "%s: [guard] watch_slices 1 leaves nothing to the policy "
			      "in force", file);
	if (s->qth_low > s->qth_high)
		return sl_err(e, -EINVAL, "%s: [guard] qth_low %u exceeds qth_high %u", file,
			      s->qth_low, s->qth_high);
	if (s->max_p_low > s->max_p_high)
		return sl_err(e, -EINVAL, "%s: [guard] max_p_low %u exceeds max_p_high %u", file,
			      s->max_p_low, s->max_p_high);
	if (!power_of_two(s->steer_sample) || !power_of_two(s->steer_announce))
		return sl_err(e, -EINVAL,
			      "%s: [steer] sample and announce must be powers of two, or 0", file);
	if (s->ecn_lease_ms < 4 * s->epoch_ms || s->steer_lease_ms < 4 * s->epoch_ms)
		return sl_err(e, -EINVAL,
			      "%s: lease_ms must be at least four epochs (%u ms), or leases lapse "
			      "in normal operation", file, 4 * s->epoch_ms);
	settings_list_each(s->steer_interfaces, count, &links);
	if (links > SETTINGS_LINKS_MAX)
		return sl_err(e, -EINVAL, "%s: more than %d interfaces in [steer] interfaces", file,
			      SETTINGS_LINKS_MAX);
	if (settings_list_has(s->steer_interfaces, "*"))
		return sl_err(e, -EINVAL,
			      "%s: [steer] interfaces must name each interface; * would put XDP on "
			      "all", file);
	return 0;
}

int settings_load(struct settings *s, const char *path, struct sl_err *e)
{
	struct settings fresh;
	int r;

	memset(&fresh, 0, sizeof(fresh));
	if (path)
		r = config_load(path, rows, N_ROWS, &fresh, sizeof(fresh), e);
	else
		r = config_defaults(rows, N_ROWS, &fresh, e);
	if (r == 0)
		r = cross_check(&fresh, path, e);
	if (r < 0)
		return r;
	fresh.weights.latency_ref_s = fresh.latency_ref_us / 1e6;
	*s = fresh;
	return 0;
}

void settings_ecn_agent(const struct settings *s, struct ecn_agent_config *c)
{
	ecn_agent_config_default(c);
	c->grid = (enum ecn_grid)s->grid;
	c->reward = (enum ecn_reward)s->reward;
	c->explore = s->ecn_explore;
	c->learn = s->learn;
	c->epsilon = s->ecn_epsilon;
	c->regret_budget = s->regret_budget;
	c->fct_weight_rate = s->fct_weight_rate;
	c->fct_weight_delay = s->fct_weight_delay;
	c->fct_ref_ns = s->fct_ref_us * 1e3;
	c->seed = s->seed;
}

void settings_steer_agent(const struct settings *s, struct steer_agent_config *c)
{
	steer_agent_config_default(c);
	c->explore = s->steer_explore;
	c->learn = s->learn;
	c->epsilon = s->steer_epsilon;
	c->hysteresis = s->steer_hysteresis;
	c->max_moves = s->steer_max_moves;
	c->weights = s->weights;
	c->seed = s->seed;
}

void settings_guard(const struct settings *s, struct guard_config *c)
{
	__u16 cpus[SLUICE_MAX_CPUS];
	int n, i;

	memset(c, 0, sizeof(*c));
	c->qth_low = s->qth_low;
	c->qth_high = s->qth_high;
	c->max_p_low = s->max_p_low;
	c->max_p_high = s->max_p_high;
	c->changes_per_s = s->changes_per_s;
	c->moves_per_epoch = s->moves_per_epoch;
	c->stand_down_ns = s->stand_down_s * 1000000000ULL;
	n = settings_cpus(s, cpus, NULL);
	for (i = 0; i < n; i++)
		c->cpu_allowed[cpus[i]] = true;
}

int settings_syslog_level(const struct settings *s)
{
	static const int level[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

	return level[s->log_level];
}
