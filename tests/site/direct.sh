# SPDX-License-Identifier: Apache-2.0
#
# Large files are written past the page cache where that is faster, whatever
# their size and wherever their blocks and holes begin.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

# Bytes of a file that the page cache holds.

cached() {
	fincore -bno RES "$1" | tr -d ' '
}

need mkdir s
need tool tree_make data s/aligned 8388608 1
need tool tree_make data s/odd 7000001 2
need tool tree_make data s/barely 1200003 3
need tool tree_make sparse s/sparse 9000000 0 1003520 5000000
need tool tree_make data s/end 3000000 4
need truncate -s 5000000 s/end
need $DESPOOL pack s -o s.pck -q

for kind in $(full 'ext4 xfs' ext4); do
	if ! mounted_new $kind 1G; then
		skip "large_files_are_complete_on_$kind" "needs root, loop mounts and mkfs.$kind"
		continue
	fi
	despool unpack s.pck $kind/u -j 2
	if [ $kind = ext4 ] && command -v fincore >/dev/null; then
		claim "large_files_are_not_left_in_the_page_cache_of_$kind" \
			at_most "$(cached $kind/u/aligned)" 200000
	fi
	claim "large_files_are_complete_on_$kind" both ended 0 ++ same_tree s $kind/u
	despool unpack s.pck $kind/u1 -j 1
	claim "so_they_are_with_one_worker_on_$kind" both ended 0 ++ same_tree s $kind/u1
	despool fanout s $kind/dp1 $kind/dp2
	claim "so_they_are_at_distribution_points_on_$kind" both ended 0 ++ \
		same_tree s $kind/dp1/LOC00000/current/. ++ same_tree s $kind/dp2/LOC00000/current/.
	need umount $kind
	need mount -o loop $kind.img $kind
	claim "and_after_unmounting_$kind" both same_tree s $kind/u ++ \
		same_tree s $kind/dp1/LOC00000/current/.
done
