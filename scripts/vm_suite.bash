# SPDX-License-Identifier: GPL-2.0
# Debian's kernels from suites that this machine does not use, for vm_image.sh and vm_kmod.sh,
# which source it in the project's root. A kernel has a short name:
#
#	6.1	what this machine's own suite has (vm_image.sh's default)
#	6.12	bookworm-backports
#	sid	the newest of all, whatever its number is today
#
# apt fetches and verifies the packages with a state, a cache and a source list of its own, in
# build/vm/apt-NAME, so that the machine's sources stay as they are. The mirror is the one that
# the machine is configured for. Packages are unpacked and never installed.
#
# The file that sources it has the function die.

suite_root=$PWD/build/vm

# suite_of NAME: its suite; fails when NAME is none of the above (a release, perhaps).
suite_of()
{
	case $1 in
	6.12) echo bookworm-backports ;;
	sid) echo sid ;;
	*) return 1 ;;
	esac
}

suite_apt()	# NAME COMMAND...: apt-get, apt-cache in that suite
{
	local dir=$suite_root/apt-$1 command=$2

	shift 2
	"$command" -qq -o Dir::State="$dir" -o Dir::State::status="$dir/status" \
		-o Dir::Cache="$dir/cache" -o Dir::Etc::sourcelist="$dir/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User=root "$@"
}

# suite_update NAME: fetches the suite's index, at most once a day.
suite_update()
{
	local dir=$suite_root/apt-$1 keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror

	[ -z "$(find "$dir/updated" -mtime -1 2> /dev/null)" ] || return 0
	[ -e "$keys" ] || die "no $keys to verify packages with: install debian-archive-keyring"
	# shellcheck disable=SC2016 # apt's variables
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' |
		head -n 1)
	[ -n "$mirror" ] ||
		die "apt knows no Debian archive: run apt-get update, or see apt-get indextargets"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: > "$dir/status"
	echo "deb [signed-by=$keys] $mirror $(suite_of "$1") main" > "$dir/sources.list"
	# "any": no index that is missing counts as success.
	suite_apt "$1" apt-get -o APT::Update::Error-Mode=any update > "$dir/log" 2>&1 || return
	touch "$dir/updated"
}

# suite_release NAME: the release of its newest kernel. Without a network, that of last time.
suite_release()
{
	local dir=$suite_root/apt-$1 release='' last

	if suite_update "$1"; then
		release=$(suite_apt "$1" apt-cache show linux-image-amd64 |
			grep -om 1 'linux-image-[0-9][^ ]*')
		release=${release#linux-image-}
		[ -n "$release" ] || die "$(suite_of "$1") has no linux-image-amd64"
		# Half a gigabyte for a kernel that has a successor is too much to keep.
		last=$(cat "$dir/release" 2> /dev/null || :)
		[ -z "$last" ] || [ "$last" = "$release" ] || rm -rf "${suite_root:?}/$last"
		echo "$release" > "$dir/release"
	elif [ -s "$dir/release" ]; then
		echo "vm: cannot update $(suite_of "$1"); taking the kernel of last time" >&2
	else
		cat "$dir/log" >&2
		die "cannot fetch the package index of $(suite_of "$1"), see above: is there a network?"
	fi
	cat "$dir/release"
}

# suite_depends NAME PACKAGE: it and those that it needs of the same kernel version.
suite_depends()
{
	local version=${2#linux-*-}

	echo "$2"
	suite_apt "$1" apt-cache show "$2" | sed -n 's/^Depends: //p' | tr ',' '\n' |
		sed 's/^ *//; s/ .*//' | grep -F -- "-${version%-*}" || :
}

# suite_unpack NAME DIRECTORY PACKAGE...
suite_unpack()
{
	local name=$1 target=$2 debs file

	shift 2
	debs=$(mktemp -d "$suite_root/debs.XXXXXX")
	# An index of this morning may name packages that are gone.
	( cd "$debs" && suite_apt "$name" apt-get download "$@" ) > "$debs/log" 2>&1 || {
		cat "$debs/log" >&2
		rm -r "$debs" "$suite_root/apt-$name/updated"
		die "cannot download from $(suite_of "$name"), try once more: $*"
	}
	for file in "$debs"/*.deb; do
		dpkg -x "$file" "$target"
	done
	rm -r "$debs"
}
