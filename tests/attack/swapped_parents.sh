# SPDX-License-Identifier: Apache-2.0
# timeout: 150
#
# Somebody swaps the directories of a tree for symbolic links to elsewhere, at
# full speed, while it is unpacked or published: not a byte is written outside,
# nothing outside is changed or removed (S16).
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

# The same names outside, so that whatever follows a link would find them.

need mkdir s
for dir in a b c a/deep b/deep c/deep a/deep/er; do
	need mkdir -p s/$dir
	for i in $(seq "$(full 120 40)"); do echo "content $i" >s/$dir/file-$i; done
	ln -s file-1 s/$dir/link
	ln s/$dir/file-1 s/$dir/hard
done

# Many links from far behind to what is deep in front: their targets are looked
# up by path, over and over.

need mkdir s/z
for i in $(seq "$(full 120 40)"); do ln s/a/deep/er/file-$((i % 5 + 2)) s/z/hard-$i; done
need tool tree_make data s/a/large 6000000 1
chmod 700 s/b/deep
need $DESPOOL pack s -o s.pck -q
for i in $(seq 3); do
	echo "version $i" >s/a/deep/file-3
	echo "version $i" >s/c/file-7
	need $DESPOOL pack s -o $i.pck --version $i -q
done
need mkdir outside outside/a outside/b outside/c outside/deep outside/deep/er outside/tree \
	outside/1 outside/LOC00000 outside/LOC00000/1
for dir in outside outside/a outside/b outside/c outside/deep outside/deep/er outside/tree; do
	echo precious >$dir/precious
	for i in 1 2 3 4 5 6; do echo outside >$dir/file-$i; done
done
need mkdir outside/er
echo outside >outside/er/file-2
need chmod -R 777 outside
need touch -d '@1000000000' outside/precious
snapshot outside outside

# Whether a run succeeds under attack is left open; that it ends, does not
# crash, and touches nothing outside is not.

calm() {
	case $status in
	[0-9] | 75) ;;
	*)
		echo "exit $status: $despool_last"
		cat err
		return 1
		;;
	esac
	! crashed err && untouched outside outside
}
swaps_of() {
	sed -n 's/^swaps //p' swap.said
}
tries=$(full 12 4)
[ -z "${NIGHTLY-}" ] || tries=200

in_background swap tool_process dir_swap .u.despool "$SCRATCH/outside"
unpacks=0
unpacked() {
	for _ in $(seq "$tries"); do
		rm -rf u
		despool unpack s.pck u -j 4
		calm || return 1
		[ "$status" -ne 0 ] || unpacks=$((unpacks + 1))
	done
}
claim unpack_writes_nothing_outside unpacked
stop_background
echo "$unpacks of $tries succeeded, $(swaps_of) swaps"
claim directories_were_swapped_meanwhile at_least "$(swaps_of)" 10

# Directories that appear are swapped in that instant.

count=$(full 3000 600)
need mkdir w w/x
(cd w/x && seq 0 $((count - 1)) | sed 's/^/n/' | xargs mkdir)
for i in $(seq 0 "$(full 7 23)" $((count - 1))); do echo x >w/x/n$i/file-1; done
need $DESPOOL pack w -o w.pck -q
instant() {
	for _ in $(seq "$(full 4 2)"); do
		rm -rf v .v.despool
		in_background swap tool_process dir_swap .v.despool/tree/x "$SCRATCH/outside" n "$count"
		despool unpack w.pck v
		stop_background
		instants=$((instants + $(swaps_of)))
		calm || return 1
	done
}
instants=0
claim a_directory_swapped_as_it_appears_leads_nowhere instant
echo "$instants swaps"
rm -rf u .u.despool
despool unpack s.pck u
claim afterwards_unpack_completes both ended 0 ++ nothing_left .
rm -rf .u.despool

# --replace removes the old tree: while somebody swaps in it.

in_background swap tool_process dir_swap .u.despool "$SCRATCH/outside"
replaced() {
	for _ in $(seq "$tries"); do
		despool unpack s.pck u -j 2 --replace
		calm || return 1
		[ -d u ] || {
			echo "u is gone"
			return 1
		}
	done
}
claim replace_removes_nothing_outside replaced
stop_background

# A distribution point, where the tree that is made, the one that is recycled
# and the one that is removed are swapped.

need $DESPOOL fanout 1.pck dp -q
in_background swap tool_process dir_swap dp "$SCRATCH/outside"
published() {
	for _ in $(seq "$tries"); do
		for i in 2 3 1; do
			despool fanout $i.pck dp --rollback -j 2
			calm || return 1
		done
	done
}
claim fanout_writes_and_removes_nothing_outside published
stop_background
in_background swap tool_process dir_swap dp/.despool/staging/LOC00000 "$SCRATCH/outside"
claim nor_when_staging_itself_is_swapped published
stop_background
claim nothing_outside_was_touched untouched outside outside

# Links that stand there before it begins.

planted() {
	planted_name=$1
	shift
	rm -rf dp
	need $DESPOOL fanout 1.pck dp -q
	(cd dp && eval "$1")
	despool fanout 2.pck dp
	claim "${planted_name}_leads_nowhere" calm
	claim "${planted_name}_is_no_way_out" both untouched outside outside ++ \
		not test -e outside/2 ++ not test -e outside/staging ++ not test -e outside/lock
}
planted a_link_for_the_package "mv LOC00000 x; ln -s $SCRATCH/outside LOC00000"
planted a_link_for_the_control_directory "mv .despool x; ln -s $SCRATCH/outside .despool"
planted a_link_for_staging "rm -r .despool/staging; ln -s $SCRATCH/outside .despool/staging"
planted a_link_for_the_packages_staging "ln -s $SCRATCH/outside .despool/staging/LOC00000"
planted a_link_for_state "rm -r .despool/state; ln -s $SCRATCH/outside .despool/state"
planted a_link_for_the_lock "rm .despool/lock; ln -s $SCRATCH/outside/precious .despool/lock"
planted a_link_for_a_manifest "rm .despool/*.manifest; ln -s $SCRATCH/outside/precious .despool/LOC00000.1.manifest"
planted a_link_for_a_version "rm -r LOC00000/1; ln -s $SCRATCH/outside LOC00000/1"
planted a_link_for_the_next_version "ln -s $SCRATCH/outside LOC00000/2"
planted a_link_in_a_tree "rm -r LOC00000/1/a; ln -s $SCRATCH/outside LOC00000/1/a"
planted current_to_elsewhere "ln -sfn $SCRATCH/outside LOC00000/current"

# A recycled tree in which directories have become links.

rm -rf dp
need $DESPOOL fanout 1.pck dp -q
need $DESPOOL fanout 2.pck dp -q
for dir in a b/deep c; do
	rm -rf dp/LOC00000/1/$dir
	ln -s "$SCRATCH/outside" dp/LOC00000/1/$dir
done
despool fanout 3.pck dp
claim a_recycled_tree_with_links_is_no_way_out both calm ++ ended 0 ++ same_tree s dp/LOC00000/3
rm -rf u2
ln -s "$SCRATCH/outside" .u2.despool
despool unpack s.pck u2
claim a_link_for_the_staging_of_unpack both calm ++ absent outside/lock
rm -f .u2.despool
ln -s "$SCRATCH/outside/precious" .x.pck.despool
despool pack s -o x.pck
claim a_link_for_the_temporary_image calm
ln -s "$SCRATCH/outside/precious" x2.pck.seen
despool pack s -o x2.pck
claim a_link_for_the_stat_cache calm
