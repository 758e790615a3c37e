# SPDX-License-Identifier: Apache-2.0
#
# unpack: into what, which paths, and --replace in one step.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir one two one/dir one/dir/below one/gone
for file in a m z dir/below/file; do
	echo version 1 >one/$file
	mkdir -p two/dir/below
	echo version 2 >two/$file
done
ln one/a one/dir/hard
ln -s ../a one/dir/link
ln one/dir/link one/zz-link
need tool tree_make many one/many 300 3000 1
need tool tree_make data one/large 3000000 1
need tool tree_make many two/many 300 3000 2
need touch -d '@1000000000.000000001' one/dir one/dir/below
need $DESPOOL pack one -o one.pck -q
need $DESPOOL pack two -o two.pck --version 2 -q

# Into what.

despool unpack one.pck absent
claim into_an_absent_directory both ended 0 ++ same_tree one absent
need mkdir -m 700 empty
despool unpack one.pck empty
claim into_an_empty_directory both ended 0 ++ same_tree one empty
need mkdir full full/dir
echo mine >full/mine
snapshot full full
despool unpack one.pck full
claim a_directory_with_something_in_it_is_a_conflict both ended 5 full "not empty" --replace ++ \
	untouched full full
need mkdir hidden
: >hidden/.hidden
despool unpack one.pck hidden
claim so_is_one_with_hidden_files both ended 5 hidden ++ holds hidden .hidden
echo file >file
despool unpack one.pck file
claim a_file_is_a_conflict both ended 5 file ++ equal "$(cat file)" file
despool unpack one.pck file --replace
claim replace_replaces_no_file both ended 5 file ++ equal "$(cat file)" file
ln -s empty2 link
mkdir empty2
despool unpack one.pck link
claim a_link_is_a_conflict both ended 5 link ++ test -L link ++ holds empty2
ln -s nowhere dangling
despool unpack one.pck dangling
claim a_dangling_link_is_one_too both ended 5 ++ test -L dangling ++ absent nowhere
despool unpack one.pck no/parent
claim the_parent_must_be_there both ended 4 no/parent ++ absent no
despool unpack one.pck trailing/
claim a_slash_behind_it_makes_no_difference both ended 0 ++ same_tree one trailing
need mkdir inside
(cd inside && $DESPOOL unpack ../one.pck ./here -q)
claim paths_may_begin_with_a_dot same_tree one inside/here
despool unpack one.pck "$SCRATCH/by-its-whole-path"
claim paths_may_be_absolute both ended 0 ++ same_tree one by-its-whole-path
need mkdir here
(cd here && $DESPOOL unpack ../one.pck .) >out 2>err
claim the_current_directory_may_be_the_place same_tree one here
despool unpack one.pck "$(printf -- '-odd\n\377')"
claim dir_with_a_dash_needs_two_dashes ended 2
despool unpack one.pck -- "$(printf -- '-odd\n\377')"
claim dir_may_have_any_name both ended 0 ++ same_tree one "$(printf './-odd\n\377')"
long=$(awk 'BEGIN { while (i++ < 255) printf "n" }')
despool unpack one.pck "$long"
claim dir_may_have_a_name_of_255_bytes ended 0
claim nothing_is_left_beside nothing_left . inside

# A mount point, whose own name cannot be given to another directory.

if mounted mnt -t tmpfs -o size=32m none; then
	despool unpack one.pck mnt
	claim into_an_empty_mount_point both ended 0 ++ same_tree -t one mnt
	despool unpack two.pck mnt
	claim a_full_mount_point_is_a_conflict both ended 5 mnt ++ same_tree -t one mnt
	claim nothing_is_left_in_it nothing_left mnt .
else
	skip into_an_empty_mount_point "$NEEDS_MOUNT"
fi

# --replace.

need cp -a one old
despool unpack two.pck old --replace
claim replace_swaps_the_directory both ended 0 ++ same_tree two old
despool unpack one.pck fresh --replace
claim replace_makes_an_absent_directory both ended 0 ++ same_tree one fresh
need mkdir closed
need cp -a one/. closed
chmod 555 closed/dir closed
despool unpack two.pck closed --replace
claim replace_removes_a_read_only_tree both ended 0 ++ same_tree two closed
claim nothing_is_left_of_the_old_one nothing_left .
snapshot old old
head -c 20000 one.pck >cut.pck
despool unpack cut.pck old --replace
claim a_bad_image_replaces_nothing both ended 8 cut.pck ++ untouched old old ++ nothing_left .
despool unpack one.pck old no/such --replace
claim a_missing_path_replaces_nothing both ended 4 no/such ++ untouched old old ++ nothing_left .

