# SPDX-License-Identifier: Apache-2.0
#
# The other end of a link lies: about lengths, blocks and what is held, says
# nothing, or does not stop.  The far end says so and ends; nothing of it gets
# a name.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

golden=$TOP/tests/golden

# far OPTION... - `despool link s` with ./said as what the other end says.

far() {
	rm -rf s
	need $DESPOOL store init s -q
	[ -z "$has_old" ] || cp "$golden/link-old.pck" s/LOC00000.1.pck
	status=0
	# shellcheck disable=SC2086
	$DESPOOL link s "$@" <said >out 2>err || status=$?
	despool_last="link s $*"
	! crashed err || status="crash $status"
}

# nothing_new - only what was there has a name.

nothing_new() {
	absent s/LOC00000.2.pck
}

# patch AT OCTAL... - bytes of ./said are others.

patch() {
	patch_at=$1
	shift
	for byte; do
		# shellcheck disable=SC2059
		printf "\\$byte" | dd of=said bs=1 seek="$patch_at" conv=notrunc 2>dd.said
		patch_at=$((patch_at + 1))
	done
}

has_old=
cp "$golden/link-plain.sender" said
far
claim an_honest_sender_is_received both ended 0 ++ cmp "$golden/link-new.pck" s/LOC00000.2.pck

# Lengths: of each message, up to 4 GiB more than there is.

lying_lengths() {
	for at in $(tool stream_cut messages "$golden/link-plain.sender" | sed '$d'); do
		cp "$golden/link-plain.sender" said
		chmod u+w said
		patch $((at + 3)) 377
		far
		failed && nothing_new || return 1
		cp "$golden/link-plain.sender" said
		patch "$at" 377 377 17
		far
		failed && nothing_new || return 1
	done
}
claim a_length_that_lies_ends_the_stream lying_lengths
if ! is_sanitized && [ -z "$RUN" ]; then
	cp "$golden/link-plain.sender" said
	patch "$(tool stream_cut messages said | sed -n 2p)" 0 0 177
	status=0
	prlimit --as=120000000 $DESPOOL link s -j 1 <said >out 2>err || status=$?
	despool_last="link, with little memory"
	claim memory_is_taken_as_bytes_come both failed ++ not grep -q "out of memory" err
fi

# What never ends, and what is no Despool.

yes | head -c 1000000 >said
far
claim another_program_is_told_by_its_first_byte ended 8
{
	head -c 32 "$golden/link-plain.sender"
	head -c 10000000 /dev/zero
} >said
far
claim endless_zeros_end_it ended 1 "protocol"

# Not what the root says: the last byte of every message, also of the OFFER.

wrong_blocks() {
	for at in $(tool stream_cut messages "$golden/link-plain.sender" | sed 1d); do
		cp "$golden/link-plain.sender" said
		chmod u+w said
		patch $((at - 1)) 252
		far
		failed && nothing_new || return 1
	done
}
claim a_block_or_page_that_is_not_so_is_refused wrong_blocks

# A base that is not here, and one that was not asked for.

cp "$golden/link-delta.sender" said
far
claim a_base_that_was_not_listed_is_refused both failed "not listed" ++ nothing_new
cp "$golden/link-pick.sender" said
far
claim blocks_that_nobody_has_are_not_made_up both failed ++ nothing_new
has_old=1
cp "$golden/link-delta.sender" said
far
claim with_the_base_it_is_received both ended 0 ++ $DESPOOL verify s/LOC00000.2.pck -q

# Who answers with nothing.

need mkfifo silence
far_silent() {
	sleep 20 >silence 2>/dev/null &
	silent=$!
	rm -f said
	ln -s silence said
	far --stall-timeout 1
	kill $silent 2>/dev/null
	wait $silent 2>/dev/null
	rm said
	ended 1 "nothing moved"
}
claim a_silent_peer_is_given_up far_silent
despool push "$golden/link-new.pck" "exec:cat >/dev/null" --stall-timeout 1
claim a_silent_target_is_given_up failed "nothing moved"
