# SPDX-License-Identifier: Apache-2.0
#
# A store: made, listed, emptied, and full.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir t
need tool tree_make data t/large 3000000 1
need $DESPOOL pack t -o 1.pck -q
need $DESPOOL pack t -o 2.pck --version 2 -q

despool store init s
claim init_makes_a_store both ended 0 ++ test -d s/staging ++ test -f s/lock
need $DESPOOL push 1.pck s -q
despool store init s
claim init_leaves_what_is_there both ended 0 ++ cmp 1.pck s/LOC00000.1.pck
need $DESPOOL push 2.pck s -q
despool store ls s
claim ls_lists_what_is_held both ended 0 ++ says LOC00000@1 LOC00000@2
despool store ls s LOC00000@2 --json
claim ls_may_be_asked_for_one both ended 0 ++ field_is image version 2 ++ \
	field_is image image_bytes "$(wc -c <2.pck)" ++ equal "$(tool json_lines out image)" 1

# Removing.

despool store rm s
claim rm_asks_which ended 2
despool store rm s LOC00000@9
claim what_is_not_there_is_4 ended 4
despool store rm s LOC00000@1 -n
claim a_dry_run_removes_nothing both ended 0 ++ test -f s/LOC00000.1.pck

# Somebody reads it: who is sent to does not answer yet.

# shellcheck disable=SC2086
$DESPOOL push s "exec:echo ready >&2; cat >/dev/null" -q 2>reading &
reader=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	grep -q ready reading && break
	sleep 0.1
done
despool store rm s LOC00000@2
claim what_is_read_is_not_removed both ended 75 ++ test -f s/LOC00000.2.pck
kill $reader 2>/dev/null
wait $reader 2>/dev/null
despool store rm s LOC00000
claim rm_removes_all_versions both ended 0 ++ holds s LOC00000.known lock staging ++ \
	holds s/staging
despool store rm s LOC00000@1
claim what_is_gone_is_4 ended 4
despool store ls s
claim nothing_is_listed_then both ended 0 ++ equal "$(cat out)" ""
despool push 2.pck s
claim the_same_may_come_again both ended 0 ++ cmp 2.pck s/LOC00000.2.pck

# Wrong arguments, and a store that is none.

despool store
claim store_needs_a_verb ended 2
despool store frobnicate s
claim another_verb_is_2 ended 2
despool store init x y
claim init_takes_one_directory both ended 2 ++ absent x
despool store ls t
claim a_directory_is_no_store both ended 4 "no store"
despool store ls nowhere
claim nothing_is_no_store ended 4
despool store init nowhere/deep
claim its_parent_must_be_there ended 4
need cp 1.pck s/LOC00000.7.pck
despool store ls s
claim another_image_than_its_name_says_is_8 ended 8 "another image"
need rm s/LOC00000.7.pck

# Full.

if mounted full -t tmpfs -o size=2m none; then
	need $DESPOOL store init full/s -q
	despool push 1.pck full/s
	claim a_store_without_room_refuses both ended 1 "are free" ++ holds full/s lock staging
	need mount -o remount,size=16m "$SCRATCH/full"
	despool push 1.pck full/s
	claim with_room_it_is_taken both ended 0 ++ cmp 1.pck full/s/LOC00000.1.pck
else
	skip a_store_without_room_refuses "$NEEDS_MOUNT"
fi

# Room that is there at first, and not when it is needed.

need $DESPOOL store init limited -q
despool push 1.pck "exec:trap '' XFSZ; ulimit -f 4000; $DESPOOL link limited"
claim room_that_ends_ends_the_transfer both failed ++ absent limited/LOC00000.1.pck
despool push 1.pck limited --json
claim and_it_goes_on_from_there both ended 0 ++ cmp 1.pck limited/LOC00000.1.pck ++ \
	at_most "$(field bytes_sent)" "$(($(wc -c <1.pck) - 1000000))"

# What somebody changed in staging meanwhile.

need $DESPOOL store init changed -q
$DESPOOL push 1.pck "exec:trap '' XFSZ; ulimit -f 4000; $DESPOOL link changed" -q 2>err
for file in changed/staging/*/image changed/staging/*/journal; do
	printf XXXX | dd of="$file" bs=1 seek=2100 conv=notrunc 2>dd.said
done
despool push 1.pck changed
claim a_damaged_staging_directory_is_mended both ended 0 ++ cmp 1.pck changed/LOC00000.1.pck

# What is only staged is removed as well.

need $DESPOOL store init half -q
despool push 1.pck "exec:exec $RUN $TOOLS/stream_cut cut 1500000 -1 count '$DESPOOL link half'" -q
claim a_cut_push_leaves_something_staged not holds half/staging
despool store rm half LOC00000@1
claim rm_takes_what_is_only_staged both ended 0 ++ holds half/staging
despool store rm half LOC00000@1
claim what_is_not_there_cannot_be_removed ended 4
