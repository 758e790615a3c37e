# SPDX-License-Identifier: Apache-2.0
#
# verify IMAGE DIR: is this directory exactly this version?

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir t t/dir t/dir/below t/empty
for file in a b dir/c dir/below/d; do echo "this is $file" >t/$file; done
ln t/a t/dir/hard
ln -s a t/link
need tool tree_make many t/many 110 2000 1
need tool tree_make data t/large 3000000 1
need tool tree_make sparse t/sparse 4000000 0 2000000
need touch -d '@1000000000.5' t/a t/b t/dir/c t/dir/below/d t/dir/below t/dir
setfattr -n user.note -v original t/b 2>/dev/null && has_attributes=1
need $DESPOOL pack t -o t.pck -q
need cp -a t u
despool verify t.pck u
claim a_copy_is_this_version ended 0

# found NAME WORDS PATH COMMAND... - what COMMAND does to a copy is found, at
# this path and no other.

found() {
	found_name=$1
	found_words=$2
	found_path=$3
	shift 3
	rm -rf u
	need cp -a t u
	need "$@"
	despool verify t.pck u
	claim "$found_name" both ended 8 "u: " ++ grep -qxF "$found_words" out ++ \
		equal "$(grep -c " $found_path" out)" 1
}
change_byte() {
	printf X | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
	touch -d "$3" "$1"
}
keep_dir_time() {
	"$@" && touch -r t/dir u/dir && touch -r t u
}
found a_missing_file "missing b" b keep_dir_time rm u/b
found a_missing_directory "missing empty" empty keep_dir_time rmdir u/empty
found a_missing_link "missing link" link keep_dir_time rm u/link
found an_extra_file "extra dir/new" dir/new keep_dir_time touch u/dir/new
found an_extra_directory "extra dir/more" dir/more keep_dir_time mkdir u/dir/more
found an_extra_special_file "extra dir/fifo" dir/fifo keep_dir_time mkfifo u/dir/fifo
found other_bytes_with_size_and_time "changed dir/c (content)" dir/c \
	change_byte u/dir/c 3 '@1000000000.5'
found other_bytes_in_a_file_among_many "changed many/d00001/file-105.h (content)" many/d00001/file-105.h \
	change_byte u/many/d00001/file-105.h 0 "@$(stat -c %.9Y t/many/d00001/file-105.h)"
found other_bytes_at_the_end_of_a_large_file "changed large (content)" large \
	change_byte u/large 2999999 "@$(stat -c %.9Y t/large)"
found other_bytes_in_a_hole "changed sparse (content)" sparse \
	change_byte u/sparse 1000000 "@$(stat -c %.9Y t/sparse)"
found other_bytes_between_holes "changed sparse (content)" sparse \
	change_byte u/sparse 2000100 "@$(stat -c %.9Y t/sparse)"
found a_longer_file "changed b (content)" b \
	sh -c 'echo >>u/b; touch -r t/b u/b'
found a_shorter_file "changed large (content)" large \
	sh -c 'truncate -s 2000000 u/large; touch -r t/large u/large'
found another_mode "changed b (mode)" b chmod 600 u/b
found another_mode_of_a_directory "changed dir (mode)" dir chmod 700 u/dir
found another_mode_of_the_top "changed . (mode)" '\.' chmod 700 u
found another_time "changed b (time)" b touch -d '@1000000000.500000001' u/b
found another_time_of_a_directory "changed dir (time)" dir touch u/dir
found another_time_of_a_link "changed link (time)" link touch -h -d '@1' u/link
found another_target "changed link (target)" link \
	keep_dir_time sh -c 'ln -sfn b u/link; touch -h -r t/link u/link'
found a_file_for_a_directory "changed empty (type)" empty \
	keep_dir_time sh -c 'rmdir u/empty; echo >u/empty'
found a_link_for_a_file "changed b (type)" b keep_dir_time sh -c 'rm u/b; ln -s a u/b'
found a_copy_for_a_hard_link "changed dir/hard (type)" dir/hard \
	keep_dir_time sh -c 'rm u/dir/hard; cp -p u/a u/dir/hard'
found several_things_at_once "changed b (content, mode, time)" b \
	sh -c 'echo longer and other >u/b; chmod 600 u/b; touch u/b'
if [ -n "${has_attributes-}" ]; then
	found another_attribute "changed b (attributes)" b setfattr -n user.note -v other u/b
	found an_attribute_more "changed a (attributes)" a setfattr -n user.more -v 1 u/a
	found an_attribute_less "changed b (attributes)" b setfattr -x user.note u/b
else
	skip another_attribute "no attributes on this file system"
fi
if is_root; then
	found another_owner "changed b (owner)" b chown daemon u/b
	found another_group_of_a_link "changed link (owner)" link chown -h :daemon u/link
else
	skip another_owner "$NEEDS_ROOT"
fi

# A file inside a missing directory is missing as well; each is counted once.

rm -rf u
need cp -a t u
rm -r u/many u/b
echo new >u/new
touch -r t u
despool verify t.pck u --json
claim everything_missing_is_counted both ended 8 ++ \
	field_is missing "$(($(find t/many -printf x | wc -c) + 1))" ++ \
	field_is extra 1 ++ field_is changed 0
claim differences_come_in_their_order equal \
	"$(despool verify t.pck u; grep -v extra out | sed 's/^[a-z]* //' | sort -c 2>&1)" ""

# More of the same.

despool verify t.pck u -j 1
claim one_worker_sees_the_same ended 8
rm -rf u
despool verify t.pck u
claim a_directory_that_is_not_there_is_not_found ended 4 u
echo file >u
despool verify t.pck u
claim a_file_is_no_version failed u
need rm u
need cp -a t u
need rm u/sparse
need dd if=t/sparse of=u/sparse bs=1M conv=notrunc 2>/dev/null
need touch -r t/sparse u/sparse
need touch -r t u
despool verify t.pck u
claim holes_that_became_zeros_are_the_same_bytes ended 0
snapshot u u
despool verify t.pck u
claim verify_does_not_touch_the_directory untouched u u
