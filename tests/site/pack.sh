# SPDX-License-Identifier: Apache-2.0
#
# pack: what it refuses, what it leaves out, where it writes.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t t/dir t/dir/below t/empty
echo one >t/one
echo two >t/dir/two.o
echo three >t/dir/below/three.o
echo four >t/dir/below/four.c
ln -s one t/link

# Special files.

need mkfifo t/dir/pipe
despool pack t -o special.pck
claim a_fifo_is_refused both ended 1 t/dir/pipe --special=skip ++ absent special.pck
despool pack t --dry-run
claim a_dry_run_refuses_it_too ended 1 t/dir/pipe
despool pack t -o special.pck --special=refuse
claim special_refuse_is_the_default ended 1 t/dir/pipe
despool pack t -o special.pck --special=skip
claim special_skip_leaves_it_out_and_says_so ended 0 dir/pipe "left out"
despool ls special.pck
claim it_is_not_in_the_image both equal "$(grep -c pipe out)" 0 ++ equal "$(grep -c two.o out)" 1
rm t/dir/pipe
if is_root && mknod t/null c 1 3 2>/dev/null; then
	despool pack t -o device.pck
	claim a_device_is_refused ended 1 t/null device
	need rm t/null
else
	skip a_device_is_refused "$NEEDS_ROOT"
fi

# Where the image goes.

despool pack t -o t.pck
claim packs ended 0 packed t.pck
despool pack t -o t.pck
claim an_existing_image_is_refused ended 5 t.pck --force
need cp t.pck before.pck
echo more >t/more
despool pack t -o t.pck --force
claim force_replaces_it both ended 0 ++ not cmp -s t.pck before.pck
despool pack t -ofrom-letter.pck -q
claim letters_take_their_argument_at_once cmp t.pck from-letter.pck
despool pack --output=from-equals.pck t
claim long_options_take_theirs_behind_an_equals_sign cmp t.pck from-equals.pck
need sh -c "$DESPOOL pack t -o - >stream.pck"
claim a_stream_equals_the_file cmp t.pck stream.pck
need sh -c "$DESPOOL pack t -o - | cat >pipe.pck"
claim through_a_pipe_too cmp t.pck pipe.pck
despool pack t/ -o slash.pck
claim a_slash_behind_the_source_makes_no_difference cmp t.pck slash.pck
ln -s t to-t
despool pack to-t -o named.pck
claim a_link_named_as_the_source_is_followed cmp t.pck named.pck
(cd t && $DESPOOL pack . -o ../dot.pck -q)
claim the_current_directory_can_be_the_source cmp t.pck dot.pck
mkdir -- -t && cp -a t/. ./-t
despool pack -o dash.pck -- -t
claim behind_two_dashes_everything_is_an_argument cmp t.pck dash.pck
need mkdir a-dir
despool pack t -o a-dir --force
claim a_directory_is_never_replaced_by_an_image both ended 5 a-dir ++ test -d a-dir
despool pack t -o no/such/dir/t.pck
claim the_images_directory_must_be_there ended 4 no/such/dir/t.pck
ln -s elsewhere.pck link.pck
despool pack t -o link.pck
claim a_link_in_the_way_is_refused ended 5 link.pck
despool pack t -o link.pck --force
claim force_replaces_the_link_not_its_target both ended 0 ++ \
	test ! -L link.pck ++ cmp t.pck link.pck ++ absent elsewhere.pck
despool pack t -o "$(printf 'bad\377name\n.pck')"
claim an_image_may_have_any_name cmp t.pck "$(printf 'bad\377name\n.pck')"
long=$(awk 'BEGIN { while (i++ < 251) printf "n" }')
despool pack t -o "$long.pck"
claim an_image_name_may_have_255_bytes ended 0
claim nothing_is_left_beside_the_images nothing_left .

# The source.

