# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# lib - what the scripts of tests/site and tests/attack share.  A script begins
#
#   . "$TOP/tests/lib.sh"
#
# and is then in its empty scratch directory.  Every case is a claim:
#
#   despool unpack a.pck full                 run it; $status, ./err and ./out
#   claim unpack_refuses_a_full_dir ended 5 "not empty"
#
# says `PASS SCRIPT/unpack_refuses_a_full_dir`, or FAIL and why.

set -u
LC_ALL=C
export LC_ALL
umask 022
unset NO_COLOR DESPOOL_SITE

SCRIPT=$(basename "$0" .sh)
FIRST_ROOM=$SCRATCH
cd "$SCRATCH" || exit 1

# Loops are short but for one target, which runs everything directly.

FULL=
[ "${CHECK:-$TARGET}" != x86_64 ] || FULL=1
[ -z "${NIGHTLY-}" ] || FULL=1

# full N M - N where everything is run, M where it is run once more.

full() {
	if [ -n "$FULL" ]; then echo "$1"; else echo "$2"; fi
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

is_sanitized() {
	case $TARGET in
	*-asan | *-tsan) return 0 ;;
	esac
	return 1
}

pass() {
	echo "PASS $SCRIPT/$1"
}

fail() {
	echo "FAIL $SCRIPT/$1: $2"
}

skip() {
	echo "SKIP $SCRIPT/$1: $2"
}

first_line() {
	head -n 1 "$1" | cut -c 1-300
}

# claim NAME COMMAND... - it holds when COMMAND succeeds; what the command says
# is the reason when it does not.

claim() {
	claim_name=$1
	shift
	claim_status=0
	"$@" >"$FIRST_ROOM/.claim" 2>&1 || claim_status=$?
	if [ $claim_status -eq 0 ]; then
		pass "$claim_name"
	else
		fail "$claim_name" "$(first_line "$FIRST_ROOM/.claim")"
		head -c 4000 "$FIRST_ROOM/.claim"
		[ -s "$FIRST_ROOM/.claim" ] || echo "not: $*"
	fi
}

# need COMMAND... - what the script cannot go on without.

need() {
	"$@" >"$FIRST_ROOM/.need" 2>&1 && return 0
	echo "FAIL $SCRIPT/set_up: $* ($(first_line "$FIRST_ROOM/.need"))"
	head -c 4000 "$FIRST_ROOM/.need"
	exit 1
}

# despool ARGUMENT... - run the command; out, err and $status are what it did.

status=0
despool() {
	status=0
	# shellcheck disable=SC2086 # a command with arguments
	$DESPOOL "$@" >"$FIRST_ROOM/out" 2>"$FIRST_ROOM/err" || status=$?
	despool_last="despool $*"
	crashed "$FIRST_ROOM/err" && status="crash $status"
	return 0
}

# Did a program die of its own faults?  No claim may pass then.

crashed() {
	grep -qE 'Sanitizer|Assertion|assertion|runtime error|uncaught target signal|corrupted|double free' "$1"
}

# ended STATUS [TEXT...] - how the last despool did, each TEXT among its errors.

ended() {
	ended_want=$1
	shift
	if [ "$status" != "$ended_want" ]; then
		echo "exit $status, not $ended_want: $despool_last"
		cat "$FIRST_ROOM/err"
		return 1
	fi
	for ended_text; do
		grep -qF -e "$ended_text" "$FIRST_ROOM/err" && continue
		echo "does not say \"$ended_text\": $despool_last"
		cat "$FIRST_ROOM/err"
		return 1
	done
}

# failed [TEXT...] - ended with an error, whichever, and said each TEXT.

failed() {
	case $status in
	[1-9] | 75) ended "$status" "$@" ;;
	*)
		echo "exit $status: $despool_last"
		cat "$FIRST_ROOM/err"
		return 1
		;;
	esac
}

# says TEXT... - each is among what the last despool wrote to standard output.

says() {
	for says_text; do
		grep -qF -e "$says_text" "$FIRST_ROOM/out" && continue
		echo "standard output lacks \"$says_text\": $despool_last"
		head -n 20 "$FIRST_ROOM/out"
		return 1
	done
}

# tool NAME ARGUMENT... - a program of tests/tools.

