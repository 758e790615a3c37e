# SPDX-License-Identifier: Apache-2.0
#
# fanout: publish at distribution points, update, refresh, roll back, recycle.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir s s/dir s/dir/below s/empty
for file in a m z dir/below/file; do echo version 1 >s/$file; done
ln -s a s/link
ln -s /nowhere s/dangling
need tool tree_make many s/many 250 4000 1
need tool tree_make data s/large 5300000 1
need tool tree_make sparse s/sparse 2000000 0 1000000
need tool tree_make odd s/odd
need tool tree_make deep s/deep 15 200
setfattr -n user.note -v text s/m 2>/dev/null
need chmod 2750 s/dir
need chmod 555 s/dir/below
need chmod 4711 s/z
is_root && need chown daemon:mail s/a && need chown -h daemon s/link
need touch -d '@1000000000.123456789' s/many s/a
need touch -h -d '@5.000000005' s/link
need cp -a s v1

# published DP VERSION TREE - current is this version, and exactly that tree.

published() {
	equal "$(readlink "$1/LOC00000/current")" "$2" && same_tree "$3" "$1/LOC00000/current/." &&
		same_tree "$3" "$1/LOC00000/$2"
}

# tidy DP VERSION... - these versions, their manifests, and nothing half-done.

tidy() {
	tidy_dp=$1
	shift
	holds "$tidy_dp/LOC00000" current "$@" || return 1
	holds "$tidy_dp" LOC00000 .despool || return 1
	equal "$(find "$tidy_dp/.despool/staging" -mindepth 1 | head -n 3)" "" || return 1
	equal "$(cd "$tidy_dp/.despool" && ls -- *.manifest | tr '\n' ' ')" \
		"$(for tidy_version; do echo "LOC00000.$tidy_version.manifest"; done | sort | tr '\n' ' ')"
}
all_of() {
	all_what=$1
	shift
	for all_dp in dp1 dp2 dp3; do "$all_what" $all_dp "$@" || return 1; done
}

# The first version.

despool fanout s dp1 dp2 far/away/dp3
claim publishes_a_tree_at_new_destinations ended 0 dp1 dp2 far/away/dp3 "version 1"
mv far/away/dp3 dp3
claim each_has_the_whole_tree all_of published 1 s
claim each_has_the_layout_of_a_distribution_point all_of tidy 1
claim current_is_a_relative_link equal "$(readlink dp1/LOC00000/current)" 1
claim what_is_ours_is_closed_to_others equal "$(stat -c %a dp1/.despool)" 700
despool verify dp1/.despool/LOC00000.1.manifest dp1/LOC00000/1
claim the_kept_manifest_verifies_the_tree ended 0
claim trees_of_two_destinations_share_no_inodes not test dp1/LOC00000/1/m -ef dp2/LOC00000/1/m

# Nothing changed.

snapshot dp1/LOC00000 dp1
despool fanout s dp1 dp2 dp3
claim nothing_changed_is_said ended 0 "dp1: version 1, nothing changed" "dp3: version 1, nothing changed"
claim nothing_changed_touches_nothing untouched dp1/LOC00000 dp1
despool fanout s dp1 dp2 --json
claim nothing_changed_reads_nothing both ended 0 ++ tool json_lines out ++ field_is bytes_read 0 ++ \
	field_is unchanged 2 ++ field_is published 0 ++ field_is bytes_written 0 ++ \
	field_is destination state unchanged
need cp -a s same
despool fanout same dp1
claim a_copy_with_other_inodes_is_read_and_found_equal both ended 0 "nothing changed" ++ \
	untouched dp1/LOC00000 dp1
scrub same

# A new destination beside those that have it.

despool fanout s dp1 dp4
claim a_new_destination_gets_the_current_version both ended 0 ++ published dp4 1 s ++ \
	grep -q 'dp1: version 1, nothing changed' err

# Version 2: current + 1, version 1 stays.

for file in a m z; do echo version 2 >s/$file; done
need chmod 4711 s/z
rm -r s/empty
echo new >s/dir/new
is_root && need chown daemon:mail s/a
need cp -a s v2
despool fanout s dp1 dp2 dp3
claim the_next_version_is_current_plus_one ended 0 "version 2"
claim each_has_version_2 all_of published 2 s
claim version_1_stays all_of tidy 1 2
claim version_1_is_as_it_was same_tree v1 dp1/LOC00000/1
claim versions_share_no_inodes not test dp1/LOC00000/1/large -ef dp1/LOC00000/2/large

