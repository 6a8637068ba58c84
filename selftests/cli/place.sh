#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=60
#
# "sluice tree place": a tree is published, shown, replaced, refused and given up, by whoever adopts
# the attachment; one without the maps for it says so.

. "$(dirname "$0")/../lib.sh"
require_root
require_tool ip jq ethtool
require_build build/sluice build/selftests/module/mktree
ensure_bpffs
sluice=build/sluice
ns_create a
in_ns a ip link add p0 type veth peer name p1 || skip_all "cannot make a veth pair"
in_ns a ethtool -K p1 tx off > /dev/null
on() { in_ns a $sluice "$@"; }
defer on unload p0

tree()	# GENERATION CELL...
{
	: > "$tmpdir/tree"
	build/selftests/module/mktree "$tmpdir/tree" "$1" 0 "${@:2}"
}

shows()	# EXPRESSION
{
	on -j tree place show p0 > "$tmpdir/json" && jq -e "$1" "$tmpdir/json" > /dev/null
	check_err $? "not $1: $(cat "$tmpdir/json")"
}

refused()	# PATTERN ARGUMENT...
{
	local out pattern=$1

	shift
	out=$(on "$@" 2>&1 > /dev/null) && check_err 1 "$*: was done"
	grep -q "^sluice: .*$pattern" <<< "$out"
	check_err $? "$*: $out"
}

test_life()
{
	on load p0 cpus 0 > /dev/null 2>&1; check_err $? "load"
	shows '.tree == null and .leased == false and .generations == []'
	tree 5 home_load:500000:1:2 home other
	on tree place load p0 "$tmpdir/tree"; check_err $? "tree place load"
	shows '.tree.generation == 5 and .tree.nodes == 1 and .torn == 0'
	on tree place show p0 | grep -q "generation 5, 1 nodes, does not decide"
	check_err $? "not said that no lease runs"
	refused "generation 5 already" tree place load p0 "$tmpdir/tree"
	tree 6 other
	on tree place load p0 "$tmpdir/tree"; check_err $? "replaced"
	shows '.tree.generation == 6 and .tree.nodes == 0'
	on tree place drop p0; check_err $? "tree place drop"
	shows '.tree == null'
}

test_refused()
{
	tree 7 1000,2000,3000
	refused "another kind" tree place load p0 "$tmpdir/tree"
	tree 0 other
	refused "generation is 0" tree place load p0 "$tmpdir/tree"
	tree 7 port:80:1:9 other
	refused "outside of the tree" tree place load p0 "$tmpdir/tree"
	tree 7 backlog:80:1:1 other @36=13
	refused "checksum" tree place load p0 "$tmpdir/tree"
	refused "cannot open" tree place load p0 "$tmpdir/nothing"
	refused "no steering program" tree place show p1
	refused "takes an interface" tree place show
	refused "there is no 'tree place turn'" tree place turn p0
	shows '.tree == null'
}

test_older_attachment()
{
	local dir

	dir=$(on -j load p0 cpus 0 2> /dev/null | jq -r .pins)
	[ -e "$dir/trees" ]; check_err $? "no pin of the trees in '$dir'"
	rm "$dir/trees"
	refused "older than trees" tree place show p0
	on flow show p0 > /dev/null; check_err $? "the rest of it does not work"
}

run_test test_life "a tree is published, shown, replaced and given up"
run_test test_refused "what is no tree that places flows is refused"
run_test test_older_attachment "an attachment without trees says so, and works"
tap_end
