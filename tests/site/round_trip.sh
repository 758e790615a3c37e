# SPDX-License-Identifier: Apache-2.0
#
# What is packed is what is unpacked: every kind of entry and everything that
# is said of it.  Two witnesses: tests/tools/tree_list and, where it is
# installed, rsync.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

# t: one of each.

need mkdir t t/empty t/dir t/dir/below t/attributes
printf 'plain\n' >t/plain
: >t/nothing
printf 'x%.0s' 1 2 3 4 5 6 7 8 >t/dir/below/small
need tool tree_make data t/large 5300000 1
need tool tree_make odd t/odd
need tool tree_make many t/many "$(full 300 100)" 9000 2
need tool tree_make deep t/deep 45 200
need tool tree_make deep t/levels "$(full 500 150)" 2

for mode in 0000 0400 0644 0755 1644 2755 4755 6711 7777; do
	echo "$mode" >t/dir/mode.$mode
	need chmod $mode t/dir/mode.$mode
done
for mode in 0700 0755 1777 2775 3770 0555; do
	need mkdir t/dir/mode.d$mode
	need chmod $mode t/dir/mode.d$mode
done

ln -s plain t/link
ln -s no/such/place t/dangling
ln -s /etc/passwd t/absolute
ln -s ../../../../../../etc t/upwards
ln -s "$(awk 'BEGIN { for (i = 0; i < 400; i++) printf "long/way/" }')" t/long
ln -s . t/self
ln -s ' spaces	tab -> arrow' t/arrow

echo linked >t/first
ln t/first t/again
ln t/first t/dir/below/elsewhere
ln t/large t/zz-large
ln t/nothing t/dir/nothing-as-well
ln t/arrow t/dir/arrow-as-well

need tool tree_make sparse t/sparse 200000000 0 100000000 199900000
need tool tree_make sparse t/sparse-end 50000000
need tool tree_make sparse t/sparse-start 3000000 2934464

# Times to the nanosecond, before 1970 and behind 2038.

need touch -d '@1234567890.123456789' t/plain
need touch -d '@0' t/nothing
need touch -d '@-86400.000000001' t/first
need touch -d '@4102444800.999999999' t/dir/below/small
need touch -h -d '@987654321.987654321' t/link
need touch -h -d '@1.5' t/dangling
need touch -d '@1111111111.000000007' t/empty

# Owners by name, by number alone, and of the link itself.

if is_root; then
	need chown daemon:mail t/dir/below/small
	need chown 123456:654321 t/empty
	need chown -h 4000000000:12 t/dangling
	need chown 12:4000000000 t/dir/mode.6711
	need chmod 6711 t/dir/mode.6711
	need chown -h daemon t/link
else
	need chmod u+r t/dir/mode.0000
fi

# Attributes, where this file system has them.

echo a >t/attributes/file
need mkdir t/attributes/dir
have_user=
if setfattr -n user.one -v first t/attributes/file 2>err; then
	have_user=1
	need setfattr -n user.DOSATTRIB -v 0x0000040004000000210000000000 \
		t/attributes/file
	need setfattr -n user.empty t/attributes/file
	need setfattr -n user.bytes -v 0x00ff0a2f t/attributes/dir
	head -c 3000 /dev/zero | tr '\0' v >value
	need setfattr -n user.long -v "$(cat value)" t/plain
fi
have_acl=
if setfacl -m u:1234:rw-,g:4321:r-- t/attributes/file 2>err; then
	have_acl=1
	need setfacl -d -m u:1234:rwx,o::--- t/attributes/dir
	need mkdir t/attributes/dir/inherits
fi
have_capability=
if is_root && cp t/plain t/attributes/capable &&
	setcap cap_net_bind_service=ep t/attributes/capable 2>err; then
	have_capability=1
	need chown daemon t/plain
	need setfattr -n trusted.site -v secret t/attributes/dir
fi
need touch -d '@1000000000.000000001' t/dir/below
need touch -d '@1000000001.000000002' t/dir

despool pack t -o t.pck
claim pack_of_everything_succeeds ended 0
despool verify t.pck
claim verify_of_the_image_succeeds ended 0
despool unpack t.pck u
claim unpack_of_everything_succeeds ended 0
claim the_tree_comes_back_as_it_was same_tree t u
despool verify t.pck u
claim verify_finds_no_difference ended 0

# The same said again without the witness, so that it cannot be blind.

stat_is() {
	equal "$(stat -c "$1" "$2")" "$3"
}

claim keeps_permission_bits both \
	stat_is %a u/dir/mode.7777 7777 ++ stat_is %a u/dir/mode.0400 400 ++ \
	stat_is %a u/dir/mode.6711 6711 ++ stat_is %a u/dir/mode.1644 1644 ++ \
	stat_is %a u/dir/mode.d3770 3770 ++ stat_is %a u/dir/mode.d0555 555
claim keeps_file_times_to_the_nanosecond both \
	stat_is %.9Y u/plain 1234567890.123456789 ++ \
	stat_is %.9Y u/dir/below/small 4102444800.999999999
claim keeps_times_before_1970 stat_is %.9Y u/first -86400.000000001
claim keeps_directory_times both \
	stat_is %.9Y u/empty 1111111111.000000007 ++ \
	stat_is %.9Y u/dir 1000000001.000000002 ++ \
	stat_is %.9Y u/dir/below 1000000000.000000001
claim keeps_link_times both stat_is %.9Y u/link 987654321.987654321 ++ \
	stat_is %.9Y u/dangling 1.500000000
