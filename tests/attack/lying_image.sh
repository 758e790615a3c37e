# SPDX-License-Identifier: Apache-2.0
#
# Images whose digests are right and whose words are not: counts and lengths
# that lie, bombs, paths that lead elsewhere.  Whoever made them wanted them to
# be believed.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

need mkdir t
echo one >t/one
echo two >t/two
ln -s one t/link
need tool tree_make sparse t/sparse 1000000 0 500000
setfattr -n user.note -v text t/two 2>/dev/null
need tool tree_make many t/many 20 3000 1
need $DESPOOL pack t -o t.pck -q
need tool image_patch t.pck same.pck
claim the_patch_tool_makes_whole_images cmp t.pck same.pck
mkdir room outside
echo precious >outside/file
chmod 777 outside
snapshot outside outside

# refused NAME IMAGE - by each command that reads what the lie is about, with
# exit 8; nothing is written, and memory stays small.

refused() {
	despool verify "$2" --json
	claim "$1_is_found_by_verify" both ended 8 ++ field_is error path "$2" ++ \
		at_most "$(field peak_rss_bytes)" 400000000
	despool unpack "$2" room/out
	claim "$1_is_not_unpacked" both ended 8 ++ holds room ++ untouched outside outside
	rm -rf room/*
}

# Counts and sizes: of the page's header each in turn, then of the root.

for offset in 0 4 8 12 16 20 24 28 32 36; do
	for value in 0xffffffff 0x7fffffff 5000; do
		need tool image_patch t.pck lie.pck page:$offset:4:$value
		refused "page_count_${offset}_as_$value" lie.pck
	done
	[ -n "$FULL" ] || break
done
for lie in 24:4:0 28:4:2 28:4:0 28:4:0xffffffff 32:4:0 36:4:0xffffffff 40:4:0xffffffff \
	44:4:1 48:8:1 56:8:1000 56:8:0xffffffffffffffff 64:8:0 72:8:5 80:8:1 88:8:0 \
	88:8:0xffffffffffff 96:8:1 104:8:1 112:8:1 120:8:0 152:4:1 152:4:0xffffffff \
	156:4:0 156:4:0xffffffff 156:4:3 16:1:0x2e 12:4:0 12:4:23 10:1:0; do
	need tool image_patch t.pck lie.pck root:$lie
	refused "root_$(echo $lie | tr : _)" lie.pck
	[ -n "$FULL" ] || [ "$lie" != 28:4:0 ] || break
done
for lie in 8:8:0 8:8:0xffffffffffffffff 16:8:0 16:8:0xfffffffffffffff0 24:4:0 \
	24:4:0xffffffff 28:4:1 32:8:1; do
	need tool image_patch t.pck lie.pck trailer:$lie
	refused "trailer_$(echo $lie | tr : _)" lie.pck
	[ -n "$FULL" ] || break
done
for lie in 0:8:0 0:8:0xffffffffffffffff 0:8:32 8:4:0 8:4:0xffffffff 8:4:1; do
	need tool image_patch t.pck lie.pck directory:$lie
	refused "directory_$(echo $lie | tr : _)" lie.pck
	[ -n "$FULL" ] || break
done
for lie in 0:4:0 0:4:0xffffffff 0:4:0x7fffffff 0:4:0x80000010; do
	need tool image_patch t.pck lie.pck table:$lie
	refused "table_$(echo $lie | tr : _)" lie.pck
done
need tool image_patch t.pck lie.pck header:20:4:1
refused an_image_that_says_it_is_a_manifest lie.pck
need tool image_patch t.pck lie.pck header:24:8:1
refused a_header_with_more_in_it lie.pck
need tool image_patch t.pck lie.pck grow:1
refused a_byte_behind_the_trailer lie.pck

# Bombs: 256 MiB of zeros in a few kilobytes.

need tool image_patch t.pck bomb.pck frame-bomb
claim the_bomb_is_small at_most "$(wc -c <bomb.pck)" 200000
refused a_frame_bomb bomb.pck
need tool image_patch t.pck bomb.pck page-bomb
refused a_page_bomb bomb.pck

# Where everything is run, all of them; else every third, since what judges
# them is the same code everywhere.

hostile_count=0

# hostile NAME RECORD... - an image that says this is found by verify, and
# neither unpack nor fanout writes a byte outside, or anything at all.

hostile() {
	hostile_name=$1
	shift
	hostile_count=$((hostile_count + 1))
	[ -n "$FULL" ] || [ $((hostile_count % 3)) -eq 0 ] || return 0
	need tool image_make evil.pck "$@"
	refused "$hostile_name" evil.pck
	[ -n "$FULL" ] || return 0
	despool fanout evil.pck dp
	claim "${hostile_name}_is_not_published" both ended 8 ++ absent dp/EVL00000/current ++ \
		untouched outside outside
	rm -rf dp
}
hostile dot_dot d= d=.. f=../outside/evil=x
hostile dot_dot_alone d= f=..=x
hostile dot_dot_inside d= d=a d=a/.. f=a/../../outside/evil=x
hostile dot_dot_at_the_end d= d=a f=a/..=x
hostile a_dot d= f=.=x
hostile a_dot_inside d= d=a d=a/. f=a/./x=x
hostile an_absolute_path d= f="$SCRATCH/outside/evil=x"
hostile an_absolute_path_with_its_directory d= d=/ d=/tmp f=/tmp/evil=x
hostile two_slashes d= d=a f=a//x=x
hostile a_slash_at_the_end d= d=a/
hostile a_path_twice d= f=a=x f=a=y
hostile a_directory_twice d= d=a f=a/x=x d=a f=a/y=y
hostile a_link_then_a_directory d= l=a=../../outside d=a f=a/evil=x
hostile paths_out_of_order d= f=b=x f=a=y
hostile a_file_below_a_link d= l=a="$SCRATCH/outside" f=a/evil=x
hostile a_file_below_a_relative_link d= l=a=../../../outside f=a/evil=x
hostile a_file_far_below_a_link d= l=a="$SCRATCH" d=a/outside f=a/outside/evil=x
hostile a_file_below_a_file d= f=a=x f=a/evil=x
hostile a_file_below_a_hard_link d= f=a=x h=b=a f=b/evil=x
hostile a_file_below_nothing d= f=a/evil=x
hostile a_top_that_is_a_link l=="$SCRATCH/outside" f=evil=x
hostile a_top_that_is_a_file f==x
hostile no_top f=a=x
hostile two_tops d= d= f=a=x
hostile a_hard_link_to_outside d= h=b=../outside/file
hostile a_hard_link_to_an_absolute_path d= h=b=/etc/passwd
hostile a_hard_link_to_nothing d= h=b=a
hostile a_hard_link_to_a_later_file d= h=a=b f=b=x
hostile a_hard_link_to_itself d= h=a=a
hostile a_hard_link_to_a_directory d= d=a h=b=a
hostile a_hard_link_through_a_link d= l=a="$SCRATCH/outside" h=b=a/file
hostile an_empty_link d= l=a=
hostile segments_beyond_the_size d= S=a=100=90,20
hostile segments_that_overlap d= S=a=1000=0,100=50,100
hostile segments_out_of_order d= S=a=1000=500,100=0,100
hostile segments_that_touch d= S=a=1000=0,100=100,100
hostile a_segment_of_nothing d= S=a=1000=0,10=500,0
hostile a_sparse_file_without_holes d= S=a=100=0,100
hostile a_size_beyond_all_bounds d= s=a=18446744073709551615
hostile bits_that_are_no_permissions d= m=177777 f=a=x

# What is strange but no lie stays possible, and harmless.

need tool image_make odd.pck d= l=a="$SCRATCH/outside" f=b=x l=c=../../../../etc/passwd
despool unpack odd.pck odd
claim links_to_outside_are_made_and_not_followed both ended 0 ++ \
	equal "$(readlink odd/a)" "$SCRATCH/outside" ++ untouched outside outside
despool verify odd.pck odd
claim nor_does_verify_follow_them both ended 0 ++ untouched outside outside
need tool image_make twins.pck d= l=a="$SCRATCH/outside/file" h=b=a
despool unpack twins.pck twins
claim a_hard_link_to_a_link_does_not_follow_it both ended 0 ++ test -L twins/a ++ test -L twins/b ++ \
	equal "$(stat -c %i twins/a)" "$(stat -c %i twins/b)" ++ untouched outside outside
despool cat twins.pck b
claim nor_does_cat both ended 2 ++ equal "$(wc -c <out)" 0
need tool image_make names.pck d= u=1=../../etc f=a=x "u=2=$(printf 'a:b\nroot')" f=b=x
despool unpack names.pck names
claim names_of_owners_are_only_looked_up ended 0
need tool image_make attributes.pck d= x=user.ok=1 f=a=x x=no-such-class.x=1 f=b=x
despool unpack attributes.pck attributes
claim an_attribute_that_cannot_be_set_is_an_error both failed no-such-class.x ++ absent attributes
need tool image_make huge.pck d= s=a=9000000000000000000
despool unpack huge.pck huge
huge_is_refused_or_sparse() {
	case $status in
	0) at_most "$(stat -c %b huge/a)" 1000 ;;
	*) both failed ++ absent huge ;;
	esac
}
claim a_size_that_only_holes_have_takes_no_room huge_is_refused_or_sparse
long=$(awk 'BEGIN { while (i++ < 300) printf "n" }')
need tool image_make long.pck d= "f=$long=x"
despool unpack long.pck long
claim a_name_too_long_for_the_disk_is_an_error both failed "too long" ++ absent long

# A block whose frame is whole, but holds other bytes than its name says (S1).

need tool image_make named.pck d= f=a=evil n=good
for command in "unpack named.pck room/named" "unpack named.pck room/named -j 1" "verify named.pck" "fanout named.pck dpn" \
	"cat named.pck a"; do
	# shellcheck disable=SC2086
	despool $command
	claim "a_block_that_is_not_its_name_is_refused_by_$(echo "$command" | tr ' .' '__')" ended 8 named.pck
done
claim nor_is_it_published absent dpn/LOC00000/current room/named
need rm -rf dpn
claim nothing_is_left_anywhere both holds room ++ nothing_left . room ++ untouched outside outside
