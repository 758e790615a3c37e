# SPDX-License-Identifier: Apache-2.0
#
# Progress: on a terminal, without one, as JSON, not at all.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir s
need tool tree_make data s/data 4000000 1
need $DESPOOL pack s -o s.pck -q

despool verify s.pck --progress=none
claim none_shows_none not grep -q '[0-9] %' err
despool verify s.pck --progress=plain
claim plain_is_silent_for_ten_seconds equal "$(grep -c verifying err)" 0
despool verify s.pck
claim without_a_terminal_a_quick_command_shows_none equal "$(grep -c verifying err)" 0
despool verify s.pck --progress=json --json
claim json_is_one_stream tool json_lines out
despool verify s.pck --quiet --progress=tty
claim quiet_has_no_last_word equal "$(grep -c verified err)" 0

# A source that takes its time: a pipe read slowly makes pack wait.

slowly() {
	while head -c 400000 >/dev/null && [ "$(date +%s)" -lt "$slow_end" ]; do sleep 0.3; done
	cat >/dev/null
}
need tool tree_make data s/more 9000000 2
slow_end=$(($(date +%s) + 2))
$DESPOOL pack s -o - --progress=tty 2>tty.err | slowly
claim a_terminal_gets_a_line_that_moves both grep -q 'packing:' tty.err ++ \
	grep -q "$(printf '\r')" tty.err
claim with_bytes_files_and_rate grep -q 'packing:.* [kM]*B.* files.*/s' tty.err
claim the_line_is_cleared_at_the_end equal "$(tail -n 1 tty.err | tr -d '\n' | sed 's/.*\[K//' | cut -c 1-6)" packed
slow_end=$(($(date +%s) + 2))
$DESPOOL pack s -o - --progress=json --json 2>json.err | slowly
claim progress_in_json_has_phase_bytes_and_total tool json_lines json.err progress \
	phase bytes total_bytes files
claim every_line_of_it_is_json tool json_lines json.err

# Where the total is known: the share, and how long it will take.

if [ -n "$FULL" ]; then
	need mkdir z
	head -c 800M /dev/zero >z/zeros
	need $DESPOOL pack z -o z.pck -q
	rm z/zeros
	$DESPOOL verify z.pck --progress=tty -j 1 2>tty.err &
	pid=$!
	sleep 0.04 # stopped for a moment, so that it takes long enough
	kill -STOP $pid
	sleep 0.4
	kill -CONT $pid
	wait $pid
	claim a_known_total_gives_share_and_time_left \
		grep -q 'verifying: .*% .* of .*, .* s left' tty.err
fi

if [ -n "${NIGHTLY-}" ]; then
	slow_end=$(($(date +%s) + 13))
	need tool tree_make data s/evenmore 30000000 3
	$DESPOOL pack s -o - 2>plain.err | slowly
	claim without_a_terminal_a_line_every_ten_seconds at_least "$(grep -c packing: plain.err)" 1
fi
if command -v script >/dev/null; then
	script -qec "$DESPOOL unpack s.pck u" /dev/null >typescript 2>&1 </dev/null
	claim on_a_terminal_the_result_is_said grep -q 'unpacked 1 files' typescript
	COLUMNS=20 script -qec "stty cols 20; $DESPOOL verify s.pck --progress=tty" /dev/null \
		>typescript 2>&1 </dev/null
	claim a_narrow_terminal_is_no_problem grep -q verified typescript
fi
