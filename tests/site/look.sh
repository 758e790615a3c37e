# SPDX-License-Identifier: Apache-2.0
#
# info, ls, cat and diff.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t t/dir
echo one >t/one
ln t/one t/zz-hard
ln -s one t/link
: >t/nothing
need tool tree_make data t/large 5300000 3
need tool tree_make sparse t/sparse 3000000 65536 2000000
need tool tree_make many t/many 120 2500 1
echo dash >"t/-dash"
echo bytes >"t/$(printf 'new\nline\377')"
need chmod 2750 t/dir
need touch -d '@1000000000.123456789' t/one t/dir
need $DESPOOL pack t -o t.pck -q

# info.

despool info t.pck
claim info_says_what_it_is both ended 0 ++ says "LOC00000 version 1" "root " "content " \
	"126 files" "1 hard links" "1 symbolic links" "$(wc -c <t.pck) bytes"
claim info_is_data equal "$(wc -c <err)" 0
despool pack t -o same.pck --version 7 --level 5
for key in root content; do
	despool info t.pck --json
	field image $key >a.$key
	despool info same.pck --json
	field image $key >b.$key
done
claim other_version_and_level_are_another_root not cmp -s a.root b.root
claim but_the_same_content cmp a.content b.content

# ls.

despool ls t.pck
claim ls_lists_every_entry_in_order equal \
	"$(grep -v -e new -e line out | head -n 6 | tr '\n' ' ')" ". -dash dir large link many "
despool ls t.pck many/d00001 one
claim ls_of_paths_lists_them_and_what_is_below equal "$(wc -l <out)" \
	"$(($(find t/many/d00001 -printf x | wc -c) + 1))"
despool ls t.pck one nope
claim ls_of_a_path_that_is_not_there_is_4 ended 4 nope t.pck
despool ls -l t.pck one dir link
claim ls_long_has_mode_owner_size_and_time both \
	says "-0644 $(stat -c %U/%G t/one)" "2001-09-09T01:46:40Z one" "d2750" "link -> one" ++ \
	equal "$(grep -c '           4 2001' out)" 1

# cat.

cat_is() {
	$DESPOOL cat t.pck "$1" >cat.out 2>err
	status=$?
	despool_last="despool cat t.pck $1"
	ended 0 && cmp "t/$1" cat.out
}
claim cat_of_a_small_file cat_is one
claim cat_of_an_empty_file cat_is nothing
claim cat_of_a_large_file cat_is large
claim cat_of_a_sparse_file cat_is sparse
claim cat_of_a_hard_link cat_is zz-hard
claim cat_of_one_among_many cat_is many/d00001/file-101.so
claim cat_of_a_name_of_any_bytes cat_is "$(printf 'new\nline\377')"
despool cat t.pck -- -dash
claim cat_of_a_name_with_a_dash both ended 0 ++ equal "$(cat out)" dash
despool cat t.pck dir
claim cat_of_a_directory_is_refused ended 2 dir directory
despool cat t.pck link
claim cat_of_a_link_is_refused ended 2 link symlink
despool cat t.pck nope
claim cat_of_nothing_is_4 ended 4 nope t.pck
$DESPOOL cat t.pck large 2>err | head -c 1000 >part
head -c 1000 t/large >want
claim cat_into_a_reader_that_goes_away both cmp part want ++ not crashed err

# cat --root: the very bytes that a signature is over.

despool cat --root t.pck
claim cat_root_writes_the_raw_root equal "$(head -c 8 out)" DSPLROOT
cp out root
$DESPOOL info t.pck --json >out
claim it_is_as_large_as_the_image_says at_least "$(wc -c <root)" 152
despool cat --root same.pck
claim another_version_has_another_root not cmp -s out root

# zstd can read the data out of an image, where it is installed.

if command -v zstd >/dev/null; then
	zstd -dcq <t.pck >data 2>err
	claim zstd_reads_the_data_of_all_files at_least "$(wc -c <data)" 5300000
	tail -c +6 data | head -c 5300000 >large
	claim one_after_another_as_they_are cmp t/large large
fi

# diff.

need cp -a t v
echo other >v/one
echo new >v/added
rm v/nothing v/link
chmod 700 v/dir
need touch -d '@5' v/many
ln -s two v/link
need $DESPOOL pack v -o v.pck --version 2 -q
despool diff t.pck v.pck
claim diff_says_added both ended 0 ++ grep -qx 'added    added' out
claim diff_says_removed grep -qx 'removed  nothing' out
claim diff_says_changed both grep -qx 'changed  one' out ++ not grep -q large out
claim diff_says_other_metadata both grep -qx 'metadata dir' out ++ grep -qx 'metadata many' out
claim a_changed_target_is_a_difference grep -q ' link$' out
claim what_is_the_same_is_not_listed equal "$(grep -c 'many/' out)" 0
despool diff v.pck t.pck
claim diff_the_other_way_round both grep -qx 'added    nothing' out ++ \
	grep -qx 'removed  added' out
despool diff t.pck same.pck
claim another_version_of_the_same_tree_is_no_difference both ended 0 ++ equal "$(cat out)" ""
despool diff t.pck nowhere.pck
claim diff_needs_both ended 4 nowhere.pck

# A manifest, as a distribution point keeps one, is an image without its data.

need $DESPOOL fanout t dp -q
manifest=dp/.despool/LOC00000.1.manifest
despool info $manifest --json
claim info_knows_a_manifest both ended 0 ++ field_is image kind manifest
despool ls $manifest
cp out manifest.list
despool ls t.pck
claim ls_of_a_manifest_is_that_of_the_image cmp out manifest.list
despool diff t.pck $manifest
claim diff_takes_a_manifest both ended 0 ++ equal "$(cat out)" ""
despool verify $manifest t
claim verify_of_a_tree_takes_a_manifest ended 0
despool verify $manifest
claim a_manifest_alone_is_no_whole_image ended 8 "without blocks"
despool unpack $manifest unpacked
claim a_manifest_cannot_be_unpacked both ended 8 $manifest ++ absent unpacked ++ nothing_left .
despool unpack $manifest unpacked --dry-run
claim a_dry_run_says_so_too ended 8 $manifest
despool cat $manifest one
claim no_file_can_be_had_from_it both ended 8 $manifest ++ equal "$(cat out)" ""
despool fanout $manifest dp2
claim it_cannot_be_published both ended 8 $manifest ++ absent dp2/LOC00000
despool pack t -o x.pck --base $manifest
claim as_a_base_it_does_no_harm both ended 0 ++ cmp t.pck x.pck
