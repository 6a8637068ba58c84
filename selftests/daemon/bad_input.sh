#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# What a person may get wrong: one sentence that says what and what to do, a non-zero exit
# status, and nothing half-applied.
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool setpriv ip nsenter
require_build $sluiced $sluice

ns_create a	# the daemon runs here: no interface of the machine is in reach

# refused WHAT-IT-SAYS COMMAND...: fails with one line on stderr that has those words.
refused()
{
	local says=$1

	shift
	"$@" > "$tmpdir/out" 2> "$tmpdir/err"
	case $? in
	0) check_err 1 "'$*' succeeded" ;;
	124) check_err 1 "'$*' still ran after 10 s" ;;
	esac
	grep -q -- "$says" "$tmpdir/err"
	check_err $? "'$*' said '$(cat "$tmpdir/err")', not '$says'"
	[ "$(wc -l < "$tmpdir/err")" = 1 ]
	check_err $? "'$*' said more than a sentence: $(cat "$tmpdir/err")"
}

test_config()
{
	printf '[daemon]\nepohc_ms = 50\n' > "$conf"
	refused "$conf:2: unknown key 'epohc_ms' in \[daemon\]; did you mean 'epoch_ms'" \
		in_ns a timeout 10 $sluiced -c "$conf"
	refused "did you mean 'epoch_ms'" $sluiced -c "$conf" --check-config
	refused "'epoch_ms'" $sluiced -c "$conf" --reload $$
	printf '[ecn]\nlease_ms = 10\n' > "$conf"
	refused ":2: lease_ms = 10 is out of range; it takes 100..600000 ms" \
		in_ns a timeout 10 $sluiced -c "$conf"
	refused "cannot read /nonexistent: No such file" in_ns a timeout 10 $sluiced -c /nonexistent
	refused "unexpected argument 'start'" in_ns a timeout 10 $sluiced start
	[ ! -e "$SLUICE_SOCKET" ]
	check_err $? "a socket was left behind"
}

test_good_config()
{
	printf '[daemon]\nepoch_ms = 5\n[ecn]\nlease_ms = 100\n' > "$conf"
	$sluiced -c "$conf" --check-config > "$tmpdir/out"
	check_err $? "a right configuration was refused"
}

test_privilege()
{
	write_conf < /dev/null
	chmod 755 "$tmpdir"
	refused "no privilege to change queues (CAP_NET_ADMIN)" in_ns a timeout 10 \
		setpriv --bounding-set -all --inh-caps -all --reuid 65534 --clear-groups \
		$sluiced -c "$conf"
	printf '[steer]\ninterfaces = eth0\n' >> "$conf"
	refused "no privilege to load BPF programs (CAP_BPF)" in_ns a timeout 10 \
		setpriv --bounding-set -bpf,-sys_admin $sluiced -c "$conf"
	[ ! -e "$SLUICE_SOCKET" ]
	check_err $? "a socket was left behind"
}

test_double_start()
{
	write_conf < /dev/null
	daemon_start in_ns a
	check_err $? "no answer: $(cat "$log")"
	refused "another sluiced answers at $SLUICE_SOCKET: stop it first" \
		in_ns a timeout 10 $sluiced -c "$conf"
	daemon_answers
	check_err $? "the first daemon no longer answers"
	daemon_kill "$daemon"
	# A socket that nobody answers at is no obstacle.
	daemon_start in_ns a
	check_err $? "no start over a dead socket: $(cat "$log")"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	[ ! -e "$SLUICE_SOCKET" ]
	check_err $? "the socket was left behind"
}

test_missing_module()
{
	[ ! -d /sys/module/sch_sluice ] || return 0
	write_conf < /dev/null
	: > "$log"
	daemon_start in_ns a
	busywait 2000 said "module sch_sluice is not loaded.*modprobe sch_sluice"
	check_err $? "nothing said: $(cat "$log")"
	sleep 4		# the next looks at it
	[ "$(grep -c "not loaded" "$log")" = 1 ]
	check_err $? "said more than once"
	says_status "wrong  module: sch_sluice is not loaded"
	check_err $? "status says: $($sluice status)"
	daemon_stop "$daemon"
}

