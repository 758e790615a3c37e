# SPDX-License-Identifier: Apache-2.0
# timeout: 200
#
# Streams that break, ends that are killed, and Ctrl-C: both ends say so, and
# the next push goes on where the last one stopped (S11).
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory
seed=${SEED:-$$}
echo "seed $seed"
# shellcheck disable=SC2086
cut="${RUN:+$RUN }$TOOLS/stream_cut"

store() {
	rm -rf "$1"
	need $DESPOOL store init "$1" -q
}

# The package of the golden streams: every message boundary is known.

new=$TOP/tests/golden/link-new.pck
old=$TOP/tests/golden/link-old.pck

# cut_push FORWARD BACK - push over a stream that is cut; both ends end with
# 75, or all had been said.

cut_push() {
	store s
	cp "$old" s/LOC00000.1.pck
	rm -f link.status
	despool push "$new" --base "$old" -q \
		"exec:exec $cut cut $1 $2 count '$DESPOOL link s; echo \$? >link.status'"
	case $status in
	75) ;; # also when it is there, and that was not heard
	0) [ -e s/LOC00000.2.pck ] || return 1 ;;
	*)
		ended 75
		return 1
		;;
	esac
	# The program waits for the far end, so its status is there by now.
	case $(cat link.status) in
	75 | 0) ;;
	*)
		echo "link ended with $(cat link.status) (cut at $1, $2)"
		return 1
		;;
	esac
	despool push "$new" s --base "$old" -q
	ended 0 && $DESPOOL verify s/LOC00000.2.pck -q && holds s/staging
}

cut_at() {
	cut_way=$1
	shift
	for at; do
		case $cut_way in
		forward) cut_push "$at" -1 || return 1 ;;
		back) cut_push -1 "$at" || return 1 ;;
		esac
	done
}

# some COUNT - the first, the last, and COUNT - 2 between, of what comes in.

some() {
	awk -v count="$1" '{ line[NR] = $0 } END {
		if (NR < count) count = NR
		for (i = 0; i < count; i++)
			print line[1 + int(i * (NR - 1) / (count > 1 ? count - 1 : 1))]
	}'
}

boundaries() {
	tool stream_cut messages "$TOP/tests/golden/link-delta.$1"
}
# shellcheck disable=SC2046
claim a_stream_cut_between_messages_is_75_and_goes_on \
	cut_at forward $(boundaries sender | some "$(full 40 4)")
# shellcheck disable=SC2046
claim so_it_is_when_the_answers_are_cut \
	cut_at back $(boundaries receiver | some "$(full 10 2)")
# shellcheck disable=SC2046
claim a_stream_cut_anywhere_is_75_and_goes_on cut_at forward 0 1 31 \
	$(random "$seed" "$(full 8 2)" 33 2200 | cut -d. -f1)
[ -z "${NIGHTLY-}" ] ||
	claim a_stream_cut_at_every_byte_goes_on cut_at forward $(seq 0 2260)

exec 3>&1

# A larger one: either end is killed again and again until it is done.

size=$(full 24000000 6000000)
need mkdir t
need tool tree_make data t/large "$size" 1
need tool tree_make many t/many 50 3000 2
need $DESPOOL pack t -o large.pck -q
whole=$(wc -c <large.pck)
kills=$(full 20 3)
[ -z "${NIGHTLY-}" ] || kills=100

# killed HOW - kill -9 at random moments; what went over the stream in all is
# the image and at most 4 MiB for each time.

killed() {
	store s
	rm -f count
	killed_times=0
	for moment in $(random "$seed$1" "$kills" 100 "$((size / 12))" | cut -d. -f1); do
		despool push large.pck -q \
			"exec:exec $cut $1 $moment -1 count 'echo \$\$ >link.pid; exec $DESPOOL link s 2>link.err'"
		[ "$status" != 0 ] || break
		[ ! -e s/LOC00000.1.pck ] || return 1
		crashed link.err && return 1
		killed_times=$((killed_times + 1))
		# The far end of one that was killed ends when it sees that.
		wait_for_end || return 1
	done
	despool push large.pck "exec:exec $cut cut -1 -1 count '$DESPOOL link s'" -q
	ended 0 && cmp large.pck s/LOC00000.1.pck && holds s/staging || return 1
	sent=$(awk '{ sum += $1 } END { print sum }' count)
	echo "$1: $killed_times times, $sent of $whole" >&3
	at_most "$sent" "$((whole + 20000 + killed_times * 4194304))" &&
		at_least "$killed_times" 1
}

wait_for_end() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 \
		21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do
		kill -0 "$(cat link.pid)" 2>/dev/null || return 0
		sleep 0.05
	done
	echo "the far end does not end"
	return 1
}
claim the_receiver_killed_sends_little_again killed kill-child
claim the_sender_killed_sends_little_again killed kill-parent
claim a_broken_stream_sends_little_again killed cut

# What was received is not sent again: the second half only.

store s
rm -f count
despool push large.pck -q "exec:exec $cut cut $((whole * 3 / 4)) -1 count '$DESPOOL link s'"
claim three_quarters_are_received ended 75
despool push large.pck s --json
claim the_rest_is_at_most_4_MiB_more both ended 0 ++ \
	at_most "$(field bytes_sent)" "$((whole / 4 + 4194304))"

# Ctrl-C at either end.

interrupted() {
	store s
	rm -f link.status
	status=0
	# shellcheck disable=SC2086
	timeout --foreground --preserve-status -s INT "$(full 0.3 2)" \
		$DESPOOL push large.pck --rate-limit 1M -q \
		"exec:$DESPOOL link s; echo \$? >link.status" >out 2>err || status=$?
	despool_last="push, interrupted"
	crashed err && return 1
	ended 130 && absent s/LOC00000.1.pck || return 1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -s link.status ] && break
		sleep 0.1
	done
	equal "$(cat link.status)" 75 || return 1
	despool push large.pck s -q
	ended 0 && cmp large.pck s/LOC00000.1.pck
}
claim an_interrupted_push_is_completed_by_the_next interrupted

interrupted_far() {
	store s
	despool push large.pck --rate-limit 1M -q \
		"exec:timeout --foreground --preserve-status -s INT $(full 0.3 2) $DESPOOL link s"
	both failed ++ absent s/LOC00000.1.pck || return 1
	despool push large.pck s -q
	ended 0 && cmp large.pck s/LOC00000.1.pck
}
claim an_interrupted_receiver_is_completed_by_the_next interrupted_far
