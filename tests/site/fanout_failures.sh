# SPDX-License-Identifier: Apache-2.0
# timeout: 200
#
# fanout when some destinations fail: full, read-only, closed, in use, dead,
# or the command is killed.  The others are served, exit 3 names those that
# were not, and the command that is printed mends just them.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

disk=$SCRATCH
move_to_memory
need start_user

need mkdir s
need tool tree_make many s/many 60 20000 1
need tool tree_make data s/large 5000000 1
echo 1 >s/file
need $DESPOOL pack s -o s.pck -q

# published DP VERSION TREE

published() {
	equal "$(readlink "$1/LOC00000/current")" "$2" && same_tree "$3" "$1/LOC00000/current/."
}
nothing_half_done() {
	for half_dp; do
		[ ! -d "$half_dp/.despool/staging" ] ||
			equal "$(find "$half_dp/.despool/staging" -mindepth 1 | head -n 3)" "" || return 1
	done
}

# The command printed for a retry.

retry() {
	retry_line=$(grep '^  despool fanout ' err | sed 's/^  despool //')
	[ -n "$retry_line" ] || {
		status="no retry printed"
		return
	}
	eval "despool $retry_line"
}

# Full.

if mounted full -t tmpfs -o size=3m none; then
	for source in s s.pck; do
		rm -rf dp1 dp2
		despool fanout $source dp1 full dp2 --json
		claim "a_full_destination_fails_alone_$source" both ended 3 ++ \
			field_is failed 1 ++ field_is published 2 ++ field_is exit_code 3 ++ \
			tool json_lines out
		claim "the_others_are_published_$source" both published dp1 1 s ++ published dp2 1 s
		claim "the_full_one_publishes_nothing_$source" both absent full/LOC00000/current full/LOC00000/1 ++ \
			nothing_half_done full
		despool fanout $source dp1 full dp2
		claim "the_full_one_is_named_$source" both ended 3 "full: " "no space left" "full: failed" ++ \
			grep -q "dp1: version 1, nothing changed" err
		claim "a_retry_is_printed_for_it_alone_$source" equal \
			"$(grep -A 1 'To try again' err | tail -n 1 | grep -o 'fanout.*' | awk '{ print $1, $2, $3 }')" \
			"fanout $source full"
		cp err first.err
		mount -o remount,size=64m "$SCRATCH/full"
		cp first.err err
		retry
		claim "the_retry_publishes_the_same_version_$source" both ended 0 ++ published full 1 s
		need rm -rf full/LOC00000 full/.despool
		mount -o remount,size=3m "$SCRATCH/full"
	done

	# With an older version there that stays.
	need mount -o remount,size=64m "$SCRATCH/full"
	need $DESPOOL fanout s full -q
	cp -a s before
	need tool tree_make data s/more 5000000 7
	used=$(df -Pk full | awk 'NR == 2 { print $3 }')
	need mount -o remount,size=$((used + 2000))k "$SCRATCH/full"
	need $DESPOOL fanout s dp1 -q
	despool fanout s full dp2
	claim what_was_published_stays_published both ended 3 ++ published full 1 before ++ \
		nothing_half_done full
	claim everybody_has_their_own_version both published dp1 2 s ++ published dp2 2 s
	need mount -o remount,size=64m "$SCRATCH/full"
	retry
	claim and_the_retry_brings_the_new_one both ended 0 ++ published full 2 s
	rm s/more
	need umount "$SCRATCH/full"
else
	skip a_full_destination_fails_alone_s "$NEEDS_MOUNT"
fi

# Read-only, and where an ordinary user may not write.

rm -rf dp1 dp2
if mounted fixed -t tmpfs -o size=64m none; then
	need $DESPOOL fanout s fixed -q
	need mount -o remount,ro "$SCRATCH/fixed"
	echo 2 >s/file
	despool fanout s fixed dp1 dp2 --version 2
	claim a_read_only_destination_fails_alone both ended 3 "fixed: " "read-only" ++ \
		published dp1 2 s ++ published dp2 2 s ++ equal "$(cat fixed/LOC00000/current/file)" 1
	need mount -o remount,rw "$SCRATCH/fixed"
	retry
	claim the_retry_knows_the_version both ended 0 ++ published fixed 2 s
else
	skip a_read_only_destination_fails_alone "$NEEDS_MOUNT"
fi
need cp -a s "$USER_ROOM/s"
need chmod -R a+rX "$USER_ROOM/s"
user mkdir closed
user chmod 555 closed
despool_user fanout s closed open --version 3
claim a_closed_destination_fails_alone both ended 3 "closed: " "permission denied" ++ \
	test -f "$USER_ROOM/open/LOC00000/3/file" ++ holds "$USER_ROOM/closed"
