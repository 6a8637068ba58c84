/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sluiced: what its parts share. Every epoch (loop.c)
 *
 *     observe.c       reads the kernel's counters
 *     queues.c        decides qth_min, qth_max, max_p of each sluice qdisc
 *     policies.c      says whose turn it is on a queue, promotes and takes back
 *     queue_flows.c   says what is known of the flows that pass a queue
 *     links.c         loads or adopts the XDP program of an interface, admits flows;
 *                     link_tree.c has a tree place those that the program admits
 *     steering.c      decides which CPU takes each bucket and each admitted flow
 *     operator.c      knows what operators paused, and which writes of theirs stand
 *     guard.c         bounds what was decided
 *     act.c           writes it, and renews leases; nothing else writes (act_stock.c is
 *                     its part about qdiscs other than ours)
 *     agents.c        trains, and keeps what was learned in the checkpoint
 *     transitions.c   logs what was done, for learning offline
 *     background.c    has a thread learn from it (learner.c), and takes its candidates
 *
 * and api.c answers "sluice" over a socket. One thread but for that one, with
 * which it shares nothing; what could take long has a budget. Should the daemon
 * die all the same, leases run out and the kernel side returns to its baselines.
 */
#ifndef SLUICE_DAEMON_DAEMON_H
#define SLUICE_DAEMON_DAEMON_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include <linux/sluice.h>
#include <sluice/tree.h>

#include "daemon/capacity.h"
#include "daemon/decisions.h"
#include "daemon/ecn_agent.h"
#include "daemon/flow_census.h"
#include "daemon/guard.h"
#include "daemon/operator.h"
#include "daemon/settings.h"
#include "daemon/steer_agent.h"
#include "daemon/transitions.h"
#include "guard/trial.h"
#include "lib/procstat.h"
#include "lib/qdisc.h"
#include "lib/steer.h"
#include "policy/novelty.h"
#include "policy/policy.h"
#include "policy/queue_tree.h"
#include "policy/steer_policy.h"

#define QUEUES_MAX	1024	/* qdiscs that are controlled */
#define LINKS_MAX	SETTINGS_LINKS_MAX	/* interfaces that are steered */

/* Why a queue or an interface is not being decided on. X(name, text) */
#define QUEUE_STATES(X)							\
	X(new, "seen just now")						\
	X(deciding, "under control")					\
	X(fixed, "policy is fixed")					\
	X(not_selected, "not among the configured interfaces")		\
	X(no_capacity, "its capacity is not known until it was backlogged once; or set rate")	\
	X(hold, "the operator holds the baseline (hold is 1)")		\
	X(stand_down, "left alone for a while: the operator wrote a knob")	\
	X(paused, "the operator paused the agents here ('sluice agent resume')")	\
	X(write_failed, "a change was refused; the log says why")		\
	X(blocked, "it cannot be changed without damage")

enum queue_state {
#define X(name, text) QUEUE_##name,
	QUEUE_STATES(X)
#undef X
	QUEUE_STATE_N,
};
const char *queue_state_name(enum queue_state s);
const char *queue_state_text(enum queue_state s);
struct queue;
/* The same, with what exactly blocks this one. */
const char *queue_text(const struct queue *q);

/* What act_stock.c knows of a stock qdisc: that which ours would know itself. */
struct queue_stock {
	bool known;
	bool ours;			/* our values are in force, original has the operator's */
	struct ecn_raw original;
	struct ecn_raw expected;	/* what the next dump should say */
	struct ecn_raw next;		/* what is about to be written */
	uint32_t manual_gen;
	struct capacity_span span;
};

/* What a decision saw of the flows, see queue_flows.c. */
struct queue_flows {
	uint64_t at_ns;			/* 0: it was never known */
	double active;
	double elephant_share, ect_share;	/* NAN: not measured */
	uint64_t table_ns;		/* of what age these two are */
};

/* What one arm of a trial has of a queue, see policies.h. */
struct queue_arm {
	struct policy *policy;		/* NULL: not made yet, or the arm is none of a model */
	bool known, novel;		/* novel: what the queue does is like nothing it was made from */
	struct qdisc_triple triple;	/* where it goes on */
	struct novelty_watch watch;
};

/* A tree that the qdisc itself decides by, see offload.h. */
struct queue_tree {
	uint32_t generation;		/* 0: none of ours is loaded */
	bool seen;			/* in a dump, since it was loaded */
	uint32_t crc;			/* of its model */
	struct distill_queue made_for;
	uint64_t renewed_ns, retry_ns;
	bool told;			/* why there is none */
};