# Version 3 recycles the tree of version 1.

large_1=$(stat -c %i dp1/LOC00000/1/large)
small_1=$(stat -c %i dp1/LOC00000/1/many/d00001/file-120.h)
for file in a m z; do echo version 3 >s/$file; done
printf X | dd of=s/many/d00000/file-7.so bs=1 conv=notrunc 2>/dev/null
chmod 600 s/many/d00000/file-8.so
need touch -d '@77.000000007' s/many/d00000/file-10.so
setfattr -n user.note -v other s/m 2>/dev/null
rm s/link && ln -s m s/link
rm -r s/deep
need mkdir s/deep
rm s/dir/new && need mkdir s/dir/new
mv s/sparse s/moved
is_root && need chown -h mail s/many/d00000/file-11.so
need touch -d '@1000000000.5' s/many
need cp -a s v3
despool fanout s dp1 dp2 dp3 --json
claim version_3_is_published both ended 0 ++ all_of published 3 v3
claim the_oldest_version_is_gone all_of tidy 2 3
claim unchanged_files_are_the_recycled_ones both \
	equal "$(stat -c %i dp1/LOC00000/3/large)" "$large_1" ++ \
	equal "$(stat -c %i dp1/LOC00000/3/many/d00001/file-120.h)" "$small_1"
claim recycling_writes_only_what_changed both at_most "$(field bytes_written)" 9000000 ++ \
	at_least "$(field destination files_kept)" 400
claim version_2_is_as_it_was same_tree v2 dp1/LOC00000/2
despool verify dp1/.despool/LOC00000.3.manifest dp1/LOC00000/3
claim the_recycled_tree_verifies ended 0

# Tampered with, keeping size and time: verify finds it, it is never recycled
# into another version, refresh mends it.

tamper() {
	tamper_time=$(stat -c %.9Y "$1")
	printf '%s' X | dd of="$1" bs=1 seek=100 conv=notrunc 2>/dev/null
	touch -d "@$tamper_time" "$1"
}
tamper dp1/LOC00000/2/large
tamper dp1/LOC00000/2/many/d00001/file-120.h
touch -d "@$(stat -c %.9Y v2/many/d00001)" dp1/LOC00000/2/many/d00001
rm dp1/LOC00000/2/many/d00001/file-105.h
echo planted >dp1/LOC00000/2/many/d00001/planted
rm dp1/LOC00000/2/many/d00001/file-104.so
ln -s /etc/passwd dp1/LOC00000/2/many/d00001/file-104.so
despool verify dp1/.despool/LOC00000.2.manifest dp1/LOC00000/2
claim verify_finds_what_was_tampered_with both ended 8 ++ \
	says "changed large (content)" "changed many/d00001/file-120.h (content)" \
	"missing many/d00001/file-105.h" "extra many/d00001/planted" \
	"changed many/d00001/file-104.so (type)"
for file in a m z; do echo version 4 >s/$file; done
need cp -a s v4
despool fanout s dp1 dp2 dp3
claim a_tree_that_was_tampered_with_is_not_recycled both ended 0 ++ all_of published 4 v4
claim nothing_planted_is_published both absent dp1/LOC00000/current/many/d00001/planted ++ \
	all_of tidy 3 4
tamper dp1/LOC00000/4/large
despool fanout s dp1
claim nothing_changed_looks_at_state_only ended 0 "nothing changed"
despool fanout s dp1 --readback
claim readback_reads_what_is_published failed dp1
before=$(stat -c %i dp1/LOC00000/4/large dp2/LOC00000/4/m)
despool fanout s dp1 dp2 --refresh
claim refresh_mends_it both ended 0 "version 4" ++ published dp1 4 v4 ++ published dp2 4 v4
claim refresh_writes_every_file_again both \
	not equal "$(stat -c %i dp1/LOC00000/4/large dp2/LOC00000/4/m)" "$before" ++ \
	grep -q 'dp2: version 4, .* 0 files kept' err
claim refresh_leaves_no_second_tree both tidy dp1 3 4 ++ tidy dp2 3 4
despool fanout s dp1 --readback
claim readback_is_content_afterwards ended 0
for file in a m z; do echo version 5 >s/$file; done
need cp -a s v5
despool fanout s dp1 dp2 dp3 --readback
claim readback_of_a_new_version both ended 0 ++ all_of published 5 v5

# Older versions.

