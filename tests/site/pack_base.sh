# SPDX-License-Identifier: Apache-2.0
#
# pack --base: files that did not change since the older image was packed are
# not read, and the image is the same as without it.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir s s/dir
need tool tree_make many s/many "$(full 400 120)" 8000 1
need tool tree_make data s/large 9000000 1
need tool tree_make data s/steady 4000000 2
need tool tree_make sparse s/sparse 3000000 0 2000000
echo one >s/one
ln s/one s/dir/hard
ln -s one s/link
sleep 0.05 # entries as new as the scan would be read again
need $DESPOOL pack s -o 1.pck -q
sleep 0.05

# same_as_without TREE BASE - with and without --base the same bytes.

same_as_without() {
	rm -f with.pck without.pck
	$DESPOOL pack "$1" -o without.pck --version 2 -q || return 1
	despool pack "$1" -o with.pck --version 2 --base "$2" --json
	ended 0 && cmp with.pck without.pck
}
bytes_read_at_most() {
	at_most "$(field bytes_read)" "$1"
}
claim an_unchanged_tree_gives_the_same_image same_as_without s 1.pck
claim nothing_of_it_is_read bytes_read_at_most 100000
despool verify with.pck
claim the_image_made_that_way_is_whole ended 0
echo two >s/dir/new
printf X | dd of=s/large bs=1 seek=4000000 conv=notrunc 2>/dev/null
claim a_changed_file_gives_the_same_image same_as_without s 1.pck
claim only_what_changed_is_read both bytes_read_at_most 12000000 ++ \
	at_least "$(field bytes_read)" 9000000
cp with.pck 2.pck
cp with.pck.seen 2.pck.seen

# Changes that hide: same size and time, replaced, touched, moved.

sleep 0.05
hide() {
	hide_time=$(stat -c %.9Y "$1")
	printf '%s' H | dd of="$1" bs=1 seek=10 conv=notrunc 2>/dev/null
	touch -d "@$hide_time" "$1"
}
hide s/many/d00000/file-3.h
hide s/steady
mv s/many/d00000/file-4.so s/many/d00000/file-4.tmp
cp -p s/many/d00000/file-5.so s/many/d00000/file-4.so
mv s/many/d00000/file-4.tmp s/many/d00000/file-400.so
chmod 600 s/many/d00000/file-6.h
touch s/many/d00000/file-7.so
rm -r s/many/d00001/file-110.so
rm s/link && ln -s two s/link
claim changes_that_hide_are_found same_as_without s 2.pck
despool unpack with.pck u
claim and_what_is_unpacked_is_the_tree both ended 0 ++ same_tree s u

# A base that does not help is no error; one that is damaged is not believed.

need mkdir other
echo other >other/file
need $DESPOOL pack other -o other.pck -q
claim another_package_as_base same_as_without s other.pck
need cp 2.pck lone.pck
claim a_base_without_its_file_of_states same_as_without s lone.pck
need cp 2.pck wrong.pck
need cp other.pck.seen wrong.pck.seen
claim a_base_with_somebody_elses_states same_as_without s wrong.pck
need cp 2.pck junk.pck
head -c 3000 /dev/urandom >junk.pck.seen
claim a_base_with_junk_for_states same_as_without s junk.pck
need cp 2.pck short.pck
head -c 200 2.pck.seen >short.pck.seen
claim a_base_with_states_cut_off same_as_without s short.pck
: >short.pck.seen
claim a_base_with_empty_states same_as_without s short.pck
head -c 100000 2.pck >cut.pck
cp 2.pck.seen cut.pck.seen
despool pack s -o x.pck --base cut.pck
claim a_base_that_is_cut_off_is_an_error both ended 8 cut.pck ++ absent x.pck
despool pack s -o x.pck --base nowhere.pck
claim a_base_that_is_not_there_is_not_found both ended 4 nowhere.pck ++ absent x.pck
need cp 2.pck flipped.pck
need cp 2.pck.seen flipped.pck.seen
printf '\377\376' | dd of=flipped.pck bs=1 seek=2000000 conv=notrunc 2>/dev/null
despool pack s -o x.pck --base flipped.pck
not_from_a_damaged_base() {
	case $status in
	0)
		$DESPOOL pack s -o plain.pck -q --force || return 1
		cmp plain.pck x.pck
		;;
	*) both ended 8 flipped.pck ++ absent x.pck ;;
	esac
}
claim frames_of_a_damaged_base_are_not_copied not_from_a_damaged_base

# Onto itself, with --force.

need cp 2.pck self.pck
need cp 2.pck.seen self.pck.seen
despool pack s -o self.pck --base self.pck --force --version 2
need $DESPOOL pack s -o plain2.pck --version 2 -q
claim an_image_may_be_its_own_base both ended 0 ++ cmp plain2.pck self.pck
despool verify self.pck s
claim and_is_the_tree_then ended 0
claim nothing_is_left nothing_left .
