# SPDX-License-Identifier: Apache-2.0
#
# Disks that are full, read-only or not ours: an error, nothing half-written,
# and what was there stays.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need start_user
need mkdir t
need tool tree_make many t/many 100 20000 1
need tool tree_make data t/large 6000000 1
need $DESPOOL pack t -o t.pck -q
need mkdir s
echo small >s/small
need $DESPOOL pack s -o s.pck -q

if mounted small -t tmpfs -o size=4m none; then
	despool pack t -o small/t.pck
	claim a_full_disk_ends_pack ended 1 "no space left"
	claim pack_leaves_nothing_on_it holds small
	need cp s.pck small/t.pck
	despool pack t -o small/t.pck --force
	claim the_older_image_stays both ended 1 ++ cmp s.pck small/t.pck ++ holds small t.pck
	need rm small/t.pck
	despool unpack t.pck small/t
	claim a_full_disk_ends_unpack ended 1 "no space left" small/t/
	claim unpack_leaves_nothing_on_it holds small
	need cp -a s small/t
	despool unpack t.pck small/t --replace
	claim the_older_tree_stays both ended 1 ++ same_tree s small/t ++ holds small t
	despool unpack s.pck small/s
	claim what_fits_is_written_afterwards both ended 0 ++ same_tree s small/s

	# Every size around what it takes: whole or nothing.
	need rm -rf small/s small/t
	whole_or_nothing() {
		for room in 0 4 8 40 100 400 1000 2000 3000; do
			rm -rf small/room small/x
			head -c $((room * 1024)) /dev/zero >small/room
			despool unpack s.pck small/x
			case $status in
			0) same_tree s small/x || return 1 ;;
			1) absent small/x || return 1 ;;
			*) return 1 ;;
			esac
			nothing_left small || return 1
		done
	}
	claim any_room_gives_all_or_nothing whole_or_nothing
else
	skip a_full_disk_ends_pack "$NEEDS_MOUNT"
fi

# Without inodes: many files on a file system that has room for few.

if mounted few -t tmpfs -o size=32m,nr_inodes=60 none; then
	despool unpack t.pck few/t
	claim too_few_inodes_end_unpack both ended 1 "no space left" ++ holds few
else
	skip too_few_inodes_end_unpack "$NEEDS_MOUNT"
fi

# Read-only.

if mounted fixed -t tmpfs -o size=8m none; then
	need mkdir fixed/empty
	need cp -a s fixed/s
	need mount -o remount,ro "$SCRATCH/fixed"
	despool pack t -o fixed/t.pck
	claim a_read_only_disk_ends_pack ended 6 fixed/t.pck "read-only"
	despool unpack t.pck fixed/t
	claim a_read_only_disk_ends_unpack ended 6 fixed/t "read-only"
	despool unpack t.pck fixed/empty
	claim also_into_an_empty_directory ended 6 fixed/empty "read-only"
	despool pack fixed/s -o from-fixed.pck
	claim reading_from_it_is_possible both ended 0 ++ cmp s.pck from-fixed.pck
	despool verify s.pck fixed/s
	claim verifying_it_is_possible ended 0
else
	skip a_read_only_disk_ends_pack "$NEEDS_MOUNT"
fi

# Directories in which an ordinary user may not write.

need cp t.pck s.pck "$USER_ROOM/"
need chmod 644 "$USER_ROOM/t.pck" "$USER_ROOM/s.pck"
user mkdir closed closed/empty own
user sh -c 'echo x >own/x; chmod 555 closed'
despool_user pack own -o closed/x.pck
claim a_closed_directory_ends_pack ended 6 closed/x.pck "permission denied"
despool_user unpack s.pck closed/t
claim a_closed_directory_ends_unpack ended 6 closed/t "permission denied"
despool_user unpack s.pck closed/empty
claim an_empty_one_in_it_too ended 6 closed/empty "permission denied"
claim nothing_was_written both holds "$USER_ROOM/closed" empty ++ \
	holds "$USER_ROOM/closed/empty"
user chmod 700 closed
despool_user unpack s.pck /nowhere-$$/t
claim a_parent_that_is_not_there_is_4 ended 4

# A limit on the size of files, which comes as a signal unless it is ignored.

user sh -c "trap '' XFSZ; ulimit -f 2000; exec $USER_DESPOOL unpack t.pck big" \
	>out 2>err
status=$?
despool_last="unpack, files limited to 1 MB, SIGXFSZ ignored"
claim a_file_that_is_too_large_ends_unpack both ended 1 big/large ++ absent "$USER_ROOM/big"
user env --default-signal=XFSZ sh -c "ulimit -f 2000; exec $USER_DESPOOL unpack t.pck big" >out 2>err
status=$?
despool_last="unpack, files limited to 1 MB"
claim so_it_does_by_default both ended 1 big/large ++ absent "$USER_ROOM/big"

user sh -c "ulimit -f 200; exec $USER_DESPOOL pack own -o own.pck" >out 2>err
claim a_small_image_fits_the_limit test -f "$USER_ROOM/own.pck"
user mkdir source
need cp -a t/large "$USER_ROOM/source/"
need chmod 644 "$USER_ROOM/source/large"
user env --default-signal=XFSZ sh -c "ulimit -f 2000; exec $USER_DESPOOL pack source -o source.pck" >out 2>err
status=$?
despool_last="pack, files limited to 1 MB"
claim an_image_that_is_too_large_ends_pack both ended 1 ++ absent "$USER_ROOM/source.pck"
claim nothing_is_left_after_all_that nothing_left "$USER_ROOM" .

# Too few open files, and too little memory.

for limit in 16 24 40; do
	rm -rf few-files
	status=0
	prlimit --nofile=$limit $DESPOOL unpack t.pck few-files -q 2>err || status=$?
	despool_last="unpack with $limit open files"
	few_files() {
		case $status in
		0) same_tree t few-files ;;
		*) both failed ++ absent few-files ++ nothing_left . ;;
		esac
	}
	claim "with_${limit}_open_files_all_or_nothing" few_files
done
if ! is_sanitized && [ -z "$RUN" ]; then
	for limit in 3000 6000 12000 25000; do
		rm -rf thin thin.pck
		status=0
		prlimit --as=$((limit * 1024)) $DESPOOL pack t -o thin.pck -q -j 1 2>err || status=$?
		despool_last="pack with $limit KiB of memory"
		thin() {
			case $status in
			0) cmp t.pck thin.pck ;;
			127 | 139 | 134) [ ! -e thin.pck ] && [ $limit -lt 6000 ] ;;
			*) both failed ++ absent thin.pck ++ nothing_left . ;;
			esac
		}
		claim "with_${limit}_kib_of_memory_all_or_nothing" thin
	done
fi
