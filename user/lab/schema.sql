-- SPDX-License-Identifier: GPL-2.0
-- The database of "sluice lab", version 1 (user_version; application_id is 0x736c6162, "slab").
--
-- One file holds one plan and everything that was measured for it. Nothing that was measured is ever
-- changed or deleted: a run that is tried again gets another row in attempts. An attempt and all its
-- metrics are written in one transaction when it has ended, so that whatever is there is complete.
-- Times that end in _unix_s are of the wall clock, for people; durations and the times of metrics
-- are of a monotonic clock (the simulator's own for the simulator), which no clock step moves.

-- The one plan. hash (SHA-256) is of what it means, not of its blanks and comments.
CREATE TABLE plan (
	id		INTEGER PRIMARY KEY CHECK (id = 1),
	name		TEXT NOT NULL,
	text		TEXT NOT NULL,		-- the file as it was
	hash		TEXT NOT NULL,
	executor	TEXT NOT NULL CHECK (executor IN ('simulator', 'kernel', 'native')),
	seed		INTEGER NOT NULL,
	trials		INTEGER NOT NULL,
	attempts_max	INTEGER NOT NULL,	-- of a run
	-- J = exp(sum w_c ln(mean slowdown of class c)) * (C / goodput)^w_goodput, over the classes
	-- that have flows, their weights made to sum to 1. Low is good.
	w_10k REAL NOT NULL, w_100k REAL NOT NULL, w_1m REAL NOT NULL, w_large REAL NOT NULL,
	w_goodput	REAL NOT NULL,
	-- The one primary endpoint: this metric of the candidate against the reference, on the test
	-- workloads. A reference 'best-static' is the best policy of role 'static' on the others.
	endpoint	TEXT NOT NULL,		-- a metric; 'J'
	endpoint_class	TEXT NOT NULL,
	candidate	TEXT NOT NULL,
	reference	TEXT NOT NULL,
	aa		INTEGER NOT NULL CHECK (aa IN (0, 1)),	-- policies are one and the same
	created_unix_s	REAL NOT NULL
);

CREATE TABLE workloads (
	id		INTEGER PRIMARY KEY,
	name		TEXT NOT NULL UNIQUE,
	family		TEXT NOT NULL,		-- leave-one-family-out goes by it
	test		INTEGER NOT NULL CHECK (test IN (0, 1)),	-- held out
	text		TEXT NOT NULL		-- what it is; JSON
);

CREATE TABLE configurations (
	id		INTEGER PRIMARY KEY,
	name		TEXT NOT NULL UNIQUE,	-- 'rate_mbps=100 rtt_us=2000'
	text		TEXT NOT NULL		-- all keys; JSON
);

-- role: 'default' a kernel's qdisc, 'static' a threshold of the grid, 'baseline' a rule or a table,
-- 'learned' frozen, 'online' learns on, 'oracle' chosen by runs on the workload itself.
CREATE TABLE policies (
	id		INTEGER PRIMARY KEY,
	name		TEXT NOT NULL UNIQUE,	-- as the plan has it; of an A/A plan 'NAME#I'
	role		TEXT NOT NULL
			CHECK (role IN ('default', 'static', 'baseline', 'learned', 'online', 'oracle')),
	k_bytes		REAL,			-- of a static threshold; of a ramp its middle
	crc		INTEGER			-- of a model
);

-- A run is a cell and a trial. All policies of one (workload, configuration, trial) have one seed
-- and so the same arrivals. Runs are done in the order of position; a block is a boot of the VM,
-- or of the simulator some runs, and has a whole trial of all policies, in an order of its own.
CREATE TABLE runs (
	id		INTEGER PRIMARY KEY,
	workload	INTEGER NOT NULL REFERENCES workloads (id),
	configuration	INTEGER NOT NULL REFERENCES configurations (id),
	policy		INTEGER NOT NULL REFERENCES policies (id),
	trial		INTEGER NOT NULL CHECK (trial >= 0),
	block		INTEGER NOT NULL,
	position	INTEGER NOT NULL UNIQUE,
	seed		INTEGER NOT NULL,
	-- pending; done: it has one valid attempt; failed, invalid: the last permitted attempt was;
	-- absent: what it needs is not in this kernel, which counts neither for nor against a policy
	state		TEXT NOT NULL DEFAULT 'pending'
			CHECK (state IN ('pending', 'done', 'failed', 'invalid', 'absent')),
	UNIQUE (workload, configuration, policy, trial)
);

-- state: running; valid; invalid: measured, but the queue drained at less than 95 % of its rate
-- while backlogged; failed: no measurement, error says why; absent, as above; interrupted: the runner
-- was killed or the VM stopped from outside meanwhile, which says nothing of the policy and does not count.
CREATE TABLE attempts (
	id		INTEGER PRIMARY KEY AUTOINCREMENT,
	run		INTEGER NOT NULL REFERENCES runs (id),
	number		INTEGER NOT NULL CHECK (number >= 1),
	state		TEXT NOT NULL CHECK (state IN
			('running', 'valid', 'invalid', 'failed', 'absent', 'interrupted')),
	started_unix_s	REAL NOT NULL,
	duration_s	REAL,			-- that it took
	clock_step_s	REAL,			-- how far the wall clock was moved meanwhile
	error		TEXT,
	log		TEXT,			-- its last lines
	-- What it ran on.
	boot		TEXT,			-- of the VM; '' for the simulator
	sluice		TEXT,			-- version
	kernel		TEXT,			-- release
	host		TEXT,
	-- How fast this machine was then: million steps of a random number generator in a second of
	-- CPU time, before a simulation or after a run in the VM (whose CPU time is what QEMU got).
	calibration	REAL,
	drain_share	REAL,			-- rate while backlogged / configured rate; NULL: never backlogged
	UNIQUE (run, number)
);
CREATE UNIQUE INDEX attempts_valid ON attempts (run) WHERE state = 'valid';

-- One format for everything that was measured: a value of [t0_s, t1_s) of the attempt. A value of
-- the whole run is one from 0 to its end, with whole = 1. Names have their unit:
--
--	J			the objective ('')
--	slowdown_mean, fct_mean_us, fct_p50_us, fct_p99_us, fct_p999_us
--				by class of flow size: '10k', '100k', '1m', 'large', 'all'
--	goodput_bps, goodput_share	payload; over what the link could have sent
--	latency_p50_us, latency_p99_us, latency_p999_us, latency_mean_us	of packets in the queue
--	queue_bytes, queue_max_bytes	average and largest backlog
--	packets, marks_share, drops_share	of the queue; shares of its packets
--	throughput_share	of an interval: what the link sent over what it could have
--	retransmits, reordered_packets	as senders have seen them
--	late_mean_us, lost_connections	kernel lab: how late flows began, and those that failed
--	k_bytes			the threshold in force, on average; in the simulator of a ramp its middle
--	decisions, decisions_own	all, and those that the policy itself took, not its fallback
--	inference_ns		of one decision, on average
--	cpu_share		by CPU: class '0', '1', ...; and 'all'
--	softirq_share		of all CPU time, by ticks
--	llc_misses, instructions, memory_bandwidth_bps	where the machine can count them
-- and of the native lab
--	packets_per_s, bits_per_s	of the link, towards the steered end
--	rr_mean_us, rr_p50_us, rr_p99_us	until a small request is answered, beside the flows
--	rr_lost_share, rr_reordered	requests without an answer; answers that came after a later one
--	cpu_ns_per_packet	'': CPU time of all who send, receive and steer; and by part: 'senders',
--				'servers', 'cpumap' (its threads), 'daemon', 'ksoftirqd' (the whole host's)
--	packets_share		by CPU, of what the whole host's stack received; imbalance: the largest times CPUs
--	backlog_drops, ring_drops	packets for which a CPU's backlog, or a cpumap's ring, had no room
--	steered_packets, moves	that the program gave to a CPU; moves of buckets and flows
--	ring_wait_p50_us, ring_wait_p99_us	in the ring, of the CPU where most were timed
--
-- n is how many flows, packets or decisions a value is made of. status: ok; few: too few of them for
-- such a quantile (p99: 1,000, p999: 10,000 flows of the class), value NULL; censored: unfinished flows reach into
-- it, or not all CPU time was seen: the value is a lower bound or NULL; absent: this machine or executor cannot measure it, NULL.
CREATE TABLE metrics (
	attempt		INTEGER NOT NULL REFERENCES attempts (id),
	name		TEXT NOT NULL,
	class		TEXT NOT NULL DEFAULT '',
	t0_s		REAL NOT NULL,
	t1_s		REAL NOT NULL,
	whole		INTEGER NOT NULL CHECK (whole IN (0, 1)),
	value		REAL,
	n		INTEGER,
	censored	INTEGER NOT NULL DEFAULT 0,	-- unfinished flows among n
	status		TEXT NOT NULL DEFAULT 'ok'
			CHECK (status IN ('ok', 'few', 'censored', 'absent')),
	PRIMARY KEY (attempt, name, class, whole, t0_s)
) WITHOUT ROWID;

-- What a policy of role 'oracle' chose, by runs on arrivals that no trial has.
CREATE TABLE choices (
	workload	INTEGER NOT NULL REFERENCES workloads (id),
	configuration	INTEGER NOT NULL REFERENCES configurations (id),
	policy		INTEGER NOT NULL REFERENCES policies (id),
	k_bytes		REAL NOT NULL,
	cost		REAL NOT NULL,		-- mean J of the chosen one in these runs
	runs		INTEGER NOT NULL,	-- that it took to choose
	PRIMARY KEY (workload, configuration, policy)
) WITHOUT ROWID;

-- What "fit:FIT" (and, of ddqn, "learn-on") is on the workloads of a family: a model that was made in the
-- simulator from workloads of other families, on arrivals that no trial has. Those to train if there are
-- some in other families, else all. family '': of all workloads to train, for those of families that have none.
CREATE TABLE fits (
	fit		TEXT NOT NULL,		-- 'network:2': algorithm, seed
	family		TEXT NOT NULL,		-- that was left out
	others		TEXT NOT NULL,		-- families that it was made from
	kind		TEXT NOT NULL,		-- of the model, as of user/policy/policy.h
	command		TEXT NOT NULL,
	payload		BLOB NOT NULL,
	crc		INTEGER NOT NULL,	-- of kind, command and payload
	mixes		INTEGER NOT NULL,	-- workloads x configurations x arrivals that it has seen
	runs		INTEGER NOT NULL,	-- of the simulator that it had; ten a mix are the thresholds',
						-- which all have in common
	seconds		REAL NOT NULL,		-- that it took beyond these
	made_unix_s	REAL NOT NULL,
	PRIMARY KEY (fit, family)
) WITHOUT ROWID;

-- When somebody had results of test workloads shown: export, report.
CREATE TABLE looks (
	id		INTEGER PRIMARY KEY AUTOINCREMENT,
	at_unix_s	REAL NOT NULL,
	what		TEXT NOT NULL,
	evaluations	INTEGER NOT NULL	-- runs on test workloads that there were by then
);

-- How often test workloads were run, by policy: measured or not, each look into them counts.
CREATE VIEW test_evaluations AS
	SELECT p.name AS policy, w.name AS workload, count(*) AS evaluations
	FROM attempts a JOIN runs r ON a.run = r.id JOIN workloads w ON r.workload = w.id
		JOIN policies p ON r.policy = p.id
	WHERE w.test AND a.state IN ('valid', 'invalid', 'failed')
	GROUP BY p.id, w.id;

-- What became of the runs of each policy: an outcome of it, too.
CREATE VIEW outcomes AS
	SELECT p.name AS policy, p.role AS role, count(*) AS runs,
		sum(r.state = 'done') AS done, sum(r.state = 'failed') AS failed,
		sum(r.state = 'invalid') AS invalid, sum(r.state = 'absent') AS absent,
		sum(r.state = 'pending') AS pending,
		sum((SELECT count(*) FROM attempts a WHERE a.run = r.id AND a.state = 'failed'))
			AS failed_attempts,
		sum((SELECT count(*) FROM attempts a WHERE a.run = r.id AND a.state = 'invalid'))
			AS invalid_attempts
	FROM runs r JOIN policies p ON r.policy = p.id GROUP BY p.id;

-- A row for each valid run: what a test over runs needs.
CREATE VIEW results AS
	SELECT r.id AS run, a.id AS attempt, w.name AS workload, w.family AS family, w.test AS test,
		c.name AS configuration, p.name AS policy, p.role AS role, p.k_bytes AS k_bytes,
		r.trial AS trial, r.block AS block, r.position AS position, r.seed AS seed,
		m.value AS J, m.status AS J_status
	FROM runs r JOIN attempts a ON a.run = r.id AND a.state = 'valid'
		JOIN workloads w ON r.workload = w.id
		JOIN configurations c ON r.configuration = c.id
		JOIN policies p ON r.policy = p.id
		LEFT JOIN metrics m ON m.attempt = a.id AND m.name = 'J' AND m.class = ''
			AND m.whole = 1;

-- What "sluice lab export" writes: a row for each value, with all that it belongs to.
CREATE VIEW tidy AS
	SELECT s.run, s.attempt, s.workload, s.family, s.test, s.configuration, s.policy, s.role,
		s.trial, s.block, s.position, s.seed, a.calibration, a.drain_share, a.sluice,
		a.kernel, a.host, a.boot, m.t0_s, m.t1_s, m.whole, m.name AS metric, m.class, m.value, m.n,
		m.censored, m.status
	FROM results s JOIN attempts a ON a.id = s.attempt JOIN metrics m ON m.attempt = s.attempt;
