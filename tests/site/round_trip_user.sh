# SPDX-License-Identifier: Apache-2.0
#
# Packing and unpacking as an ordinary user: read-only files and directories,
# owners and attributes that only root may set.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need start_user
user mkdir t t/closed t/closed/inner t/set
user sh -c 'umask 022
	echo one >t/closed/one; echo two >t/closed/inner/two
	echo set >t/set/user; echo group >t/set/group; echo hard >t/set/hard
	ln t/set/hard t/set/hard-too; ln t/set/hard t/closed/hard
	ln -s one t/closed/link
	chmod 4755 t/set/user; chmod 2755 t/set/group; chmod 0400 t/set/hard
	chmod 0111 t/closed/one; chmod 0400 t/closed/one
	chmod 1777 t/set
	setfattr -n user.note -v read-only t/closed/inner/two 2>/dev/null
	chmod 0444 t/closed/inner/two
	touch -h -d @1234567890.000000123 t/closed/link
	chmod 0555 t/closed/inner; chmod 0500 t/closed
	touch -d @1000000000.000000009 t/closed'
T=$USER_ROOM/t

despool_user pack t -o t.pck
claim pack_succeeds ended 0
despool_user unpack t.pck u
claim unpack_succeeds ended 0
claim says_once_that_owners_are_left \
	equal "$(grep -c 'not root.*owners' err)" 1
claim the_tree_comes_back_as_it_was same_tree -o "$T" "$USER_ROOM/u"
claim read_only_directories_come_back both \
	equal "$(stat -c %a "$USER_ROOM/u/closed")" 500 ++ \
	equal "$(stat -c %a "$USER_ROOM/u/closed/inner")" 555
claim set_id_bits_come_back both \
	equal "$(stat -c %a "$USER_ROOM/u/set/user")" 4755 ++ \
	equal "$(stat -c %a "$USER_ROOM/u/set/group")" 2755
despool_user verify t.pck u
claim verify_finds_no_difference ended 0
despool_user verify t.pck u --json
claim verify_says_so_in_json both field_is missing 0 ++ field_is changed 0 ++ field_is extra 0

# Read-only trees can be replaced.

despool_user unpack t.pck u --replace
claim replaces_a_read_only_tree ended 0
claim and_it_is_whole same_tree -o "$T" "$USER_ROOM/u"
claim nothing_is_left nothing_left "$USER_ROOM"

# What one may not read is an error that names it.

user sh -c 'mkdir v; echo secret >v/secret; echo open >v/open; chmod 0 v/secret'
despool_user pack v -o v.pck
claim an_unreadable_file_is_refused ended 6 v/secret
claim and_no_image_is_left absent "$USER_ROOM/v.pck"
user sh -c 'mkdir w w/closed; echo x >w/closed/x; chmod 0 w/closed'
despool_user pack w -o w.pck
claim an_unreadable_directory_is_refused ended 6 w/closed
claim and_no_image_is_left_either both absent "$USER_ROOM/w.pck" ++ \
	nothing_left "$USER_ROOM"
user chmod 700 w/closed

# What root packed, an ordinary user unpacks: without owners, without what
# only root may set, said once each, and it still counts as that version.

if is_root; then
	mkdir s
	for i in 1 2 3; do
		echo $i >s/$i
		setcap cap_net_raw=ep s/$i 2>/dev/null
		chown $i:$i s/$i
	done
	need $DESPOOL pack s -o "$USER_ROOM/s.pck" -q
	need chmod 644 "$USER_ROOM/s.pck"
	despool_user unpack s.pck s
	claim unpacks_what_belongs_to_others ended 0
	claim says_once_that_capabilities_are_left \
		at_most "$(grep -c 'attributes such as' err)" 1
	claim owners_are_the_users_own \
		equal "$(stat -c %u "$USER_ROOM/s/2")" 65534
	despool_user verify s.pck s
	claim verify_leaves_owners_out_as_well_and_says_so ended 0 "owners are not compared"
	despool verify "$USER_ROOM/s.pck" "$USER_ROOM/s"
	claim root_sees_the_wrong_owners both ended 8 ++ says owner
else
	skip unpacks_what_belongs_to_others "$NEEDS_ROOT"
fi
user chmod -R u+rwX t u