test_unknown_interface()
{
	write_conf <<-END
	[steer]
	interfaces = nosuch0
	END
	: > "$log"
	daemon_start in_ns a
	busywait 3000 said "nosuch0: cannot steer: .*nosuch0"
	check_err $? "nothing said: $(cat "$log")"
	says_status "wrong  nosuch0: "
	check_err $? "status says: $($sluice status)"
	daemon_stop "$daemon"
}

damaged_start()	# STATUS-IN-LOG
{
	: > "$log"
	cp "$tmpdir/checkpoint" "$tmpdir/before"
	daemon_start in_ns a
	check_err $? "the daemon does not start: $(cat "$log")"
	said "$1"
	check_err $? "it said: $(cat "$log")"
	cmp -s "$tmpdir/checkpoint.bad" "$tmpdir/before"
	check_err $? "the refused file was not kept"
	daemon_stop "$daemon"
	# It learned from scratch and wrote a good one.
	: > "$log"
	daemon_start in_ns a
	said "learned values restored"
	check_err $? "the new checkpoint is not read back: $(cat "$log")"
	daemon_stop "$daemon"
	rm -f "$tmpdir/checkpoint.bad"
}

test_checkpoint()
{
	local size

	write_conf < /dev/null
	rm -f "$tmpdir/checkpoint"
	daemon_start in_ns a
	said "learning starts fresh"
	check_err $? "no word of the missing checkpoint"
	daemon_stop "$daemon"
	size=$(stat -c %s "$tmpdir/checkpoint")
	truncate -s $((size / 2)) "$tmpdir/checkpoint"
	damaged_start "torn"
	printf x | dd of="$tmpdir/checkpoint" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
	damaged_start "damaged"
	echo "something else" > "$tmpdir/checkpoint"
	damaged_start "is not a sluice checkpoint"
}

# What the operator had paused outlives the daemon; a file that is not one is kept aside.
test_operator()
{
	local bad

	write_conf < /dev/null
	daemon_start in_ns a
	$sluice agent pause > /dev/null
	check_err $? "no pause"
	busywait 1000 test -s "$tmpdir/operator"
	check_err $? "the pause is not on file"
	daemon_kill "$daemon"
	: > "$log"
	daemon_start in_ns a
	said "everything is paused, as the operator said before the restart"
	check_err $? "it said: $(cat "$log")"
	daemon_stop "$daemon"
	for bad in '{' '{"version": 2}' '[]' "$(head -c 40 "$tmpdir/operator")"; do
		printf '%s' "$bad" > "$tmpdir/operator"
		: > "$log"
		daemon_start in_ns a
		check_err $? "the daemon does not start with '$bad': $(cat "$log")"
		said "$tmpdir/operator is damaged" && [ "$(cat "$tmpdir/operator.bad")" = "$bad" ]
		check_err $? "'$bad': it said $(cat "$log")"
		daemon_stop "$daemon"
	done
	rm -f "$tmpdir/operator" "$tmpdir/operator.bad"
	# A place that cannot be written to is said once, and the pause holds nevertheless.
	write_conf < /dev/null
	sed -i "s|^operator = .*|operator = $tmpdir/nosuch/operator|" "$conf"
	: > "$log"
	daemon_start in_ns a
	$sluice agent pause > /dev/null
	busywait 1000 said "so a restart would forget it: No such file"
	check_err $? "it said: $(cat "$log")"
	$sluice agent resume > /dev/null
	$sluice agent pause > /dev/null
	sleep 0.3
	[ "$(grep -c "would forget" "$log")" = 1 ]
	check_err $? "said more than once: $(cat "$log")"
	$sluice agent show | grep -q "^paused everything"
	check_err $? "agent show: $($sluice agent show)"
	daemon_stop "$daemon"
}

