# SPDX-License-Identifier: Apache-2.0
#
# Images that are cut off, flipped, of another kind or another version: found,
# with file and offset, and nothing is written.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir t t/dir
echo one >t/one
echo two >t/dir/two
ln -s one t/link
need $DESPOOL pack t -o small.pck -q
need tool tree_make data t/data 1200000 1
need $DESPOOL pack t -o t.pck -q
need mkdir room
size=$(wc -c <t.pck)

# refused NAME STATUS IMAGE TEXT... - every command that reads an image refuses
# it, and unpack and fanout write nothing.

refused() {
	refused_name=$1
	refused_status=$2
	image=$3
	shift 3
	despool verify "$image"
	claim "${refused_name}_is_refused_by_verify" ended "$refused_status" "$image" "$@"
	despool unpack "$image" room/out
	claim "${refused_name}_is_refused_by_unpack" both ended "$refused_status" "$image" ++ holds room
	mkdir -p room2/old
	echo old >room2/old/file
	despool unpack "$image" room2/old --replace
	claim "${refused_name}_replaces_nothing" both ended "$refused_status" "$image" ++ \
		holds room2 old ++ equal "$(cat room2/old/file)" old
	despool fanout "$image" dp
	claim "${refused_name}_is_not_published" both ended "$refused_status" "$image" ++ \
		absent dp/LOC00000/current
	rm -rf dp
}

for cut in 0 1 7 15 16 31 32 143 1000 $((size / 2)) $((size - 113)) $((size - 112)) $((size - 1)); do
	head -c "$cut" t.pck >cut.pck
	refused "cut_after_$cut" 8 cut.pck
done
head -c $((size / 2)) t.pck >cut.pck
despool verify cut.pck
claim the_end_is_named_with_its_offset ended 8 "cut.pck: " "ends too early" "(at byte "
cat t.pck - >more.pck <<-END
	more
END
refused bytes_behind_the_end 8 more.pck
cat t.pck t.pck >twice.pck
refused an_image_behind_an_image 8 twice.pck
tail -c +2 t.pck >shifted.pck
refused a_lost_first_byte 8 shifted.pck "not a Despool image"
: >empty.pck
refused an_empty_file 8 empty.pck "not a Despool image"
echo 'something else' >text.pck
refused text 8 text.pck "not a Despool image" "at byte 0"
head -c 5000 /dev/zero >zeros.pck
refused zeros 8 zeros.pck "not a Despool image"
head -c 5000 /dev/urandom >random.pck
refused random_bytes 8 random.pck "not a Despool image"
need tool image_patch t.pck future.pck header:16:4:2
refused a_future_format 8 future.pck "newer version" "format 2" "at byte 16"
need tool image_patch t.pck future-root.pck root:8:2:2
refused a_future_root 8 future-root.pck "newer version"
need tool image_patch t.pck hash.pck root:10:1:2
refused another_hash 8 hash.pck "newer version"
need tool image_patch t.pck codec.pck root:11:1:9
refused another_codec 8 codec.pck "newer version"
refused nowhere 4 nowhere.pck "no such file"
need mkdir dir.pck
despool verify dir.pck
claim a_directory_is_no_image failed dir.pck "directory"
despool unpack dir.pck room/out
claim nor_can_it_be_unpacked both failed dir.pck ++ holds room
despool info /dev/null
claim a_device_is_no_image ended 8 /dev/null

# A block that goes bad far behind: two destinations, and nothing is published.

need cp t.pck late.pck
printf '\125\252\125\252' | dd of=late.pck bs=1 seek=$((size * 2 / 3)) conv=notrunc 2>/dev/null
despool fanout late.pck dp1 dp2
claim a_block_that_is_bad_is_not_published both ended 8 late.pck ++ \
	absent dp1/LOC00000/current dp2/LOC00000/current dp1/LOC00000/1

# Parts swapped between two images that are whole.

echo other >t/one
need $DESPOOL pack t -o u.pck -q
half=$((size / 2))
{
	head -c $half t.pck
	tail -c +$((half + 1)) u.pck
} >mixed.pck
despool verify mixed.pck
if cmp -s mixed.pck u.pck; then
	claim the_halves_of_two_images_may_be_equal ended 0
else
	claim the_halves_of_two_images_are_no_image ended 8 mixed.pck
fi

# Every single bit of a small image, and every length; in the program's own
# process, for there are thousands.

claim every_flipped_bit_and_every_length_is_found \
	tool image_flip small.pck flipped.pck "$(full 1 29)"

# Some flipped bits through the whole command.

flipped_bits_are_found() {
	for at in $(random 1 "$(full 40 8)" 0 "$(wc -c <t.pck)"); do
		at=${at%.*}
		cp t.pck flip.pck
		byte=$(od -An -tu1 -j "$at" -N 1 t.pck)
		# shellcheck disable=SC2059
		printf "\\$(printf %03o $((byte ^ (1 << (at % 8)))))" |
			dd of=flip.pck bs=1 seek="$at" conv=notrunc 2>/dev/null
		! cmp -s t.pck flip.pck || return 1
		despool unpack flip.pck room/out
		both ended 8 flip.pck ++ holds room || return 1
	done
}
claim a_flipped_bit_is_never_unpacked flipped_bits_are_found
