# SPDX-License-Identifier: Apache-2.0
#
# The command line: help, wrong usage, exit codes, what goes where.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t
echo one >t/one
despool pack t -o t.pck
claim packs ended 0

# Wrong usage: exit 2, with words that help, on standard error.

# wrong NAME TEXT ARGUMENT...

wrong() {
	wrong_name=$1
	wrong_text=$2
	shift 2
	despool "$@"
	claim "$wrong_name" both ended 2 "$wrong_text" ++ equal "$(wc -c <out)" 0
}
wrong an_unknown_command_is_corrected "did you mean pack" pakc t -o x
wrong an_unknown_command_far_off_points_to_help "despool help" frobnicate
wrong an_unknown_option_is_corrected "did you mean --exclude" pack t -o x --exlude a
wrong an_unknown_option_far_off_points_to_help "help pack" pack t --frobnicate
wrong an_unknown_letter_points_to_help "help pack" pack t -Z
wrong an_option_of_another_command_is_unknown "--replace" pack t -o x --replace
wrong a_missing_argument_shows_usage "usage: despool pack SOURCE" pack
wrong a_missing_second_argument_too "usage: despool unpack IMAGE DIR" unpack t.pck
wrong too_many_arguments_show_usage "despool info IMAGE" info t.pck t.pck
wrong an_option_at_the_end_lacks_its_argument "--output takes FILE" pack t -o
wrong pack_wants_to_know_where_to "-o FILE" pack t
wrong an_argument_for_a_flag_is_refused "--force takes no argument" pack t -o x --force=yes
wrong an_empty_argument_is_refused "empty" pack ''
wrong a_bad_id_is_explained "61000012" pack t -o x --id 6100001
wrong a_bad_id_in_small_letters_too "loc00000" pack t -o x --id loc00000
wrong a_bad_id_with_too_many_digits_too "LOC000001" pack t -o x --id LOC000001
for bad in 0 -1 4294967296 99999999999999999999 1x '' ' 1' 1.0 0x1; do
	wrong "version_$(printf %s "$bad" | tr -c 'a-zA-Z0-9\n' _)_is_refused" \
		"--version takes a number from 1 to 4294967295" pack t -o x --version "$bad"
done
wrong level_0_is_refused "1 to 19" pack t -o x --level 0
wrong level_20_is_refused "1 to 19" pack t -o x --level 20
wrong jobs_0_is_refused "--jobs takes a number from 1" pack t -o x --jobs 0
wrong jobs_65_is_refused "to 64" pack t -o x --jobs 65
wrong a_bad_word_is_refused "--special" pack t -o x --special=maybe
wrong a_bad_progress_is_refused "--progress" verify t.pck --progress=loud
wrong an_empty_glob_is_refused "--exclude" pack t -o x --exclude ''
wrong cat_wants_a_path_or_root "cat IMAGE PATH" cat t.pck
wrong cat_does_not_take_both "cat --root IMAGE" cat --root t.pck one
wrong key_wants_a_verb_and_a_name "despool key new NAME | show FILE" key new
wrong help_on_something_unknown_is_corrected "did you mean verify" help verfy
wrong fanout_wants_destinations "usage: despool fanout" fanout t
claim wrong_usage_makes_no_file absent x

despool
claim no_command_at_all_is_wrong_usage ended 2

# A terminal is no place for an image.

if command -v script >/dev/null; then
	script -qec "$DESPOOL pack t -o -" /dev/null >typescript 2>&1 </dev/null
	claim no_image_is_written_to_a_terminal both grep -q terminal typescript ++ \
		at_most "$(wc -c <typescript)" 500
fi

# Help.

despool help
claim help_names_every_command both ended 0 ++ \
	says pack unpack verify info ls cat diff fanout key help exit-codes --version
claim help_is_data equal "$(wc -c <err)" 0
cp out overview
despool --help
claim --help_is_help both ended 0 ++ cmp out overview
for command in pack unpack verify info ls cat diff fanout key help; do
	despool help $command
	cp out help
	claim "help_$command" both ended 0 ++ says "usage: despool $command" --json --quiet --help
	despool $command --help
	claim "${command}_--help_says_the_same" both ended 0 ++ cmp out help
	despool $command -h
	claim "${command}_-h_too" both ended 0 ++ cmp out help
	claim "help_${command}_fits_80_columns" equal "$(awk 'length > 80' help)" ""
done
despool help pack
claim help_pack_has_its_options says "-o, --output FILE" "--id ID" "--version N" "--level N" \
	"--base OLD.pck" "--exclude GLOB" "--exclude-from FILE" "--jobs N" "--special" \
	--allow-empty --force --dry-run "--progress" --quiet "--sign KEY"