test_reload()
{
	write_conf < /dev/null
	: > "$log"
	daemon_start in_ns a
	printf '[guard]\nqth_low = many\n' >> "$conf"
	kill -HUP "$daemon"
	busywait 3000 said "refused, the old one stays: $conf:.* qth_low = 'many'"
	check_err $? "it said: $(cat "$log")"
	daemon_answers
	check_err $? "the daemon is gone"
	write_conf <<-END
	[ecn]
	policy = fixed
	END
	kill -HUP "$daemon"
	busywait 3000 says_status "policy ecn fixed"
	check_err $? "the right configuration was not taken: $($sluice status)"

	# A model that is not there, or not one, leaves what there was; then one that is.
	printf 'policy = model\n' >> "$conf"
	sed -i '/policy = fixed/d' "$conf"
	printf 'model = %s\n' "$tmpdir/model" >> "$conf"
	kill -HUP "$daemon"
	busywait 3000 said "the old one stays: $tmpdir/model: No such file"
	check_err $? "it said: $(cat "$log")"
	echo "something else" > "$tmpdir/model"
	kill -HUP "$daemon"
	busywait 3000 said "the old one stays: $tmpdir/model: not a model"
	check_err $? "it said: $(cat "$log")"
	printf '1000 0\n20000 100\n' > "$tmpdir/sizes"
	$sluice train ecn --algo bdp7 --workload "$tmpdir/sizes" --mixes 1 --epochs 20 \
		-o "$tmpdir/model" > /dev/null
	kill -HUP "$daemon"
	busywait 3000 says_status "policy ecn model"
	check_err $? "the model was not taken: $($sluice status), $(cat "$log")"
	daemon_stop "$daemon"
}

# forge WHAT: $tmpdir/model is a good one but for that.
forge()
{
	cp "$tmpdir/good" "$tmpdir/model"
	case $1 in
	truncated) truncate -s -1 "$tmpdir/model" ;;
	"cut off in its head") truncate -s 20 "$tmpdir/model" ;;
	empty) : > "$tmpdir/model" ;;
	longer) echo x >> "$tmpdir/model" ;;
	oversized) truncate -s 200M "$tmpdir/model" ;;
	older) sed -i '1s/ [0-9]*$/ 1/' "$tmpdir/model" ;;
	newer) sed -i '1s/ [0-9]*$/ 999/' "$tmpdir/model" ;;
	"of another kind") sed -i 's/^kind .*/kind nosuch/' "$tmpdir/model" ;;
	damaged) printf '\377' | dd of="$tmpdir/model" bs=1 conv=notrunc 2> /dev/null \
			seek=$(($(stat -c %s "$tmpdir/model") - 3)) ;;
	"a directory") rm "$tmpdir/model" && mkdir "$tmpdir/model" ;;
	"a FIFO") rm "$tmpdir/model" && mkfifo "$tmpdir/model" ;;
	esac
}

test_models()
{
	local what n=0

	printf '1000 0\n20000 100\n' > "$tmpdir/sizes"
	$sluice train ecn --algo bdp7 --workload "$tmpdir/sizes" --mixes 1 --epochs 20 \
		-o "$tmpdir/good" > /dev/null
	check_err $? "no model was made"
	rm -f "$tmpdir/model"
	cp "$tmpdir/good" "$tmpdir/model"
	printf '[ecn]\npolicy = model\nmodel = %s\n' "$tmpdir/model" | write_conf
	# At a start, with a socket of its own.
	sed "s|^socket = .*|&.other|" "$conf" > "$conf.other"
	: > "$log"
	daemon_start in_ns a
	check_err $? "the good one is refused: $(cat "$log")"
	for what in truncated "cut off in its head" empty longer oversized older newer \
			"of another kind" damaged "a directory" "a FIFO"; do
		rm -rf "$tmpdir/model"
		forge "$what"
		kill -HUP "$daemon"
		n=$((n + 1))
		busywait 5000 refusals "$n"
		check_err $? "$what: $(tail -n 2 "$log")"
		daemon_answers
		check_err $? "$what: the daemon is gone"
		refused "$tmpdir/model" in_ns a timeout 10 $sluiced -c "$conf.other"
	done
	says_status "policy ecn model"
	check_err $? "the old one is not in force: $($sluice status)"
	rm -rf "$tmpdir/model"
	forge nothing
	kill -HUP "$daemon"
	busywait 3000 said "reloaded"
	check_err $? "the good one was not taken again: $(cat "$log")"
	[ "$(wc -l < "$log")" -le $((n + 8)) ]
	check_err $? "more than a line for each: $(cat "$log")"
	daemon_stop "$daemon"
}
refusals() { [ "$(grep -c "refused, the old one stays: $tmpdir/model" "$log")" -ge "$1" ]; }