despool_user verify open/.despool/LOC00000.3.manifest open/LOC00000/3
claim an_ordinary_user_publishes_whole_versions ended 0
despool_user fanout s closed
claim the_only_one_closed_is_not_permitted ended 6 closed

# No destination at all, a file, a link, twice the same.

echo file >file
despool fanout s file dp1 --version 4
claim a_file_is_no_destination both ended 3 "file: " ++ equal "$(cat file)" file ++ published dp1 4 s
mkdir real
ln -s real to-real
despool fanout s to-real --version 4
claim a_link_to_a_destination_is_followed both ended 0 ++ published real 4 s
ln -s nowhere dangling
despool fanout s dangling --version 4
claim a_dangling_link_is_no_destination both failed dangling ++ absent nowhere
rm -rf dp3
despool fanout s dp3 dp3 ./dp3/ --version 4
claim the_same_destination_twice_is_wrong_usage both ended 2 dp3 ++ absent dp3/LOC00000/current

# The retry command is fit for a shell, whatever the names.

odd="it's \$HOME \"x\" ; exit 7 $(printf '\377')"
echo file >"$odd"
need cp -a s "s $odd"
despool fanout "s $odd" "$odd" dp1 --version 5 --exclude "it's" --keep 3
claim an_odd_name_fails_alone both ended 3 ++ published dp1 5 s
rm "$odd"
retry
claim its_retry_is_quoted both ended 0 ++ published "$odd" 5 s
despool fanout "s $odd" "$odd" --json
claim its_json_is_json both ended 0 ++ tool json_lines out ++ tool json_lines out destination path_hex

# Source and destination in each other.

need mkdir -p nest/inner
echo x >nest/inner/x
snapshot nest nest
despool fanout nest nest/dp
claim a_destination_inside_the_source_is_refused both ended 2 nest/dp overlap ++ untouched nest nest
despool fanout nest/inner nest
claim a_source_inside_the_destination_is_refused both ended 2 nest overlap ++ untouched nest nest
despool fanout nest nest
claim a_source_that_is_the_destination_is_refused both ended 2 overlap ++ untouched nest nest
despool fanout nest nest/a/b/c
claim nothing_is_made_on_the_way both ended 2 overlap ++ untouched nest nest
ln -s nest/inner by-link
despool fanout nest by-link
claim links_do_not_hide_it both ended 2 overlap ++ untouched nest nest
need $DESPOOL fanout nest/inner elsewhere -q
despool fanout elsewhere/LOC00000/current elsewhere
claim a_published_tree_is_no_source_for_its_own_destination ended 2 overlap
despool fanout elsewhere/LOC00000/current dp4
claim but_it_is_one_for_another both ended 0 ++ published dp4 1 nest/inner

# Damaged state: what cannot be trusted is made anew.

need mkdir small
need tool tree_make many small/many 15 2000 1
echo 1 >small/file
state_does_not_matter() {
	for damage in 'rm -r .despool' 'rm -r .despool/state' 'rm .despool/*.manifest' \
		'for f in .despool/*.manifest .despool/state/*; do echo junk >$f; done' \
		'for f in .despool/*.manifest .despool/state/*; do : >$f; done' \
		'for f in .despool/state/*.rows; do head -c 100 $f >x; mv x $f; done' \
		'rm LOC00000/current' \
		'ln -sfn 77 LOC00000/current' 'ln -sfn ../../.. LOC00000/current' \
		'rm -r LOC00000/2' 'mkdir -p .despool/staging/LOC00000/tree/x' \
		'mkdir LOC00000/99 && echo x >LOC00000/99/x' 'rm -r LOC00000' 'echo >LOC00000/2/extra'; do
		rm -rf dps t
		cp -a small t
		need $DESPOOL fanout t dps -q
		echo second >t/file
		need $DESPOOL fanout t dps -q
		(cd dps && eval "$damage")
		echo third >t/file
		despool fanout t dps --version 100
		case $status in
		0) published dps 100 t ;;
		*) false ;;
		esac || {
			echo "after $damage:"
			cat err
			return 1
		}
		crashed err && return 1
	done
	return 0
}
claim damaged_state_is_made_anew state_does_not_matter

rm -rf dps
need $DESPOOL fanout s dps -q
need rm dps/LOC00000/current
need mkdir dps/LOC00000/current dps/LOC00000/current/mine
despool fanout s dps --refresh
claim a_directory_in_the_place_of_current_is_an_error both failed current ++ \
	test -d dps/LOC00000/current/mine