claim keeps_links_verbatim both equal "$(readlink u/absolute)" /etc/passwd ++ \
	equal "$(readlink u/upwards)" ../../../../../../etc ++ \
	equal "$(readlink u/arrow)" ' spaces	tab -> arrow' ++ \
	equal "$(readlink u/long)" "$(readlink t/long)"
claim keeps_empty_directories both test -d u/empty ++ \
	equal "$(find u/empty -mindepth 1)" ""
claim keeps_hard_links both stat_is %h u/first 3 ++ \
	test u/first -ef u/again ++ test u/first -ef u/dir/below/elsewhere ++ \
	test u/large -ef u/zz-large ++ test u/nothing -ef u/dir/nothing-as-well
claim keeps_hard_links_of_symbolic_links both test -L u/dir/arrow-as-well ++ \
	equal "$(stat -c %i u/arrow)" "$(stat -c %i u/dir/arrow-as-well)"
claim makes_no_links_of_its_own stat_is %h u/plain 1
claim keeps_every_byte_of_a_large_file cmp t/large u/large
claim keeps_holes both at_most "$(stat -c %b u/sparse)" 1000 ++ \
	at_most "$(stat -c %b u/sparse-end)" 100 ++ \
	at_most "$(stat -c %b u/sparse-start)" 400 ++ \
	stat_is %s u/sparse 200000000 ++ stat_is %s u/sparse-end 50000000 ++ \
	cmp t/sparse-start u/sparse-start
claim keeps_names_of_any_bytes both \
	test -f "u/odd/$(printf '\001')" ++ test -f u/odd/- ++ \
	test -f "u/odd/$(printf '\377')" ++ \
	equal "$(find u/odd -name '*
*' -printf x)" xxx ++ equal "$(find u/odd -type d -printf x | wc -c)" 257
claim keeps_paths_beyond_4096_bytes equal \
	"$(tool tree_list u | grep -c '^f .\{8000,\}/bottom ')" 1

if is_root; then
	claim keeps_owners both \
		stat_is %U:%G u/dir/below/small daemon:mail ++ \
		stat_is %u:%g u/empty 123456:654321 ++ \
		stat_is %u:%g u/dangling 4000000000:12 ++ \
		stat_is %U u/link daemon ++ stat_is %U u/absolute root
else
	skip keeps_owners "$NEEDS_ROOT"
fi
attribute() {
	equal "$(getfattr --only-values -h -n "$2" "$1" 2>&1 | od -An -tx1 | tr -d ' \n')" "$3"
}
if [ -n "$have_user" ]; then
	claim keeps_user_attributes both \
		attribute u/attributes/file user.one 6669727374 ++ \
		attribute u/attributes/file user.empty '' ++ \
		attribute u/attributes/dir user.bytes 00ff0a2f
	claim keeps_dos_attributes attribute u/attributes/file \
		user.DOSATTRIB 0000040004000000210000000000
else
	skip keeps_user_attributes "no attributes on this file system"
fi
if [ -n "$have_acl" ]; then
	claim keeps_access_lists both \
		equal "$(getfacl -cn u/attributes/file)" "$(getfacl -cn t/attributes/file)" ++ \
		equal "$(getfacl -cn u/attributes/dir)" "$(getfacl -cn t/attributes/dir)"
	claim gives_no_file_a_list_that_was_not_packed equal \
		"$(cd u && getfacl -Rcs . 2>/dev/null | grep -c '^user:1234')" \
		"$(cd t && getfacl -Rcs . 2>/dev/null | grep -c '^user:1234')"
else
	skip keeps_access_lists "no access lists on this file system"
fi
if [ -n "$have_capability" ]; then
	claim keeps_capabilities equal "$(getcap -n u/attributes/capable | sed 's/^[^ ]* //')" \
		cap_net_bind_service=ep
	claim keeps_trusted_attributes \
		attribute u/attributes/dir trusted.site 736563726574
else
	skip keeps_capabilities "needs root and a file system with capabilities"
fi
if command -v rsync >/dev/null; then
	claim rsync_finds_no_difference equal "$(rsync -aHAX -n -i --checksum \
		--delete --exclude /deep --exclude /levels t/ u/ 2>&1)" ""
fi

# Into another file system, and with a default list above, which must not
# leak into the tree.

if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	shm=$(mktemp -d /dev/shm/despool-room.XXXXXX)
	at_exit "chmod -R u+rwX '$shm' 2>/dev/null; rm -rf '$shm'"
	setfacl -d -m u:99:rwx "$shm" 2>/dev/null
	despool unpack t.pck "$shm/u"
	claim unpack_to_tmpfs_succeeds ended 0
	claim tmpfs_has_the_same_tree same_tree t "$shm/u"
	despool pack "$shm/u" -o shm.pck
	claim packed_from_there_it_is_the_same_image cmp t.pck shm.pck
else
	skip tmpfs_has_the_same_tree "no /dev/shm to write to"
fi

# Whoever runs it: the caller's umask decides about the image, not the tree.

(umask 077 && $DESPOOL pack t/dir/below -o private.pck -q)
claim umask_applies_to_the_image equal "$(stat -c %a private.pck)" 600
(umask 077 && $DESPOOL unpack t.pck masked -q)
claim umask_does_not_apply_to_the_tree same_tree t masked

# The names of owners count where they are known, else the numbers.

if is_root; then
	need tool image_make owners.pck d= u=4242=daemon f=known=1 \
		u=4242=no-such-user f=unknown=2
	despool unpack owners.pck owners
	claim names_of_owners_count_where_known stat_is %U:%G owners/known daemon:daemon
	claim numbers_of_owners_count_else stat_is %u:%g owners/unknown 4242:4242
else
	skip names_of_owners_count_where_known "$NEEDS_ROOT"
fi
need chmod -R u+rwX t u masked
