# SPDX-License-Identifier: Apache-2.0
#
# A file with data beyond 4 GiB, on a machine whose pointers may have 32 bits.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t
gib=1073741824
need tool tree_make sparse t/huge $((6 * gib + 12345)) 0 $((4 * gib - 32768)) $((5 * gib)) \
	$((6 * gib - 65536))
echo behind >t/zz
despool pack t -o t.pck --json
claim packs both ended 0 ++ field_is file_bytes $((6 * gib + 12345 + 7))
claim holes_are_not_read at_most "$(field bytes_read)" 400000
claim the_image_is_small at_most "$(wc -c <t.pck)" 400000
despool unpack t.pck u
claim unpacks ended 0
claim the_data_are_where_they_were same_tree t u
claim the_holes_as_well at_most "$(stat -c %b u/huge)" 2000
despool verify t.pck u
claim verifies ended 0
printf X | dd of=u/huge bs=1 seek=$((5 * gib + 1000)) conv=notrunc 2>/dev/null
touch -r t/huge u/huge
despool verify t.pck u
claim a_change_beyond_4_gib_is_found both ended 8 ++ says "changed huge (content)"
[ -n "$FULL" ] || exit 0 # 6 GiB of zeros through a pipe take their time
$DESPOOL cat t.pck huge | tail -c $((gib + 12345)) | head -c 65536 >part
tail -c $((gib + 12345)) t/huge | head -c 65536 >want
claim cat_has_it cmp part want