# Two at once at one destination.

need tool tree_make data s/huge "$(full 80000000 30000000)" 9
rm -rf busy other
$DESPOOL fanout s busy --version 5 -q 2>first.err &
first=$!
for _ in $(seq 100); do
	[ ! -e busy/.despool/staging/LOC00000/tree ] || break
	sleep 0.02
done
despool fanout s busy other --version 5
second=$status
cp err second.err
wait $first
first=$?
two_at_once() {
	case $first,$second in
	0,3) grep -q 'busy: .*in use by another process' second.err && published other 5 s ;;
	0,0) echo "the first was too quick" ;;
	*)
		echo "first $first, second $second"
		cat first.err second.err
		false
		;;
	esac && published busy 5 s
}
claim of_two_at_once_one_is_told_to_try_again two_at_once
if [ "$second" = 3 ]; then
	cp second.err err
	retry
	claim and_its_retry_succeeds ended 0
fi
$DESPOOL fanout s busy --version 6 -q --refresh 2>first.err &
first=$!
sleep 0.1
despool fanout s busy --version 6
wait $first
only_one() {
	case $status in
	75) ended 75 busy "in use" ;;
	*) ended 0 ;;
	esac
}
claim alone_it_is_exit_75 only_one

# kill -9 at any moment; the next run cleans up and completes.

rm -rf s/huge s/large v1 v2 kill1 kill2
need tool tree_make data s/large 2000000 1
need cp -a s v1
echo changed >s/file
need tool tree_make data s/another 3000000 4
need cp -a s v2
began=$(now_ms)
need $DESPOOL fanout v1 timed1 timed2 -q
took=$(($(now_ms) - began))
seed=${SEED:-$$}
echo "seed $seed, a fanout takes $took ms"
killed() {
	for moment in $(random "$seed" "$(full 6 2)" 0 "$(echo $took | awk '{ print $1 * 1.2 / 1000 }')"); do
		rm -rf kill1 kill2
		need $DESPOOL fanout v1 kill1 kill2 --version 1 -q
		killed_version=2
		while [ $killed_version -le 4 ]; do
			tree=v1
			[ $((killed_version % 2)) -eq 1 ] || tree=v2
			timeout --foreground -s KILL "$moment" $DESPOOL fanout $tree kill1 kill2 \
				--version $killed_version -q 2>err
			for dp in kill1 kill2; do
				is=$(readlink $dp/LOC00000/current)
				case $is in
				$((killed_version - 1))) [ $tree = v2 ] && want=v1 || want=v2 ;;
				"$killed_version") want=$tree ;;
				*)
					echo "current is $is in version $killed_version, after $moment s"
					return 1
					;;
				esac
				same_tree $want "$dp/LOC00000/current/." || return 1
			done
			despool fanout $tree kill1 kill2 --version $killed_version
			both ended 0 ++ published kill1 $killed_version $tree ++ \
				published kill2 $killed_version $tree ++ nothing_half_done kill1 kill2 ++ \
				equal "$(ls kill1/LOC00000 | wc -l)" "$(ls kill2/LOC00000 | wc -l)" || return 1
			killed_version=$((killed_version + 1))
		done
	done
}
claim killed_at_any_moment_old_or_new_is_published killed
interrupted() {
	for moment in $(random "2$seed" "$(full 8 3)" 0 "$(echo $took | awk '{ print $1 / 1000 }')"); do
		rm -rf kill1
		status=0
		timeout --foreground --preserve-status -s TERM "$moment" $DESPOOL fanout v1 kill1 -q 2>err || status=$?
		despool_last="fanout, SIGTERM after $moment s"
		[ $status -eq 143 ] || [ $status -eq 0 ] || ended 143 || return 1
		nothing_half_done kill1 || return 1
		[ $status -ne 143 ] || absent kill1/LOC00000/current || return 1
	done
}
claim SIGTERM_publishes_nothing_and_cleans_up interrupted

# A destination that hangs: a frozen file system.

