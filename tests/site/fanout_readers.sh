# SPDX-License-Identifier: Apache-2.0
#
# Whoever reads through `current` while versions are published, recycled and
# refreshed sees one complete version, never a mix and never nothing.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

# stamped DIR TEXT - the same text at the beginning, in the middle, at the end.

stamped() {
	for stamped_file in a-first dir/below/file m-middle zz-last; do
		mkdir -p "$1/${stamped_file%/*}" 2>/dev/null
		echo "$2" >"$1/$stamped_file"
	done
}
watch_ends_well() {
	stop_background
	tail -n 1 watch.said
	claim "$1_never_shows_nothing" grep -q ' absent 0 ' watch.said
	claim "$1_never_shows_a_mix" grep -q ' mixed 0$' watch.said
	claim "$1_was_watched" at_least "$(sed -n 's/^looks \([0-9]*\) .*/\1/p' watch.said)" 50
}

need mkdir s s/dir s/dir/below
need tool tree_make many s/many "$(full 300 80)" 3000 1
stamped_in_place() {
	for stamped_file in a-first dir/below/file m-middle zz-last; do
		echo "$1" >s/$stamped_file
	done
}
stamped_in_place 0
need $DESPOOL fanout s dp -q
in_background watch tool_process tree_watch dp/LOC00000/current a-first dir/below/file m-middle zz-last
for version in $(seq "$(full 12 4)"); do
	stamped_in_place "$version"
	need $DESPOOL fanout s dp -q
done
watch_ends_well publishing
claim files_of_the_published_version_are_never_gone grep -q ' gone 0 ' watch.said
claim the_last_version_is_the_one_published equal \
	"$(cat dp/LOC00000/current/zz-last)" "$(full 12 4)"

in_background watch tool_process tree_watch dp/LOC00000/current a-first dir/below/file m-middle zz-last
for _ in $(seq "$(full 8 3)"); do
	need $DESPOOL fanout s dp --refresh -q
done
watch_ends_well refreshing

# Back and forth with --rollback and one version kept.

need $DESPOOL pack s -o new.pck --version 100 -q
stamped_in_place old
need $DESPOOL pack s -o old.pck --version 50 -q
need $DESPOOL fanout old.pck dp --rollback -q --keep 1
in_background watch tool_process tree_watch dp/LOC00000/current a-first dir/below/file m-middle zz-last
for _ in $(seq "$(full 6 2)"); do
	need $DESPOOL fanout new.pck dp -q --keep 1
	need $DESPOOL fanout old.pck dp -q --keep 1 --rollback
done
watch_ends_well rolling_back
