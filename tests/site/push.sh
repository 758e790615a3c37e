# SPDX-License-Identifier: Apache-2.0
#
# push and pull as one uses them: to a directory, through a program, versions,
# nothing new, wrong arguments, what may not come in.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir t1
need tool tree_make many t1/many 60 3000 1
need tool tree_make data t1/large 3000000 1
need cp -a t1 t2
need tool tree_make many t2/more 10 2000 5
echo changed >>t2/large
need $DESPOOL pack t1 -o 1.pck -q
need $DESPOOL pack t2 -o 2.pck --version 2 -q
need $DESPOOL pack t2 -o other.pck --version 1 -q
need mkdir t3
echo small >t3/small
need $DESPOOL pack t3 -o small.pck --id LOC00001 -q

# store NAME - make an empty one.

store() {
	need $DESPOOL store init "$1" -q
}

# same_image FILE IMAGE - another one of the same root, whole.

same_image() {
	$DESPOOL cat --root "$1" >root.a && $DESPOOL cat --root "$2" >root.b &&
		cmp root.a root.b && $DESPOOL verify "$1" -q
}

store a
despool push 1.pck a
claim push_brings_an_image_to_a_store both ended 0 ++ cmp 1.pck a/LOC00000.1.pck ++ \
	holds a/staging
store b
despool push 1.pck "exec:$DESPOOL link b" --json
claim push_goes_through_a_program both ended 0 ++ cmp 1.pck b/LOC00000.1.pck
claim its_summary_says_what_was_sent both field_is command push ++ field_is exit_code 0 ++ \
	field_is transfers 1 ++ field_is failed 0 ++ field_is bytes_reused 0 ++ \
	field_is bytes_full "$(wc -c <1.pck)" ++ field_is transfer state sent ++ \
	field_is transfer package_id LOC00000 ++ field_is transfer version 1
claim its_bytes_add_up at_most "$(field bytes_sent)" "$(($(wc -c <1.pck) + 3000))"
claim everything_is_never_more_than_full \
	at_most "$(field bytes_sent)" "$(($(wc -c <1.pck) * 1001 / 1000 + 256))"

# Nothing new.

despool push 1.pck "exec:$DESPOOL link b" --json
claim nothing_new_costs_256_bytes_and_one_round_trip both ended 0 ++ \
	field_is transfer state unchanged ++ field_is round_trips 1 ++ \
	at_most "$(field bytes_sent)" 256 ++ at_most "$(field bytes_received)" 256
despool push 1.pck b --json
claim so_it_does_to_a_directory both ended 0 ++ field_is transfer state unchanged ++ \
	at_most "$(field bytes_sent)" 256 ++ at_most "$(field bytes_received)" 256

# A new version.

despool push 2.pck "exec:$DESPOOL link b" --base 1.pck --json
claim a_new_version_goes_as_a_delta both ended 0 ++ same_image b/LOC00000.2.pck 2.pck ++ \
	at_most "$(field bytes_sent)" 200000 ++ at_least "$(field bytes_delta)" 1 ++ \
	at_least "$(field bytes_reused)" 1000000
despool push 2.pck a --json
claim without_its_base_what_is_there_is_not_sent both ended 0 ++ \
	same_image a/LOC00000.2.pck 2.pck ++ at_least "$(field bytes_reused)" 1000000 ++ \
	at_most "$(field bytes_sent)" 2500000
despool unpack b/LOC00000.2.pck u
claim what_was_received_unpacks both ended 0 ++ same_tree t2 u

store c
despool push b c --json
claim of_a_store_the_newest_version_is_sent both ended 0 ++ holds c LOC00000.2.pck \
	LOC00000.known lock staging ++ cmp b/LOC00000.2.pck c/LOC00000.2.pck
despool push small.pck b
despool push b a c --json
claim to_all_targets_at_once both ended 0 ++ field_is transfers 4 ++ \
	cmp small.pck a/LOC00001.1.pck ++ cmp small.pck c/LOC00001.1.pck

# Several at once over the same streams: bases that are damaged at one target,
# no room at the other.  What the other end said was read without its lock.

store several
store small
store broken
for i in 5 6 7; do
	mkdir "t$i"
	need tool tree_make data "t$i/large" 2500000 $i
	need $DESPOOL pack "t$i" -f -o several.pck --id "LOC0000$i" -q
	need $DESPOOL push several.pck several broken -q
	echo more >>"t$i/large"
	need $DESPOOL pack "t$i" -f -o several.pck --id "LOC0000$i" --version 2 -q
	need $DESPOOL push several.pck several -q
	printf XXXX | dd of="broken/LOC0000$i.1.pck" bs=1 seek=1300000 conv=notrunc 2>dd.said