wait_until_said() {
	for _ in $(seq "$(full 100 400)"); do
		grep -q "$1" err && break
		sleep 0.1
	done
}
frozen() {
	command -v fsfreeze >/dev/null && command -v mkfs.ext4 >/dev/null && is_root || return 1
	truncate -s 400M "$disk/ice.img" && mkfs.ext4 -q -F "$disk/ice.img" && mkdir ice &&
		mount -o loop "$disk/ice.img" ice 2>err || return 1
	at_exit "fsfreeze -u '$SCRATCH/ice' 2>/dev/null; umount -l '$SCRATCH/ice'; rm -f '$disk/ice.img'"
}
if frozen; then
	need $DESPOOL fanout v1 ice -q
	need fsfreeze -f ice
	rm -rf dp1 dp2
	$DESPOOL fanout v2 dp1 ice dp2 --version 2 --stall-timeout 1 >out 2>err &
	pid=$!
	wait_until_said 'To try again'
	claim a_frozen_destination_is_given_up grep -q 'ice: .*made no progress' err
	claim the_others_do_not_wait_for_it both published dp1 2 v2 ++ published dp2 2 v2
	need fsfreeze -u ice
	status=0
	wait $pid || status=$?
	despool_last="fanout to a frozen file system"
	claim it_is_named_in_exit_3 ended 3 "ice: failed" "despool fanout v2 ice"
	claim it_keeps_what_it_had published ice 1 v1
	retry
	claim thawed_the_retry_completes both ended 0 ++ published ice 2 v2 ++ nothing_half_done ice

	# Frozen in the middle; syncing is given ten times as long.
	if [ -n "$FULL" ]; then
		need tool tree_make data v2/huge 80000000 3
		(sleep 0.04 && fsfreeze -f ice) &
		$DESPOOL fanout v2 dp1 ice dp2 --version 3 --stall-timeout 1 >out 2>err &
		pid=$!
		wait_until_said 'To try again\|3 of 3'
		sleep 0.2
		claim frozen_in_the_middle_the_others_complete both published dp1 3 v2 ++ published dp2 3 v2
		fsfreeze -u ice
		wait $pid
		despool fanout v2 dp1 ice dp2 --version 3
		claim afterwards_all_are_complete both ended 0 ++ published ice 3 v2 ++ nothing_half_done ice
	fi
else
	skip a_frozen_destination_is_given_up "needs root, loop mounts and fsfreeze"
fi

# A source that fails is not a part of the destinations that failed.

if is_root; then
	need cp s.pck bad.pck
	printf XXXX | need dd of=bad.pck bs=1 seek=100 conv=notrunc
	need mkdir -p closed_dp
	if mounted closed_dp -t tmpfs -o ro none; then
		despool fanout bad.pck dp91 closed_dp dp92
		claim a_damaged_source_is_exit_8 both ended 8 ++ absent dp91/LOC00000/current
		claim the_retry_names_all_that_are_left grep -q 'fanout bad.pck dp91 closed_dp dp92' err
		despool fanout v1 closed_dp
		claim a_retry_invents_no_version both ended 6 "fanout v1 closed_dp" ++ not grep -q -e --version err
	fi

	# Names like options.
	need mkdir -p -- -in
	need cp s/file -- -in/file
	need mkdir -p -- -closed
	if mounted ./-closed -t tmpfs -o ro none; then
		despool fanout -- -in -dp -closed
		claim a_destination_with_a_dash_fails_alone ended 3 "-closed: failed"
		need umount ./-closed
		retry
		claim its_retry_works both ended 0 ++ test -f ./-closed/LOC00000/current/file
	fi
fi

# One destination's damaged manifest is no matter of the others.

need mkdir m
need cp s/file m/one
need $DESPOOL fanout m dm1 dm2 -q
printf ZZ | need dd of=dm1/.despool/LOC00000.1.manifest bs=1 seek=60 conv=notrunc
echo two >m/two
despool fanout m dm1 dm2 dm3
claim a_damaged_manifest_is_not_used both ended 0 dm1/.despool/LOC00000.1.manifest ++ \
	published dm1 2 m ++ published dm2 2 m ++ published dm3 2 m

# A version that is published stays so when an old one cannot be deleted.

if is_root && command -v chattr >/dev/null && touch "$disk/immutable" && chattr +i "$disk/immutable" 2>err; then
	need chattr -i "$disk/immutable"
	dp=$disk/dpi
	need mkdir h
	need cp s/file h/one
	need ln h/one h/two # so that nothing is recycled
	need $DESPOOL fanout h "$dp" -q
	echo 2 >h/v
	need $DESPOOL fanout h "$dp" -q
	need chattr +i "$dp/LOC00000/1/one"
	at_exit "chattr -R -i '$dp' 2>/dev/null; rm -rf '$dp'"
	echo 3 >h/v
	despool fanout h "$dp" --json
	claim what_cannot_be_deleted_is_a_warning both ended 0 ++ field_is published 1 ++ published "$dp" 3 h
else
	skip what_cannot_be_deleted_is_a_warning "needs root and a file system with attributes"
fi
