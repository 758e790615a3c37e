# SPDX-License-Identifier: Apache-2.0
# timeout: 200
#
# SIGINT, SIGTERM and kill -9 at any moment of pack and unpack: the
# destination is absent or whole, and the next run cleans up and completes.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

# The moments count, not the disk.

move_to_memory

need mkdir t
need tool tree_make many t/many "$(full 900 300)" 9000 1
need tool tree_make data t/large "$(full 12000000 5000000)" 1
chmod 555 t/many/d00001
need $DESPOOL pack t -o whole.pck -q
need mkdir v2
need tool tree_make many v2/many 100 2000 2
need $DESPOOL pack v2 -o v2.pck -q

# How long each takes undisturbed; the moments are spread over that.

timed() {
	timed_began=$(now_ms)
	"$@" >/dev/null 2>&1
	echo $(($(now_ms) - timed_began))
}
# shellcheck disable=SC2086
pack_ms=$(timed $DESPOOL pack t -o timed.pck -q)
# shellcheck disable=SC2086
unpack_ms=$(timed $DESPOOL unpack whole.pck timed -q)
tries=$(full 12 3)
[ -z "${NIGHTLY-}" ] || tries=60
seed=${SEED:-$$}
echo "seed $seed, pack takes $pack_ms ms, unpack $unpack_ms ms"

# hit SIGNAL SECONDS ARGUMENT... - run despool and send it the signal then.

hit() {
	hit_signal=$1
	hit_moment=$2
	shift 2
	status=0
	# shellcheck disable=SC2086
	timeout --foreground --preserve-status -s "$hit_signal" "$hit_moment" \
		$DESPOOL "$@" \
		>out 2>err || status=$?
	despool_last="despool $* ($hit_signal after $hit_moment s, seed $seed)"
	crashed err && status="crash $status"
	return 0
}
moments() {
	random "$seed$1" "$2" 0 "$(echo "$3" | awk '{ print $1 * 1.1 / 1000 }')"
}

# died SIGNAL_NUMBER - by that signal, or it was done before.

died() {
	[ "$status" = $((128 + $1)) ] || [ "$status" = 0 ] || ended "the signal"
}

killed_pack() {
	for moment in $(moments 1 "$tries" "$pack_ms"); do
		rm -f k.pck
		hit KILL "$moment" pack t -o k.pck -q
		died 9 || return 1
		[ ! -e k.pck ] || cmp whole.pck k.pck || return 1
		despool pack t -o k.pck --force
		both ended 0 ++ cmp whole.pck k.pck ++ nothing_left . || return 1
	done
}
claim pack_killed_at_any_moment_leaves_all_or_nothing killed_pack

killed_unpack() {
	for moment in $(moments 2 "$tries" "$unpack_ms"); do
		scrub k
		hit KILL "$moment" unpack whole.pck k -q
		died 9 || return 1
		[ ! -e k ] || same_tree t k || return 1
		despool unpack whole.pck k --replace
		both ended 0 ++ same_tree t k ++ nothing_left . || return 1
	done
}
claim unpack_killed_at_any_moment_leaves_all_or_nothing killed_unpack

killed_replace() {
	scrub k
	need $DESPOOL unpack v2.pck k -q
	for moment in $(moments 3 "$tries" "$unpack_ms"); do
		hit KILL "$moment" unpack whole.pck k --replace -q
		died 9 || return 1
		same_tree v2 k >/dev/null || same_tree t k || return 1
		despool unpack v2.pck k --replace
		both ended 0 ++ same_tree v2 k ++ nothing_left . || return 1
	done
}
claim replace_killed_at_any_moment_leaves_old_or_new killed_replace

# After a polite signal nothing is left at once, and it ends by that signal.

interrupted() {
	interrupted_signal=$1
	interrupted_number=$2
	for moment in $(moments "4$2" "$(full $((tries / 2)) 3)" "$unpack_ms"); do
		scrub k k.pck
		hit "$interrupted_signal" "$moment" unpack whole.pck k -q
		died "$interrupted_number" || return 1
		[ "$status" = 0 ] || interruptions=$((interruptions + 1))
		nothing_left . || return 1
		[ ! -e k ] || same_tree t k || return 1
		hit "$interrupted_signal" "$moment" pack t -o k.pck -q
		died "$interrupted_number" || return 1
		nothing_left . || return 1
		[ ! -e k.pck ] || cmp whole.pck k.pck || return 1
	done
}
interruptions=0
for signal in INT:2 TERM:15 HUP:1; do
	claim "SIG${signal%:*}_leaves_nothing_behind" interrupted "${signal%:*}" "${signal#*:}"
done
claim a_signal_ends_what_is_under_way at_least "$interruptions" 1

# A signal that is sure to come in the middle: nobody reads what is written.

need mkfifo never
need mkdir endless
need tool tree_make data endless/data 2000000 1
interrupted_stream() {
	rm -f status
	(
		status=0
		# shellcheck disable=SC2086
		timeout --foreground --preserve-status -k 3 -s TERM "$(full 0.3 1.5)" \
			$DESPOOL pack endless -o - 2>err ||
			status=$?
		echo $status >status
	) >never &
	exec 9<never # nobody reads on: the pipe fills
	wait
	exec 9<&-
	status=$(cat status)
	despool_last="pack into a pipe that nobody reads"
	equal "$status" 143
}
claim SIGTERM_ends_a_pack_that_waits_for_its_reader interrupted_stream

# What an interrupted command says to a program.

scrub k
in_the_middle=$(echo "$unpack_ms" | awk '{ printf "%.3f", $1 / 2000 }')
hit INT "$in_the_middle" unpack whole.pck k --json
if [ "$status" = 130 ]; then
	claim an_interrupted_command_says_so_in_json both \
		tool json_lines out ++ field_is error error ECANCELED
fi

# nohup and a shell's & tell a command to ignore signals: it does.

scrub k
timeout --foreground --preserve-status -s INT "$in_the_middle" \
	sh -c "trap '' INT HUP; exec $DESPOOL unpack whole.pck k -q" 2>err
claim ignored_signals_stay_ignored same_tree t k