done
despool push several "exec:trap '' XFSZ; ulimit -f 2000; $DESPOOL link small" broken --json
claim those_that_did_not_fail_are_not_said_to_have field_is failed 3
claim one_target_that_fails_is_left_behind both ended 3 ++ \
	same_image broken/LOC00005.2.pck several/LOC00005.2.pck ++ \
	same_image broken/LOC00006.2.pck several/LOC00006.2.pck ++ \
	same_image broken/LOC00007.2.pck several/LOC00007.2.pck ++ holds small lock staging

# A base that is damaged here.

store d
need cp 1.pck d/LOC00000.1.pck
printf XXXX | dd of=d/LOC00000.1.pck bs=1 seek=1500000 conv=notrunc 2>dd.said
despool push 2.pck d --base 1.pck
claim a_damaged_base_is_asked_around both ended 0 "damaged; blocks" ++ \
	same_image d/LOC00000.2.pck 2.pck

# What may not come in.

despool push other.pck a
claim another_root_of_a_version_is_a_conflict both ended 5 "another root" ++ \
	cmp 1.pck a/LOC00000.1.pck
need $DESPOOL store rm a LOC00000@1 -q
despool push other.pck a
claim also_when_the_first_is_gone both ended 5 ++ absent a/LOC00000.1.pck
store e
need $DESPOOL push 2.pck e -q
despool push 1.pck e
claim an_older_version_is_refused both ended 5 "--rollback" ++ absent e/LOC00000.1.pck
despool push 1.pck "exec:$DESPOOL link e" --rollback
claim when_one_end_refuses_it_is_refused both ended 5 ++ absent e/LOC00000.1.pck
despool push 1.pck "exec:$DESPOOL link e --rollback" --rollback
claim both_ends_may_roll_back both ended 0 ++ cmp 1.pck e/LOC00000.1.pck
despool push 1.pck e nowhere
claim one_target_that_is_not_there_is_3 both ended 3 nowhere
need cp 1.pck hurt.pck
printf XXXX | dd of=hurt.pck bs=1 seek=1500000 conv=notrunc 2>dd.said
store f
despool push hurt.pck f
claim a_damaged_image_is_not_sent both ended 8 ++ absent f/LOC00000.1.pck

# pull.

store p
despool pull b LOC00000 --store p --json
claim pull_fetches_the_newest both ended 0 ++ field_is version 2 ++ \
	cmp b/LOC00000.2.pck p/LOC00000.2.pck ++ absent p/LOC00000.1.pck
despool pull "exec:$DESPOOL link b" LOC00000@1 --store p
claim a_version_that_was_asked_for_may_be_older both ended 0 ++ cmp 1.pck p/LOC00000.1.pck
despool pull b LOC00000 --store p --json
claim pulling_what_is_there_costs_256_bytes both ended 0 ++ \
	at_most "$(field bytes_sent)" 256 ++ at_most "$(field bytes_received)" 256
despool pull b LOC00009 --store p
claim a_package_that_is_not_there_is_4 ended 4
despool pull b LOC00000@7 --store p
claim a_version_that_is_not_there_is_4 ended 4
despool pull b LOC00000
claim pull_needs_a_store ended 2 --store
DESPOOL_STORE=p despool pull b LOC00001
claim which_the_environment_may_say both ended 0 ++ cmp small.pck p/LOC00001.1.pck

# Wrong arguments.

despool push 1.pck
claim push_needs_a_target ended 2
despool push nothing.pck a
claim an_image_that_is_not_there_is_4 ended 4 nothing.pck
despool push 1.pck t1
claim a_directory_is_no_store ended 4 "no store"
despool push 1.pck :a
claim a_target_without_a_host_is_no_target failed
despool push 1.pck "-oProxyCommand=x:a"
claim no_option_is_a_host failed
despool push 1.pck "exec:exit 9"
claim a_program_that_ends_at_once_is_75 ended 75
despool push 1.pck "exec:echo hello"
claim a_program_that_speaks_otherwise_is_8 ended 8
despool pull a LOC
claim a_wrong_package_is_2 ended 2 LOC
despool pull a LOC00000@0 --store p
claim a_wrong_version_is_2 ended 2
despool link t1
claim link_needs_a_store ended 4
despool link a </dev/null
claim a_stream_that_ends_at_once_is_75 ended 75
echo "GET / HTTP/1.1" | despool_link=1 $DESPOOL link a >out 2>err
status=$?
despool_last="link, with a request of a browser"
claim what_is_no_despool_is_8 ended 8
