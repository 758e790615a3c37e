# SPDX-License-Identifier: Apache-2.0
# alone
#
# Peak memory does not grow with the package: 64 MiB on x86-64 with two
# workers, 32 MiB on i386 with one, 32 MiB above the emulator on Alpha.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

if is_sanitized; then
	skip memory_is_bounded "a sanitizer's run-time needs more"
	exit 0
fi
move_to_memory
mib=1048576
base=0
case $TARGET in
i386)
	limit=$((32 * mib))
	jobs=1
	;;
alpha)
	limit=$((32 * mib))
	jobs=1
	;;
*)
	limit=$((64 * mib))
	jobs=2
	;;
esac

need mkdir t
need tool tree_make many t/many "$(full 12000 1500)" 2000 1
need tool tree_make many t/larger "$(full 60 15)" 1500000 2
need tool tree_make data t/large "$(full 60000000 15000000)" 3
need mkdir t/wide
(cd t/wide && seq "$(full 30000 3000)" | sed 's/^/a-name-of-some-length-for-an-empty-file-/' | xargs touch)

# What the emulator itself takes is not the program's.

if [ -n "$RUN" ]; then
	need mkdir tiny
	echo x >tiny/x
	$DESPOOL info --json /dev/null >out 2>err
	base=$(field peak_rss_bytes)
fi

bounded() {
	ended 0 || return 1
	bounded_peak=$(field peak_rss_bytes) || return 1
	echo "peak $((bounded_peak / 1024)) KiB, emulator $((base / 1024)) KiB" >>peaks
	at_most $((bounded_peak - base)) "$limit"
}
despool pack t -o t.pck -j $jobs --json
claim pack_is_bounded bounded
despool verify t.pck -j $jobs --json
claim verify_is_bounded bounded
despool unpack t.pck u -j $jobs --json
claim unpack_is_bounded bounded
despool verify t.pck u -j $jobs --json
claim verify_of_a_tree_is_bounded bounded
despool ls t.pck --json
claim ls_is_bounded bounded
despool diff t.pck t.pck --json
claim diff_is_bounded bounded

# Sizes that are only said, in holes, cost nothing.

need mkdir s
need truncate -s 20G s/sparse
need tool tree_make data s/data 1000000 1
need tool tree_make sparse s/pieces 4000000000 0 1000000000 2000000000 3000000000
despool pack s -o s.pck -j $jobs --json
claim pack_of_a_sparse_file_is_bounded bounded
despool unpack s.pck v -j $jobs --json
claim unpack_of_a_sparse_file_is_bounded bounded
despool verify s.pck v -j $jobs --json
claim verify_of_a_sparse_file_is_bounded bounded
if [ -n "$FULL" ]; then
	despool fanout t dp1 dp2 -j $jobs --json
	claim fanout_is_bounded bounded
	despool fanout t.pck dp3 dp4 -j $jobs --json
	claim fanout_of_an_image_is_bounded bounded
fi
cat peaks