tool() {
	tool_name=$1
	shift
	# shellcheck disable=SC2086
	$RUN "$TOOLS/$tool_name" "$@"
}

# field [TYPE] KEY - of the summary, or the last object of TYPE, on standard
# output.

field() {
	if [ $# -eq 1 ]; then
		tool json_lines "$FIRST_ROOM/out" summary "$1"
	else
		tool json_lines "$FIRST_ROOM/out" "$1" "$2"
	fi
}

# field_is [TYPE] KEY VALUE

field_is() {
	if [ $# -eq 2 ]; then
		set -- summary "$@"
	fi
	field_value=$(field "$1" "$2")
	[ "$field_value" = "$3" ] && return 0
	echo "$2 of the $1 is $field_value, not $3: $despool_last"
	return 1
}

# both COMMAND... ++ COMMAND... - all of them succeed.

both() {
	while [ $# -gt 0 ]; do
		both_line=
		while [ $# -gt 0 ] && [ "$1" != ++ ]; do
			both_line="$both_line '$(printf %s "$1" | sed "s/'/'\\\\''/g")'"
			shift
		done
		[ $# -eq 0 ] || shift
		eval "$both_line" || return 1
	done
}

not() {
	! "$@"
}

equal() {
	[ "$1" = "$2" ] && return 0
	echo "\"$1\" is not \"$2\""
	return 1
}

at_most() {
	[ "$1" -le "$2" ] && return 0
	echo "$1 is more than $2"
	return 1
}

at_least() {
	[ "$1" -ge "$2" ] && return 0
	echo "$1 is less than $2"
	return 1
}

absent() {
	for absent_path; do
		if [ -e "$absent_path" ] || [ -L "$absent_path" ]; then
			echo "$absent_path is there"
			ls -la "$absent_path"
			return 1
		fi
	done
}

# scrub PATH... - remove, whatever the permissions.

scrub() {
	for scrub_path; do
		rm -rf "$scrub_path" 2>/dev/null && continue
		chmod -R u+rwX "$scrub_path"
		rm -rf "$scrub_path"
	done
}

# nothing_left DIR... - no staging and no half-written file of ours in it.

nothing_left() {
	for left_dir; do
		left=$(find "$left_dir" -maxdepth 1 -name '.*despool*')
		[ -z "$left" ] || {
			echo "left: $left"
			return 1
		}
	done
}

# holds DIR NAME... - these entries and no others.

holds() {
	holds_dir=$1
	shift
	equal "$(cd "$holds_dir" && find . -mindepth 1 -maxdepth 1 | sort | tr '\n' ' ')" \
		"$(for holds_name; do echo "./$holds_name"; done | sort | tr '\n' ' ')"
}

# same_tree [-o] [-t] [-l] A B - as tree_list sees them.

same_tree() {
	same_options=
	while [ "${1#-}" != "$1" ]; do
		same_options="$same_options $1"
		shift
	done
	# shellcheck disable=SC2086
	tool tree_list $same_options "$1" >"$FIRST_ROOM/.list.a" || return 1
	# shellcheck disable=SC2086
	tool tree_list $same_options "$2" >"$FIRST_ROOM/.list.b" || return 1
	cmp -s "$FIRST_ROOM/.list.a" "$FIRST_ROOM/.list.b" && return 0
	echo "$1 and $2 differ:"
	diff "$FIRST_ROOM/.list.a" "$FIRST_ROOM/.list.b" | head -n 20
	return 1
}

# Remember a tree, and look again later whether it is untouched.

snapshot() {
	tool tree_list "$1" >"$FIRST_ROOM/.snapshot.$2"
}

untouched() {
	tool tree_list "$1" | cmp -s "$FIRST_ROOM/.snapshot.$2" - && return 0
	echo "$1 was touched:"
	tool tree_list "$1" | diff "$FIRST_ROOM/.snapshot.$2" - | head -n 10
	return 1
}

# in_background NAME COMMAND... - start it and wait until it says "ready"; its
# process id is in $background, what it says in ./NAME.said.

in_background() {
	background_name=$1
	shift
	: >"$FIRST_ROOM/$background_name.said"
	"$@" >>"$FIRST_ROOM/$background_name.said" 2>&1 &
	background=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q ready "$FIRST_ROOM/$background_name.said" && return 0
		sleep 0.1
	done
	echo "FAIL $SCRIPT/set_up: $background_name does not get ready"
	cat "$FIRST_ROOM/$background_name.said"
	exit 1
}

stop_background() {
	kill "$background" 2>/dev/null
	wait "$background" 2>/dev/null
	return 0
}

# A background tool is one process, so that it can be stopped.

tool_process() {
	tool_name=$1
	shift
	# shellcheck disable=SC2086
	exec $RUN "$TOOLS/$tool_name" "$@"
}

# random SEED COUNT LOW HIGH - COUNT numbers, the same for the same seed.

random() {
	awk -v seed="$1" -v count="$2" -v low="$3" -v high="$4" 'BEGIN {
		srand(seed)
		for (i = 0; i < count; i++)
			printf "%.4f\n", low + rand() * (high - low)
	}'
}

now_ms() {
	date +%s%3N
}

# An ordinary user: who runs the tests, or nobody when that is root.  The
# programs are copied to where that user may run them; `user COMMAND...` runs
# one, `despool_user ARGUMENT...` despool, with results as from despool.  The
# user's own directory is $USER_ROOM.

start_user() {
	if ! is_root; then
		USER_ROOM=$SCRATCH/user
		mkdir "$USER_ROOM"
		USER_DESPOOL=$DESPOOL
		return 0
	fi
	USER_ROOM=$(mktemp -d /tmp/despool-user.XXXXXX) || return 1
	at_exit "rm -rf '$USER_ROOM'"
	chmod 755 "$USER_ROOM"
	mkdir "$USER_ROOM/bin"
	cp "$TOP/build/$TARGET/despool" "$USER_ROOM/bin/"
	mkdir "$USER_ROOM/work"
	chown 65534:65534 "$USER_ROOM/work"
	USER_DESPOOL="${RUN:+$RUN }$USER_ROOM/bin/despool"
	USER_ROOM=$USER_ROOM/work
}

user() {
	if is_root; then
		(cd "$USER_ROOM" &&
			setpriv --reuid 65534 --regid 65534 --clear-groups "$@")
	else
		(cd "$USER_ROOM" && "$@")
	fi
}

# One process, for in_background.

user_process() {
	cd "$USER_ROOM" || exit 1
	if is_root; then
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		exec "$@"
	fi
}

despool_user() {
	status=0
	# shellcheck disable=SC2086
	user $USER_DESPOOL "$@" >"$FIRST_ROOM/out" 2>"$FIRST_ROOM/err" ||
		status=$?
	despool_last="despool $* (as an ordinary user)"
	crashed "$FIRST_ROOM/err" && status="crash $status"
	return 0
}

# at_exit COMMAND - when the script ends, the last one first.

at_exit_all=
at_exit() {
	at_exit_all="$1; $at_exit_all"
	trap 'eval "$at_exit_all"' EXIT
	trap 'exit 1' HUP INT TERM
}

# move_to_memory - go on in a directory of a file system in memory, where there
# is one: for scripts that make much and care for no particular disk.

move_to_memory() {
	[ -d /dev/shm ] && [ -w /dev/shm ] &&
		[ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 1000000 ] || return 0
	SCRATCH=$(mktemp -d /dev/shm/despool-room.XXXXXX) || return 0
	at_exit "cd /; chmod -R u+rwX '$SCRATCH'; rm -rf '$SCRATCH'"
	FIRST_ROOM=$SCRATCH
	cd "$SCRATCH" || exit 1
}

# mounted DIR OPTION... - a file system of its own at DIR, until the script
# ends; false where that is not allowed.

mounted() {
	mounted_dir=$1
	shift
	mkdir -p "$mounted_dir"
	is_root && mount "$@" "$mounted_dir" 2>"$FIRST_ROOM/.mount" || return 1
	at_exit "umount -l '$mounted_dir' 2>/dev/null"
}

# mounted_new KIND SIZE - the same, of a new file system in the file KIND.img

mounted_new() {
	truncate -s "$2" "$1.img" && command -v "mkfs.$1" >/dev/null &&
		"mkfs.$1" -q "$1.img" >/dev/null 2>"$FIRST_ROOM/.mount" &&
		mounted "$1" -o loop "$1.img"
}

NEEDS_MOUNT="needs root and the right to mount"
NEEDS_ROOT="needs root"