# A reader sees one whole version or the other while they are swapped.

need mkdir -p 1/dir/below 2/dir/below
for file in a m z dir/below/file; do
	echo version 1 >1/$file
	echo version 2 >2/$file
done
need $DESPOOL pack 1 -o small1.pck -q
need $DESPOOL pack 2 -o small2.pck -q
need $DESPOOL unpack small1.pck live -q
in_background watch tool_process tree_watch live a dir/below/file m z
for i in $(seq "$(full 80 10)"); do
	need $DESPOOL unpack small2.pck live --replace -q
	need $DESPOOL unpack small1.pck live --replace -q
done
stop_background
tail -n 1 watch.said
claim the_path_is_never_absent_while_it_is_replaced grep -q ' absent 0 ' watch.said
claim a_reader_never_sees_a_mix grep -q ' mixed 0$' watch.said
claim the_reader_did_read at_least "$(sed -n 's/^looks \([0-9]*\) .*/\1/p' watch.said)" 20

# Only some paths.

despool unpack one.pck some dir/below m
claim selected_paths_and_what_is_above_them both ended 0 ++ holds some dir m ++ \
	holds some/dir below ++ cmp one/dir/below/file some/dir/below/file
claim directories_above_keep_their_times equal "$(stat -c %.9Y some/dir)" 1000000000.000000001
despool unpack one.pck many-only many
claim a_directory_selects_what_is_below_it same_tree one/many many-only/many
despool unpack one.pck large-only large
claim one_large_file_alone both ended 0 ++ holds large-only large ++ cmp one/large large-only/large
despool unpack one.pck none no/such/path a
claim a_path_that_is_not_there_is_not_found both ended 4 no/such/path one.pck ++ absent none
despool unpack one.pck none di
claim the_beginning_of_a_name_is_no_path both ended 4 ++ absent none
despool unpack one.pck slashed dir/
claim a_selected_directory_may_end_in_a_slash both ended 0 ++ test -f slashed/dir/below/file
despool unpack one.pck linked dir/hard
claim a_hard_link_selected_alone_has_its_bytes both ended 0 ++ cmp one/a linked/dir/hard
despool unpack one.pck both a dir/hard
claim both_names_selected_are_one_file both ended 0 ++ test both/a -ef both/dir/hard
despool unpack one.pck link-only dir/link
claim a_symbolic_link_alone equal "$(readlink link-only/dir/link)" ../a
despool unpack one.pck link-2-only zz-link
claim a_hard_link_of_a_symbolic_link_alone equal "$(readlink link-2-only/zz-link)" ../a
despool unpack one.pck all ''
claim an_empty_path_is_refused both ended 2 ++ absent all
claim nothing_is_left_of_selections nothing_left .

# --dry-run.

snapshot full full
despool unpack one.pck dry --dry-run --json
claim a_dry_run_counts both ended 0 ++ field_is files "$(find one -type f -printf '%i\n' | sort -u | wc -l)" ++ \
	absent dry ++ nothing_left .
despool unpack one.pck full --dry-run
claim a_dry_run_finds_the_conflict both ended 5 full ++ untouched full full
despool unpack one.pck dry nope --dry-run
claim a_dry_run_finds_the_missing_path ended 4 nope
despool unpack two.pck live --replace --dry-run
claim a_dry_run_replaces_nothing both ended 0 ++ same_tree 1 live

# Two at once into one place.

(
	$DESPOOL unpack one.pck race -q 2>race1.err
	echo $? >race1
) &
(
	$DESPOOL unpack two.pck race -q 2>race2.err
	echo $? >race2
) &
wait
claim of_two_at_once_at_least_one_succeeds test "$(cat race1)" = 0 -o "$(cat race2)" = 0
race_is_sane() {
	case $(cat race1),$(cat race2) in
	0,5 | 0,75) same_tree one race ;;
	5,0 | 75,0) same_tree two race ;;
	*)
		cat race1 race2 race1.err race2.err
		return 1
		;;
	esac
}
claim the_other_one_is_told_to_try_again race_is_sane
claim nothing_is_left_of_the_race absent .race.despool
