# SPDX-License-Identifier: Apache-2.0
#
# On file systems whose files can share blocks, destinations share them: with
# the source where it is a tree on the same one, with each other else.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

used_kib() {
	sync -f "$1" && df -Pk "$1" | awk 'NR == 2 { print $3 }'
}
published() {
	equal "$(readlink "$1/LOC00000/current")" "$2" && same_tree "$3" "$1/LOC00000/current/."
}

for kind in $(full 'xfs btrfs' xfs); do
	if ! mounted_new $kind 1G; then
		skip "destinations_share_blocks_on_$kind" "needs root, loop mounts and mkfs.$kind"
		continue
	fi
	size=30000000
	mkdir $kind/s
	need tool tree_make data $kind/s/large $size 1
	need tool tree_make many $kind/s/many 100 20000 1
	need tool tree_make sparse $kind/s/sparse 9000000 0 5000000
	echo one >$kind/s/small
	ln $kind/s/small $kind/s/linked
	need cp -a $kind/s v1
	need $DESPOOL pack v1 -o 1.pck -q
	before=$(used_kib $kind)
	despool fanout $kind/s $kind/dp1 $kind/dp2 $kind/dp3
	claim "a_tree_is_published_on_$kind" both ended 0 ++ published $kind/dp1 1 v1 ++ \
		published $kind/dp2 1 v1 ++ published $kind/dp3 1 v1
	claim "destinations_share_blocks_with_their_source_on_$kind" \
		at_most $(($(used_kib $kind) - before)) $((size / 1024 / 2))
	need rm -rf $kind/dp1 $kind/dp2 $kind/dp3
	before=$(used_kib $kind)
	despool fanout 1.pck $kind/dp1 $kind/dp2 $kind/dp3
	claim "an_image_is_published_on_$kind" both ended 0 ++ published $kind/dp1 1 v1 ++ \
		published $kind/dp2 1 v1 ++ published $kind/dp3 1 v1
	claim "destinations_share_blocks_with_each_other_on_$kind" \
		at_most $(($(used_kib $kind) - before)) $((size * 2 / 1024))

	# What is shared is not the same file: what happens to one stays there.
	printf X | dd of=$kind/dp1/LOC00000/1/large bs=1 seek=1000 conv=notrunc 2>/dev/null
	claim "what_happens_to_one_stays_there_on_$kind" both published $kind/dp2 1 v1 ++ \
		published $kind/dp3 1 v1 ++ cmp v1/large $kind/s/large
	despool verify 1.pck $kind/dp1/LOC00000/1
	claim "and_is_found_there_on_$kind" both ended 8 ++ says "changed large (content"

	# Updates, with recycling and a source that is rewritten meanwhile.
	for version in 2 3 4; do
		echo $version >$kind/s/small
		printf '%s' $version | dd of=$kind/s/large bs=1 seek=20000000 conv=notrunc 2>/dev/null
		need $DESPOOL fanout $kind/s $kind/dp1 $kind/dp2 plain -q --version $version
	done
	claim "updates_are_whole_on_$kind" both published $kind/dp1 4 $kind/s ++ \
		published $kind/dp2 4 $kind/s ++ published plain 4 $kind/s
	despool verify $kind/dp1/.despool/LOC00000.4.manifest $kind/dp1/LOC00000/4
	claim "and_verify_on_$kind" ended 0
	despool verify $kind/dp1/.despool/LOC00000.3.manifest $kind/dp1/LOC00000/3
	claim "so_does_the_version_before_on_$kind" ended 0
	rm -rf v1 plain 1.pck 1.pck.seen
done