# What the API is sent is not trusted.
test_api()
{
	local i

	write_conf < /dev/null
	daemon_start in_ns a
	if command -v socat > /dev/null; then
		for i in '{"request": "agent pause", "dev": ""}' \
			'{"request": "agent pause", "dev": 5}' \
			'{"request": "agent pause", "dev": "lo", "parent": ["1:1"]}' \
			'{"request": "agent pause", "parent": "1:1"}' \
			'{"request": "agent release", "dev": "a-name-that-is-too-long"}' \
			'{"request": "agent resume", "dev": "lo"}' 'no json' '{"request": 5}' '{"request": "reboot"}' '[]' ''; do
			printf '%s\n' "$i" | socat -t 2 - "UNIX-CONNECT:$SLUICE_SOCKET" |
				grep -q '"error"'
			check_err $? "'$i' was not refused"
		done
		head -c 100000 /dev/zero | socat -t 2 - "UNIX-CONNECT:$SLUICE_SOCKET" \
			> /dev/null 2>&1
	fi
	daemon_answers
	check_err $? "the daemon is gone"
	[ "$(stat -c %a "$SLUICE_SOCKET")" = 660 ]
	check_err $? "the socket has mode $(stat -c %a "$SLUICE_SOCKET")"
	daemon_stop "$daemon"
}

test_cli()
{
	refused "sluiced does not run (nothing answers at $SLUICE_SOCKET)" $sluice agent show
	refused "no interface 'nosuch0'" $sluice queue show nosuch0
	refused "no interface 'nosuch0'" $sluice queue set nosuch0 root qth_min 1
	refused "unknown knob 'qth_mni'; the knobs are qth_min (0..2147483647)" \
		$sluice queue set lo root qth_mni 1
	refused "max_p must be 0..1000000 ppm, not 1000001" $sluice queue set lo root max_p 1000001
	refused "'-1' is not a number for max_p" $sluice queue set lo root max_p -1
	refused "no sluice qdisc '../x root'" $sluice queue set ../x root max_p 1
	[ -d /sys/module/sch_sluice ] ||
		refused "lo has no sluice qdisc: the module is not loaded" $sluice queue show lo
	$sluice queue set lo root max_p > /dev/null 2>&1
	[ $? = 2 ]
	check_err $? "an odd number of words is not a usage error"
	$sluice agent release > /dev/null 2>&1
	[ $? = 2 ]
	check_err $? "releasing nothing is not a usage error"
}

run_test test_config "a wrong configuration names file, line and what would be right"
run_test test_good_config "a right one at the edge of its ranges is accepted"
run_test test_privilege "missing privileges are named"
run_test test_double_start "a second daemon refuses to start, a dead socket is no obstacle"
run_test test_missing_module "a missing module is said once"
run_test test_unknown_interface "an unknown interface is said once"
run_test test_checkpoint "a damaged checkpoint is refused and kept, learning starts fresh"
run_test test_operator "what the operator paused is kept; a damaged file is put aside"
run_test test_reload "a wrong configuration at reload leaves the old one in force"
run_test test_models "a model that is none is refused in a sentence, and the old one stays"
run_test test_api "nonsense on the socket does no harm"
run_test test_cli "the command line tool names object and remedy"
tap_end
