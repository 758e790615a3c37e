# SPDX-License-Identifier: Apache-2.0
#
# --json: one object a line, the last of them the summary; errors too.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t t/dir
need tool tree_make odd t/odd
need tool tree_make data t/data 3000000 7
echo one >t/one
printf 'x%.0s' 1 2 3 >"t/$(printf 'quote"back\\slash\ttab')"
ln -s "$(printf 'bytes \377\376')" t/link
need mkdir other
cp -a t/. other
echo two >other/one
echo new >other/new
rm other/odd/a

# whole NAME FILE - each line parses, the last is a summary.

whole() {
	claim "$1" tool json_lines "$2"
}
has() {
	for key; do
		field "$key" >/dev/null || {
			echo "the summary has no $key: $despool_last"
			cat out
			return 1
		}
	done
}

despool pack t -o t.pck --json
whole pack_speaks_json out
claim pack_says_nothing_else equal "$(cat err)" ""
claim pack_has_a_summary both has files bytes_read bytes_written image_bytes \
	wall_seconds peak_rss_bytes ++ field_is files "$(find t -type f -printf x | wc -c)" ++ \
	field_is image_bytes "$(wc -c <t.pck)" ++ field_is command pack ++ field_is exit_code 0
claim peak_memory_is_plausible both at_least "$(field peak_rss_bytes)" 1000000 ++ \
	at_most "$(field peak_rss_bytes)" 4000000000
despool pack other -o other.pck --version 2 --json
despool unpack t.pck u --json
whole unpack_speaks_json out
claim unpack_has_a_summary both has files bytes_read bytes_written wall_seconds \
	peak_rss_bytes ++ field_is files "$(find t -type f -printf x | wc -c)" ++ \
	field_is bytes_written "$(find t -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')"
despool verify t.pck --json
whole verify_speaks_json out
claim verify_has_a_summary both has files bytes_read image_bytes wall_seconds peak_rss_bytes
despool verify t.pck u --json
whole verify_of_a_tree_speaks_json out
claim verify_of_a_tree_has_a_summary has files bytes_read missing changed extra wall_seconds
rm u/one && echo extra >u/extra && chmod 600 u/data
despool verify t.pck u --json
whole differences_are_json out
claim differences_are_objects both ended 8 ++ \
	equal "$(tool json_lines out difference)" 4 ++ field_is exit_code 8 ++ \
	field_is missing 1 ++ field_is extra 1 ++ field_is changed 2
despool info t.pck --json
whole info_speaks_json out
claim info_is_an_object both tool json_lines out image package_id version root content files \
	directories symlinks hard_links blocks pages image_bytes ++ has wall_seconds
despool ls t.pck --json
whole ls_speaks_json out
claim ls_lists_every_entry equal "$(tool json_lines out entry)" "$(find t -printf x | wc -c)"
claim names_that_are_not_utf8_are_hexadecimal both \
	equal "$(grep -c '"path_hex":"6f64642fff"' out)" 1 ++ \
	equal "$(grep -c '"target_hex"' out)" 129
claim names_that_are_utf8_are_text both \
	equal "$(grep -cF '"path":"one"' out)" 1 ++ \
	equal "$(grep -cF '"path":"quote\"back\\slash\ttab"' out)" 1
despool diff t.pck other.pck --json
whole diff_speaks_json out
claim diff_has_a_summary both has added removed changed metadata changed_bytes ++ \
	field_is added 1 ++ field_is removed 1 ++ field_is changed 1

# Where standard output is taken, JSON goes to standard error.

$DESPOOL pack t -o - --json >stream.pck 2>err
claim a_streamed_image_stays_whole cmp t.pck stream.pck
whole its_json_is_on_standard_error err
$DESPOOL cat t.pck data --json >data 2>err
claim a_files_bytes_stay_whole cmp t/data data
whole their_json_is_on_standard_error err

# Errors are objects with a symbol.

# error NAME STATUS SYMBOL ARGUMENT...

error() {
	error_name=$1
	error_status=$2
	error_symbol=$3
	shift 3
	despool "$@" --json
	claim "$error_name" both ended "$error_status" ++ tool json_lines out ++ \
		field_is error error "$error_symbol" ++ field_is exit_code "$error_status" ++ \
		equal "$(cat err)" ""
}
error not_found_is_an_object 4 ENOENT info nowhere.pck
error not_found_in_an_image_too 4 ENOENT unpack t.pck w no/such/path
error a_conflict_is_an_object 5 ENOTEMPTY unpack t.pck t
error an_existing_image_is_an_object 5 EEXIST pack t -o t.pck
mkdir void
error an_empty_source_is_an_object 2 EEMPTY pack void -o void.pck
mkfifo void/fifo
error a_special_file_is_an_object 1 ESPECIAL pack void -o void.pck
head -c 1000 t.pck >short.pck
error a_short_image_is_an_object 8 ETRUNCATED info short.pck
claim with_its_file_and_offset both field_is error path short.pck ++ \
	tool json_lines out error offset
error wrong_usage_is_an_object 2 EINVAL pack t
error a_bad_number_is_an_object 2 EINVAL pack t -o x --json --level 77
error an_unknown_option_is_an_object 2 EINVAL pack t -o x --json --frobnicate
error a_path_that_is_not_utf8_is_an_object 4 ENOENT info "$(printf 'no\377where.pck')"
claim with_the_path_in_hexadecimal field_is error path_hex 6e6fff77686572652e70636b
need cp t.pck "$(printf 'is\377here.pck')"
error a_name_inside_a_message_may_be_any_bytes 4 ENOENT ls "$(printf 'is\377here.pck')" nope
claim and_there_is_a_message tool json_lines out error text

# Progress as JSON: the same stream, the same rules.

despool verify t.pck --progress=json
claim progress_json_is_possible ended 0
despool pack t -o p.pck --progress=json --json
whole progress_and_results_are_one_stream out