despool pack nowhere -o nowhere.pck
claim a_source_must_be_there both ended 4 nowhere ++ absent nowhere.pck
despool pack t/one -o file.pck
claim a_file_is_no_source both failed t/one "not a directory" ++ absent file.pck
need mkdir void
despool pack void -o void.pck
claim an_empty_source_is_refused both ended 2 void --allow-empty ++ absent void.pck
despool pack void --dry-run
claim a_dry_run_refuses_it_as_well ended 2 void
despool pack void -o void.pck --allow-empty
claim allow_empty_packs_it ended 0
despool unpack void.pck void.out
claim and_it_unpacks both ended 0 ++ same_tree void void.out

need mkdir future
if touch -d '@10413792000' future/file 2>err && [ "$(stat -c %Y future/file)" = 10413792000 ]; then
	despool pack future -o future.pck
	claim a_time_that_does_not_fit_is_an_error both ended 1 future/file "2261" ++ absent future.pck
fi

# --dry-run counts and writes nothing.

snapshot t source
despool pack t -o dry.pck --dry-run --json
claim a_dry_run_says_what_it_would_do both ended 0 ++ field_is files 5 ++ \
	field_is file_bytes "$(cat t/one t/dir/two.o t/dir/below/*.? t/more | wc -c)"
claim a_dry_run_writes_nothing both absent dry.pck ++ nothing_left .
claim packing_does_not_touch_the_source untouched t source

# Exclude rules.

listed() {
	despool ls listed.pck
	equal "$(tr '\n' ' ' <out)" "$1"
}
packed_without() {
	$DESPOOL pack t -o listed.pck --force -q "$@"
}
packed_without --exclude '*.o'
claim a_glob_matches_names_anywhere listed \
	". dir dir/below dir/below/four.c empty link more one "
packed_without --exclude dir/below
claim a_path_leaves_out_what_is_below listed ". dir dir/two.o empty link more one "
packed_without --exclude '/dir/*.o'
claim a_star_does_not_cross_a_slash listed \
	". dir dir/below dir/below/four.c dir/below/three.o empty link more one "
packed_without --exclude '/one' --exclude empty/ --exclude=link
claim rules_add_up listed \
	". dir dir/below dir/below/four.c dir/below/three.o dir/two.o more "
packed_without --exclude 'one/'
claim a_slash_behind_it_means_directories_only listed \
	". dir dir/below dir/below/four.c dir/below/three.o dir/two.o empty link more one "
printf '# what is built\n*.o\n\n/link' >rules
packed_without --exclude-from rules
claim rules_come_from_a_file listed \
	". dir dir/below dir/below/four.c empty more one "
despool pack t -o listed.pck --force --exclude-from no-rules
claim the_file_of_rules_must_be_there ended 4 no-rules
despool pack t -o all.pck --exclude '*'
claim everything_left_out_is_empty both ended 2 ++ absent all.pck
need mkfifo t/pipe
packed_without --exclude pipe
claim what_is_left_out_may_be_special listed \
	". dir dir/below dir/below/four.c dir/below/three.o dir/two.o empty link more one "
need rm t/pipe

# id, version, level.

despool pack t -o id.pck --id 6AB0FF12 --version 4294967295 --level 19
claim takes_id_version_and_level ended 0
despool info id.pck --json
claim info_says_them both field_is image package_id 6AB0FF12 ++ \
	field_is image version 4294967295 ++ field_is image level 19
despool info t.pck --json
claim their_defaults_are_those_documented both field_is image package_id LOC00000 ++ \
	field_is image version 1 ++ field_is image level 3

# A reader of the stream that goes away, and one that never takes anything.

head -c 300000 /dev/urandom >t/random
status=$( (
	$DESPOOL pack t -o - 2>err
	echo $? >status
) | head -c 100 >/dev/null; cat status)
claim a_reader_that_goes_away_is_an_error both test "$status" != 0 ++ \
	not crashed err ++ test -s err
if [ -e /dev/full ]; then
	status=0
	$DESPOOL pack t -o - >/dev/full 2>err || status=$?
	despool_last="despool pack t -o - >/dev/full"
	claim a_full_standard_output_is_an_error ended 1 "no space"
fi