/* A qdisc. Its index in daemon.queues is what the agent knows it by. */
struct queue {
	bool used;
	bool present;			/* in the latest dump */
	enum queue_state state;
	struct qdisc_sample now;	/* this epoch */
	struct qdisc_sample last;	/* the epoch before */
	struct qdisc_sample start;	/* of the decision interval */
	bool have_last, have_start;
	uint64_t next_decision_ns;
	uint32_t mtu;
	double configured_bps;		/* of [ecn] rate, 0: none */
	struct capacity capacity;
	struct queue_flows flows;
	struct guard_object guard;

	struct queue_stock stock;
	bool learned;			/* we hold a learned triple */
	int learned_file;		/* where it is written, kept open (sysfs_write_kept()) */
	struct qdisc_triple triple;
	uint32_t generation;
	uint64_t renewed_ns;
	uint64_t retry_ns;		/* after a refused write */
	uint64_t decisions, changes;
	struct queue_arm arm[TRIAL_ARMS];
	enum trial_arm acting;		/* TRIAL_ARMS: none yet */
	struct queue_tree tree;
	bool followed;			/* background.c makes transitions of it */
};

/* A flow with an assignment of its own in an interface's flow table. */
struct link_flow {
	bool used;
	bool active;			/* it had packets between the two latest readings */
	struct sluice_flow_key key;
	uint16_t cpu;
	uint64_t packets, bytes;	/* at the last decision */
	uint64_t active_ns;		/* when its counter last moved */
};

/* What becomes of a CPU as a target, see link_cpus.c. */
enum target_state {
	TARGET_NONE,
	TARGET_IN_USE,
	TARGET_LEAVING,		/* offline; its cpumap entry is still sent to */
	TARGET_GONE,		/* offline, without an entry */
};

/* An interface with the XDP program. */
struct link {
	char ifname[IFNAMSIZ];
	struct steer *steer;		/* NULL: not there yet */
	struct sl_err problem;		/* the latest one that was logged */
	uint64_t retry_ns;
	unsigned int failures;
	bool adopted;			/* else loaded by us */
	bool gone;			/* the interface vanished while we steered it */
	struct steer_snapshot *now, *before;
	bool read_once, have_before;	/* now and before are one interval apart */
	uint64_t renewed_ns;
	bool leased;
	struct guard_object guard;
	struct link_flow *flows;	/* [steer] max_flows of them */
	unsigned int max_flows, n_flows;
	struct steer_scan ageing;	/* how far it came in the flow table */
	uint32_t entries, entries_next;	/* seen there in the latest pass, in this one */
	struct flow_census census;	/* made on the same way */
	struct bucket_set operators;	/* of their active flows, in the latest pass */
	struct bucket_set operators_next;	/* in this one */
	enum target_state target[SLUICE_MAX_CPUS];
	uint64_t idle_packets[SLUICE_MAX_CPUS], idle_since_ns[SLUICE_MAX_CPUS];	/* while leaving */
	uint8_t home1[SLUICE_BUCKETS];	/* CPU + 1 that a bucket returns to; 0: it is there */
	uint64_t decisions, moves, admitted, aged_out;
	bool tree_known;		/* what the program has for a tree is what it should */
	unsigned int tree_version;	/* of the daemon's that was published; 0: none */
	uint32_t tree_generation;	/* that it has there; 0: none of ours */
};

/* [steer] tree, see link_tree.c. */
struct place_tree {
	struct sluice_tree tree;	/* its generation is 1: each interface's has its own */
	unsigned int version, versions;	/* 0: none; and how many there were */
	struct sl_err problem;		/* why it is refused */
};

struct daemon {
	const char *config_path;
	bool verbose;
	struct settings settings;
	struct guard_config guard;

	sd_event *event;
	sd_event_source *timer;
	uint64_t started_ns, epochs, skipped;
	__u64 late[SLUICE_HIST_SLOTS];	/* from when an epoch was due until it began */

	struct qdisc_reader *reader;
	struct sl_err reader_problem;
	bool module_loaded, module_known;
	bool recovered;			/* what a daemon before us left was looked after */
	unsigned int told_lacks;	/* kinds of backends whose lacks were told */
	unsigned int told_alone[ECN_KINDS];	/* stock qdiscs that are left alone, as last told */
	struct queue queues[QUEUES_MAX];
	unsigned int n_queues;		/* highest used index + 1 */
	bool too_many_queues;