despool help unpack
claim help_unpack_has_its_options says --replace --dry-run --jobs "--trust FILE"
despool help fanout
claim help_fanout_has_its_options says --keep --refresh --rollback --readback --no-create \
	--stall-timeout --dry-run
despool help exit-codes
claim help_exit_codes_lists_them_all both ended 0 ++ says "  0 " "  1 " "  2 " "  3 " "  4 " \
	"  5 " "  6 " "  8 " " 75 "
despool --version
claim --version_says_which both ended 0 ++ says "despool 0" "zstd 1.5.4"

# Every exit code that a plain command can end with.

despool info nowhere.pck
claim not_found_is_4 ended 4 nowhere.pck
despool unpack t.pck t
claim a_conflict_is_5 ended 5
echo no image >no.pck
despool info no.pck
claim no_image_is_8 ended 8 no.pck
despool info t
claim a_directory_is_no_image failed t "directory"

# Standard output is for data, standard error for talk.

despool pack t -o talk.pck
claim pack_talks_on_standard_error both equal "$(wc -c <out)" 0 ++ grep -q packed err
despool verify t.pck
claim verify_talks_on_standard_error both equal "$(wc -c <out)" 0 ++ grep -q verified err
despool unpack t.pck u
claim unpack_talks_on_standard_error both equal "$(wc -c <out)" 0 ++ grep -q unpacked err
despool diff t.pck t.pck
claim diff_of_the_same_has_no_data both ended 0 ++ equal "$(wc -c <out)" 0

for command in 'pack t -o quiet.pck' 'unpack t.pck quiet' 'verify t.pck' \
	'verify t.pck t' 'diff t.pck t.pck' 'unpack t.pck quiet --replace'; do
	# shellcheck disable=SC2086
	despool $command --quiet
	claim "quiet_says_nothing_in_$(echo "$command" | tr -c 'a-z\n' _)" both \
		ended 0 ++ equal "$(cat out err)" ""
done
despool verify no.pck --quiet
claim quiet_still_says_errors ended 8 no.pck
despool verify t.pck -q
claim q_is_quiet equal "$(cat out err)" ""

# No colours, no cursor movements where there is no terminal.

for command in 'verify t.pck --progress=plain' 'verify t.pck --progress=none' \
	'verify t.pck --progress=auto' 'help' 'info t.pck' 'ls -l t.pck' 'verify no.pck'; do
	# shellcheck disable=SC2086
	despool $command
	claim "no_escapes_in_$(echo "$command" | tr -c 'a-z\n' _)" \
		equal "$(cat out err | tr -d '\n\t -~')" ""
done
if command -v script >/dev/null; then
	NO_COLOR=1 script -qec "$DESPOOL verify t.pck; $DESPOOL info no.pck" /dev/null \
		>typescript 2>&1 </dev/null
	claim no_colours_with_NO_COLOR not grep -q "$(printf '\033\\[[0-9;]*m')" typescript
fi

# What a name holds cannot move the cursor.

despool info "$(printf 'evil\033[2J\n')"
claim names_in_messages_are_made_safe both ended 4 'evil\033[2J' ++ \
	equal "$(tr -d '\n -~' <err)" ""

# Standard streams that are closed: no file of ours takes their place.

need mkdir big
need tool tree_make data big/data 3000000 1
need $DESPOOL pack big -o open.pck -q
$DESPOOL pack big -o closed.pck >&- 2>&- <&-
claim closed_streams_do_not_get_into_the_image cmp open.pck closed.pck
$DESPOOL unpack open.pck closed >&- 2>&- <&-
claim closed_streams_do_not_get_into_the_tree same_tree big closed
$DESPOOL ls open.pck >&- 2>/dev/null
claim listing_to_a_closed_stream_fails equal $? 1

# A full standard output is not success.

if [ -e /dev/full ]; then
	for command in 'ls t.pck' 'info t.pck' 'cat t.pck one' help --version \
		'help pack'; do
		status=0
		# shellcheck disable=SC2086
		$DESPOOL $command >/dev/full 2>err || status=$?
		despool_last="despool $command >/dev/full"
		claim "output_that_is_lost_fails_$(echo "$command" | tr -c 'a-z\n' _)" ended 1 "standard output"
	done
	status=0
	$DESPOOL verify t.pck --json >/dev/full 2>err || status=$?
	claim json_that_is_lost_fails equal "$status" 1
fi
