# SPDX-License-Identifier: GPL-2.0
# soak.sh in the VM: four links (links.sh), 0 and 1 of the daemon, 2 and 3 with a static threshold.
. selftests/lab/links.sh

share=0.25	# of C * RTT: [guard] static
# Elephants, load, sizes: one minute each.
traffic=("0 0.3 mixed" "2 0.2 mixed" "0 0.6 rpc" "1 0.1 mixed" "0 0.05 mixed" "3 0.3 rpc")
soak_kinds="mixed 30 %;2 endless and mixed 20 %;rpc 60 %;1 endless and mixed 10 %;mixed 5 %;3 endless and rpc 30 %"
soak_reference="the static threshold"
soak_agent='"\(.decisions) \(.carried_out) \(.background.rows // 0) \(.background.steps // 0) \(.background.lost // 0)"'

write_daemon_conf()
{
	cat <<-END
	[daemon]
	socket = $SLUICE_SOCKET
	policies = $tmpdir/policies
	operator = none
	checkpoint = none
	epoch_ms = $LINK_EPOCH_MS
	[learn]
	background = yes
	background_minutes = ${BACKGROUND_MINUTES:-5}
	[ecn]
	policy = model
	offload = no
	interfaces = out0 out1
	rate = out0=${LINK_KBIT}kbit out1=${LINK_KBIT}kbit
	rtt_us = $LINK_RTT_US
	lease_ms = 20000
	[steer]
	policy = static
	lease_ms = 20000
	END
}

soak_up()
{
	local i k

	load_module
	links_up 4 || return 1
	k=$(awk "BEGIN { k = $share * $LINK_KBIT * 125 * $LINK_RTT_US / 1e6; printf \"%d\", k < 3028 ? 3028 : k }")
	for i in 2 3; do
		sysfs_ns rtr build/sluice queue set "out$i" 1:1 qth_min "$k" qth_max "$k" max_p 1000000 ||
			return 1
	done
	write_daemon_conf > "$tmpdir/conf"
	start sysfs_ns rtr build/sluiced -c "$tmpdir/conf" > "$out/log" 2>&1
	busywait 60000 test -S "$SLUICE_SOCKET"
}

# The same arrivals on a link of the daemon and one with the static threshold.
soak_load()
{
	local n=$1 elephants load dist i

	read -r elephants load dist <<< "${traffic[n % ${#traffic[@]}]}"
	for i in 0 1 2 3; do
		link_load $i $load_s "$elephants" "$load" $((1000 + 2 * n + i % 2)) dctcp "$dist" || return 1
	done
}

soak_wait()
{
	local i

	for i in 0 1 2 3; do
		link_load_wait $i || { say "load on link $i: $(tail -n 1 "$tmpdir/link$i/load.err")"; return 1; }
	done
}

soak_pairs() { echo "$(compare 0 2) $(compare 1 3)"; }
