# SPDX-License-Identifier: GPL-2.0
# soak.sh on a host: the steering agent and the XDP program on one veth link, another one without.
#
#	snd eth0 10.9.0.1 ---- 10.9.0.2 $dev	rcv: XDP, the daemon
#	    eth1 10.9.1.1 ---- 10.9.1.2 plain
dev=soak$$
# Loads, as shares of 8 Mbit/s, and sizes: one minute each. Volumes are low: it is about time, not packets.
traffic=("0.1 mixed" "0.3 mixed" "0.1 rpc" "0.02 mixed" "0.3 rpc" "0.2 mixed")
soak_kinds="mixed 10 %;mixed 30 %;rpc 10 %;mixed 2 %;rpc 30 %;mixed 20 %"
soak_reference="not steering"
soak_agent='"\(.steer.decisions) \(.steer.moves) \(.steer.updates) \(.steer.updates) 0"'

nap() { read -rt "$1" -u "$nap_fd" || :; }
mkfifo "$tmpdir/nap" && exec {nap_fd}<> "$tmpdir/nap"

soak_up()
{
	require_root
	require_tool ip tc ethtool nsenter jq
	require_build build/sluiced build/sluice build/selftests/lab/arrivals build/selftests/lab/loadgen
	ensure_bpffs
	ns_create snd rcv
	veth_pair snd eth0 10.9.0.1/24 rcv "$dev" 10.9.0.2/24 &&
		veth_pair snd eth1 10.9.1.1/24 rcv plain 10.9.1.2/24 || return 1
	defer in_ns rcv build/sluice unload "$dev"
	start in_ns rcv build/selftests/lab/loadgen serve --port 5000 > "$tmpdir/serve"
	busywait 60000 grep -q ready "$tmpdir/serve" || return 1
	cat > "$tmpdir/conf" <<-END
	[daemon]
	socket = $SLUICE_SOCKET
	checkpoint = $tmpdir/checkpoint
	operator = none
	policies = none
	epoch_ms = ${SOAK_EPOCH_MS:-500}
	[ecn]
	policy = fixed
	lease_ms = 20000
	[steer]
	policy = learn
	interfaces = $dev
	explore = yes
	lease_ms = 20000
	END
	start in_ns rcv build/sluiced -c "$tmpdir/conf" > "$out/log" 2>&1
	busywait 60000 test -S "$SLUICE_SOCKET"
}

# The same arrivals for all minutes of a kind, so that first and second half can be compared.
soak_load()
{
	local n=$1 load dist i

	read -r load dist <<< "${traffic[n % ${#traffic[@]}]}"
	build/selftests/lab/arrivals --rate-bps 8000000 --duration $load_s --seed $((n % ${#traffic[@]})) \
		--load "$load" --dist "$dist" > "$tmpdir/plan" || return 1
	loads=()
	for i in 0 1; do
		mkdir -p "$tmpdir/link$i"
		start in_ns snd build/selftests/lab/loadgen send --plan "$tmpdir/plan" --cc cubic \
			--to 10.9.$i.2 --port 5000 --drain 1 --times "$tmpdir/link$i/times" \
			> "$tmpdir/link$i/load.json" 2> "$tmpdir/link$i/load.err"
		loads+=("$pid")
	done
}

soak_wait()
{
	local p

	for p in "${loads[@]}"; do
		wait "$p" || { say "load: $(tail -qn 1 "$tmpdir"/link?/load.err)"; return 1; }
	done
}

soak_pairs() { echo "$(compare 0 1) nan 0"; }
