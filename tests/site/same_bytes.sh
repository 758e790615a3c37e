# SPDX-License-Identifier: Apache-2.0
#
# The same tree gives the same image: for any number of workers, any order of
# the directories, and whichever machine packed it.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t t/dir t/empty
need tool tree_make many t/many "$(full 800 300)" 6000 1
need tool tree_make data t/large "$(full 8000000 4000000)" 1
need tool tree_make data t/average 1048576 2
need tool tree_make data t/just-below 1048575 3
need tool tree_make sparse t/sparse 8000000 0 4000000
echo one >t/one
ln t/one t/dir/hard
ln -s one t/link
setfattr -n user.b -v 2 t/one 2>/dev/null
setfattr -n user.a -v 1 t/one 2>/dev/null
head -c 4000000 /dev/zero | tr '\0' z >t/compresses

need $DESPOOL pack t -o 1.pck -j 1 -q
for jobs in $(full '2 4 8' 4); do
	need $DESPOOL pack t -o $jobs.pck -j $jobs -q
	claim "with_${jobs}_jobs_the_image_is_the_same" cmp 1.pck $jobs.pck
done
need sh -c "$DESPOOL pack t -o - -j 3 -q >stream.pck"
claim into_a_pipe_too cmp 1.pck stream.pck

# A copy whose directories were filled from the other end, with attributes
# set in the other order.

need mkdir u
(cd t && find . -type d | sort -r) >directories
(cd u && xargs mkdir -p) <directories
(cd t && find . ! -type d | sort -r | xargs cp -a --parents -t ../u)
rm u/dir/hard u/one
cp -p t/one u/one
ln u/one u/dir/hard
for name in a b; do
	setfattr -x user.$name u/one 2>/dev/null
done
setfattr -n user.a -v 1 u/one 2>/dev/null
setfattr -n user.b -v 2 u/one 2>/dev/null
touch -r t/one u/one
while read -r dir; do touch -r "t/$dir" "u/$dir"; done <directories
claim the_copy_is_the_same_tree same_tree t u
need $DESPOOL pack u -o u.pck -q
claim the_order_of_directories_makes_no_difference cmp 1.pck u.pck

# On another file system, which has another order and other inode numbers.

if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	shm=$(mktemp -d /dev/shm/despool-room.XXXXXX)
	at_exit "rm -rf '$shm'"
	cp -a t "$shm/t"
	if same_tree t "$shm/t" >/dev/null; then
		need $DESPOOL pack "$shm/t" -o shm.pck -q
		claim the_file_system_makes_no_difference cmp 1.pck shm.pck
	else
		skip the_file_system_makes_no_difference "/dev/shm does not keep all attributes"
	fi
else
	skip the_file_system_makes_no_difference "no /dev/shm to write to"
fi

# Nothing of the packer is in it: another time, another name of the source.

mv t another-name
sleep 0.01
need $DESPOOL pack another-name -o later.pck -q
claim neither_time_nor_name_of_the_source_is_in_it cmp 1.pck later.pck
mv another-name t

# Unpacked with 1 and with 4 workers it is the same tree.

need $DESPOOL unpack 1.pck out1 -j 1 -q
need $DESPOOL unpack 1.pck out4 -j 4 -q
claim workers_make_no_difference_to_a_tree both same_tree out1 out4 ++ same_tree t out1

# The programs of the other targets that are built and run directly make the
# same image and read this one.  Alpha's run comes last in `make check`, and so
# has all three.

for other in x86_64 i386; do
	[ $other != "$TARGET" ] && [ -x "$TOP/build/$other/despool" ] &&
		"$TOP/build/$other/despool" --version >/dev/null 2>&1 || continue
	need "$TOP/build/$other/despool" pack t -o $other.pck -q
	claim "the_${other}_program_makes_the_same_image" cmp 1.pck $other.pck
	claim "the_${other}_program_verifies_this_ones" \
		"$TOP/build/$other/despool" verify 1.pck t -q
done