need $DESPOOL pack v3 -o 3.pck --version 3 -q
need $DESPOOL pack v4 -o 4.pck --version 4 -q
need $DESPOOL pack v5 -o 5.pck --version 5 -q
snapshot dp2/LOC00000 dp2
despool fanout 4.pck dp2
claim an_older_image_is_a_conflict both ended 5 dp2 "version 5 is published" --rollback ++ \
	untouched dp2/LOC00000 dp2
despool fanout v4 dp2 --version 4
claim an_older_tree_is_one_too both ended 5 dp2 --rollback ++ untouched dp2/LOC00000 dp2
despool fanout 4.pck dp2 --rollback
claim rollback_publishes_it both ended 0 ++ published dp2 4 v4
despool fanout 5.pck dp2
claim and_the_newer_one_comes_back both ended 0 ++ published dp2 5 v5
despool fanout 3.pck dp2 --rollback
claim rollback_to_a_version_that_is_gone both ended 0 ++ published dp2 3 v3
despool fanout 5.pck dp2
claim afterwards_the_newest_again both ended 0 ++ published dp2 5 v5

# A version has one content for ever.

despool fanout v4 dp3 --version 5
claim another_content_of_a_version_is_a_conflict both ended 5 dp3 "other content" ++ \
	published dp3 5 v5
need $DESPOOL pack v4 -o wrong5.pck --version 5 -q
despool fanout wrong5.pck dp3
claim of_an_image_too both ended 5 dp3 ++ published dp3 5 v5
despool fanout wrong5.pck dp3 --refresh
claim refresh_does_not_change_that both ended 5 dp3 ++ published dp3 5 v5

# Images.

despool fanout 5.pck dp5 dp6
claim publishes_an_image both ended 0 ++ published dp5 5 v5 ++ published dp6 5 v5
despool fanout 5.pck dp5 dp6
claim an_image_that_is_there_is_unchanged ended 0 "dp5: version 5, nothing changed"
despool fanout v5 dp5
claim the_tree_it_was_made_of_is_unchanged_too both ended 0 "dp5: version 5, nothing changed"
despool fanout v5 dp5 --version 5
claim also_when_its_version_is_given both ended 0 "dp5: version 5, nothing changed"
despool fanout 5.pck dp5 --refresh
claim an_image_can_be_refreshed both ended 0 ++ published dp5 5 v5
despool fanout 5.pck dp5 --version 6
claim an_image_says_itself_which_version_it_is failed 5.pck "version 5"
despool fanout 5.pck dp5 --id ABC00000
claim and_which_package failed 5.pck LOC00000
need $DESPOOL pack v4 -o 9.pck --version 9 -q
despool fanout 9.pck dp5 --keep 3
claim versions_may_be_left_out both ended 0 ++ published dp5 9 v4 ++ tidy dp5 5 9

# How many are kept.

need mkdir k
for version in 1 2 3 4 5 6; do
	echo $version >k/file
	echo same >k/same
	need $DESPOOL fanout k kept3 --keep 3 -q
	need $DESPOOL fanout k kept1 --keep 1 -q
done
claim keep_3_keeps_3 tidy kept3 4 5 6
claim keep_1_keeps_1 both tidy kept1 6 ++ equal "$(cat kept1/LOC00000/current/file)" 6
need $DESPOOL fanout k kept3 --keep 1 -q
echo 7 >k/file
need $DESPOOL fanout k kept3 --keep 1 -q
claim a_smaller_keep_deletes_more tidy kept3 7

# Hard links, whose trees are made anew.

need mkdir h h/dir
echo one >h/one
ln h/one h/dir/two
for version in 1 2 3; do
	echo $version >h/version
	need $DESPOOL fanout h hard -q
	[ $version -lt 3 ] || rm h/dir/two
done
claim hard_links_are_kept both test hard/LOC00000/3/one -ef hard/LOC00000/3/dir/two ++ \
	tidy hard 2 3
need $DESPOOL fanout h hard -q
need $DESPOOL fanout h hard -q --refresh
claim hard_links_that_go_away published hard 4 h
ln h/one h/again
need $DESPOOL fanout h hard -q
claim hard_links_that_come_back both published hard 5 h ++ tidy hard 4 5

# Directories with a default list hand it to nobody.

if setfacl -d -m u:1234:rwx k 2>/dev/null; then
	for version in 8 9 10; do
		echo $version >k/file.$version
		need $DESPOOL fanout k lists -q
	done
	claim recycled_directories_hand_down_no_list published lists 3 k
	setfacl -b k
fi

# Another package beside it.

