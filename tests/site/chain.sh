# SPDX-License-Identifier: Apache-2.0
#
# Two versions go down a chain of stores: x86-64 to Alpha to i386 to x86-64 where
# there are programs of all three, each fed by the one above it through exec:.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

# The check of the last target finds the programs of the others.

own=$DESPOOL
first=$own second=$own third=$own
[ "$TARGET" != alpha ] || {
	first=$TOP/build/x86_64/despool
	second=$own
	third=$TOP/build/i386/despool
}
if ! [ -x "${first##* }" ] || ! [ -x "${third##* }" ]; then
	skip two_versions_go_down_a_chain "no programs of the other targets"
	exit 0
fi

need mkdir 1
need tool tree_make many 1/many "$(full 400 120)" 6000 1
need tool tree_make data 1/large "$(full 6000000 3000000)" 2
need tool tree_make sparse 1/sparse 8000000 0 4000000
ln 1/large 1/many/hard
ln -s large 1/link
mkdir 1/empty
setfattr -n user.a -v 1 1/large 2>/dev/null
chmod 4750 1/many
need cp -a 1 2
printf 'new bytes' | dd of=2/large bs=1 seek=1500000 conv=notrunc 2>/dev/null
echo another >2/added
rm -r 2/empty
need mv 2/many 2/many-2
find 2 -type f -exec touch -d 2026-02-03T04:05:06.789 {} +
for version in 1 2; do
	need $first pack $version -o $version.pck --version $version -q
done
for store in a b c d; do
	need $first store init $store -q
done

# hop PROGRAM FROM PROGRAM TO - push what FROM has; its summary goes to `said`.

hop() {
	$1 push "$2" "exec:$3 link $4" --json --base "$base" >said 2>hop.err ||
		{
			cat hop.err said
			return 1
		}
	tail -n 1 said | sed 's/.*"bytes_sent":\([0-9]*\),"bytes_received":\([0-9]*\).*/\1 \2/' >>bytes
}

for version in 1 2; do
	base=1.pck
	rm -f bytes
	claim "version_${version}_comes_in" hop "$first" $version.pck "$first" a
	base=1.pck
	claim "version_${version}_goes_to_the_second" hop "$first" a "$second" b
	claim "version_${version}_goes_to_the_third" hop "$second" b "$third" c
	claim "version_${version}_goes_to_the_fourth" hop "$third" c "$first" d
	claim "version_${version}_costs_the_same_bytes_on_each_hop" equal "$(sort -u bytes | wc -l)" 1
	claim "version_${version}_is_the_image_that_was_packed" cmp $version.pck d/LOC00000.$version.pck
	need $first unpack d/LOC00000.$version.pck out$version -q
	claim "version_${version}_has_every_file_and_attribute" same_tree $version out$version
done
claim the_second_version_costs_less_than_half at_most "$(tail -n 1 bytes | cut -d ' ' -f 1)" \
	$(($(wc -c <2.pck) / 2))

# While it comes, it goes on.

for store in e f g; do
	need $first store init $store -q
done
need $first push 1.pck "exec:$first link e --forward 'exec:$second link f --forward \"exec:$third link g\"'" -q
for store in e f g; do
	claim "what_is_forwarded_arrives_at_$store" cmp 1.pck $store/LOC00000.1.pck
done

# A distribution point of another machine, from an image and from a tree.

need $first store init s -q
need $first push 1.pck "exec:$second link s --expand dp" -q
need $first push 2.pck --base 1.pck "exec:$second link s --expand dp" -q
claim a_distribution_point_is_fed_through_a_link same_tree 2 dp/LOC00000/current/
claim its_store_keeps_nothing holds s/staging