	struct operator operator;

	struct place_tree place;
	struct link *links[LINKS_MAX];
	unsigned int n_links;
	uint64_t next_steering_ns, steering_ns;	/* next and latest decision */
	struct procstat cpu_now, cpu_before;

	struct ecn_agent *ecn;
	struct policies *policies;	/* NULL: [ecn] policy is a rule, or nobody */
	uint32_t ecn_start_crc;		/* of what the agent started from; 0: nothing */
	struct steer_agent *steer_agent;
	struct steer_policy *greedy;	/* of a [steer] policy that is a rule */
	uint32_t steer_model_crc;	/* of the model that it started from; 0: none */
	uint64_t next_checkpoint_ns, checkpoint_ns;
	bool checkpoint_failed;
	struct transitions *transitions;	/* NULL: they are not logged */
	struct background *background;	/* NULL: nothing learns in the background */
	uint64_t train_debt_ns;		/* time training took beyond its budget */

	uint32_t generation;		/* of the latest change, whatever it changed */
	struct decisions decisions;
	struct api *api;
};

/*
 * Whether what is planned for "at" belongs to this epoch, which is the nearest
 * one: ticks jitter, and an interval of one epoch must not become two.
 */
static inline bool epoch_due(const struct daemon *d, uint64_t now, uint64_t at)
{
	return now + d->settings.epoch_ms * 1000000ULL / 2 >= at;
}

/* loop.c */
int loop_run(struct daemon *d, struct sl_err *e);

/* observe.c */
void observe_queues(struct daemon *d, uint64_t now);
void observe_module(struct daemon *d);
/* After the settings changed. */
void observe_reconfigure(struct daemon *d);
/* Whether [ecn] backend and interfaces have this qdisc controlled. */
bool observe_selected(const struct settings *s, const struct qdisc_sample *q);

/* queues.c */
void queues_epoch(struct daemon *d, uint64_t now);
void queues_release(struct daemon *d);	/* gives up every learned triple */
/* C in bytes per second, configured or seen; 0: unknown. */
double queue_capacity(const struct daemon *d, const struct queue *q);
uint64_t queue_interval_ns(const struct settings *s, const struct queue *q);	/* of decisions */

/* queue_flows.c: fills in what an interval knows of flows, and keeps it in q. */
void queue_flows_observe(const struct daemon *d, struct queue *q, struct ecn_interval *in,
			 uint64_t now);

/* links.c, link_flows.c, steering.c */
int links_configure(struct daemon *d, struct sl_err *e);
void links_epoch(struct daemon *d, uint64_t now);
void links_release(struct daemon *d);	/* ends leases, closes */
/* Closes l, logs a problem that is new, and sets the time of the next try. */
void link_failed(struct link *l, uint64_t now, const struct sl_err *e);
void steering_decide(struct daemon *d, uint64_t now);
void link_flows_admit(struct daemon *d, struct link *l, uint64_t now);
void link_flows_refresh(struct daemon *d, struct link *l, uint64_t now,
			struct steer_object *objects, size_t *n, size_t max);
void link_flows_age(struct daemon *d, struct link *l);
void link_flows_forget(struct link *l);	/* how far the way through the table was */
/* Targets follow their CPUs offline and back, by the latest reading of both. */
void link_cpus_follow(struct daemon *d, struct link *l, uint64_t now);
void link_cpus_forget(struct link *l);
void link_flows_adopt(struct link *l, bool lease_runs);
/* link_tree.c: reads [steer] tree; has the program follow it; publishes the loads of a reading. */
void link_trees_configure(struct daemon *d);
void link_tree_follow(struct daemon *d, struct link *l);
void link_tree_loads(struct daemon *d, struct link *l, const struct steer_cpu_obs *cpus, size_t n);
/* The CPU that a bucket's packets go to now, or -1. */
int link_bucket_cpu(const struct link *l, unsigned int bucket);

/* agents.c */
int agents_new(struct daemon *d, struct sl_err *e);
int agents_reconfigure(struct daemon *d, struct sl_err *e);
void agents_restore(struct daemon *d);
void agents_checkpoint(struct daemon *d);
void agents_train(struct daemon *d);
void agents_free(struct daemon *d);

/* api.c */
int api_open(struct daemon *d, struct sl_err *e);
void api_close(struct daemon *d);

/* api_reply.c: one object to send, NULL when out of memory. */
json_t *api_status(const struct daemon *d);
json_t *api_agent(const struct daemon *d);

#endif