need $DESPOOL fanout k kept1 --id ABC0000F --version 17 -q
claim packages_stand_beside_each_other both test -f kept1/ABC0000F/17/file ++ \
	equal "$(readlink kept1/ABC0000F/current)" 17 ++ equal "$(readlink kept1/LOC00000/current)" 6

# Options.

despool fanout s dp7 --no-create
claim no_create_makes_no_destination both ended 4 dp7 ++ absent dp7
mkdir dp7
despool fanout s dp7 --no-create
claim no_create_uses_one_that_is_there both ended 0 ++ published dp7 1 s
despool fanout s dp8 --dry-run
claim a_dry_run_makes_nothing both ended 0 dp8 "would publish version 1" ++ absent dp8
echo more >s/more
snapshot dp7/LOC00000 dp7
despool fanout s s/inside --dry-run
claim a_dry_run_sees_an_overlap_that_would_be both ended 2 s/inside ++ absent s/inside
despool fanout s dp7 --dry-run --json
claim a_dry_run_changes_nothing both ended 0 ++ untouched dp7/LOC00000 dp7 ++ field_is version 2
despool fanout s dp9 --exclude many --exclude '*.o' --exclude large
claim exclude_rules_apply both ended 0 ++ absent dp9/LOC00000/1/many ++ test -f dp9/LOC00000/1/a
need mkfifo s/fifo
despool fanout s dp9
claim a_special_file_is_refused both ended 1 s/fifo ++ published dp9 1 dp9/LOC00000/1
despool fanout s dp9 --special=skip
claim special_skip_leaves_it_out both ended 0 ++ absent dp9/LOC00000/current/fifo
rm s/fifo
need mkdir void
despool fanout void dp9
claim an_empty_source_is_refused both ended 2 void --allow-empty ++ test -f dp9/LOC00000/current/a
despool fanout void dp9 --allow-empty
claim allow_empty_publishes_it both ended 0 ++ holds dp9/LOC00000/current/
despool fanout s dp1 --quiet
claim quiet_says_nothing both ended 0 ++ equal "$(cat out err)" ""
despool fanout s dp1 dp2 --json
claim json_has_a_line_a_destination both ended 0 ++ tool json_lines out ++ \
	equal "$(tool json_lines out destination)" 2 ++ tool json_lines out summary files \
	bytes_read bytes_written wall_seconds peak_rss_bytes failed version destinations
despool fanout nowhere dp1
claim a_source_must_be_there both ended 4 nowhere

# Many destinations at once.

need mkdir tiny
echo tiny >tiny/file
need tool tree_make data tiny/data 1500000 5
many=$(for i in $(seq "$(full 64 12)"); do echo many/dp$i; done)
# shellcheck disable=SC2086
despool fanout tiny $many --json
claim many_destinations_at_once both ended 0 ++ field_is published "$(full 64 12)" ++ \
	field_is failed 0 ++ field_is bytes_read 1500005
many_are_whole() {
	for dp in $many; do
		published "$dp" 1 tiny || return 1
	done
}
claim each_of_them_is_whole many_are_whole
# shellcheck disable=SC2086
despool fanout tiny $many
claim and_unchanged_afterwards equal "$(grep -c 'nothing changed' err)" "$(full 64 12)"
despool fanout tiny dp10 -j 1
claim one_worker_is_enough both ended 0 ++ published dp10 1 tiny
need cp -a tiny/. dp10/other
echo extra >dp10/extra
despool fanout tiny dp10 --refresh
claim what_else_is_in_a_destination_stays both ended 0 ++ test -f dp10/extra ++ test -d dp10/other

# A recycled file whose owner changed lost its capabilities.

if is_root && need mkdir caps && cp s/a caps/prog && chown 1000:1000 caps/prog &&
	setcap cap_net_raw=ep caps/prog 2>err; then
	for i in 1 2 3; do
		echo $i >caps/version
		[ $i -lt 3 ] || { chown 1001:1001 caps/prog && setcap cap_net_raw=ep caps/prog; }
		despool fanout caps dpc
	done
	claim a_recycled_file_keeps_its_capabilities both ended 0 "1 files kept" ++ \
		equal "$(getcap -n dpc/LOC00000/3/prog | sed 's/^[^ ]* //')" "cap_net_raw=ep" ++ \
		$DESPOOL verify dpc/.despool/LOC00000.3.manifest dpc/LOC00000/3 -q
else
	skip a_recycled_file_keeps_its_capabilities "$NEEDS_ROOT"
fi
