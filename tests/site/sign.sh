# SPDX-License-Identifier: Apache-2.0
#
# Keys and signatures, end to end, beside minisign: either signs with keys of
# the other and checks signatures of the other; --trust lets in what a listed
# key has signed, and nothing else.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t t/dir
echo one >t/one
ln -s one t/link
need tool tree_make data t/dir/data 300000 1
need command -v minisign

# id_of KEY.pub - the ID of its key; minisign's comment lacks zeros in front.

id_of() {
	printf '%016s' "$(sed -n 's/^untrusted comment: minisign public key //p' "$1")" | tr ' ' 0
}
key_line() {
	sed -n 2p "$1"
}

# Keys.

despool key new ours
claim key_new_makes_a_pair both ended 0 ours.key ours.pub ++ equal "$(wc -c <out)" 0
claim the_secret_key_is_for_its_owner equal "$(stat -c %a ours.key)" 600
claim the_public_key_is_for_everybody equal "$(stat -c %a ours.pub)" 644
cp ours.key before.key
despool key new ours
claim key_new_overwrites_nothing both ended 5 ours.key ++ cmp ours.key before.key
need rm before.key
cp ours.pub lone.pub
despool key new lone
claim nor_one_of_the_two both ended 5 lone.pub ++ absent lone.key ++ cmp ours.pub lone.pub
need rm lone.pub
despool key new absent/ours
claim key_new_needs_the_directory ended 4 absent/ours.key
need mkdir keys
despool key new keys/second --json
claim key_new_speaks_json both ended 0 ++ field_is key key_id "$(id_of keys/second.pub)" ++ \
	field_is key public_key "$(key_line keys/second.pub)" ++ holds keys second.key second.pub
despool key show ours.pub
claim key_show_of_the_public_key_is_its_file both ended 0 ++ cmp out ours.pub
despool key show ours.key
claim key_show_of_the_secret_key_is_the_public_one both ended 0 ++ cmp out ours.pub
despool key show ours.key --json
claim key_show_speaks_json both field_is key kind secret ++ field_is key key_id "$(id_of ours.pub)" ++ \
	not grep -q "$(key_line ours.key)" out
cat ours.pub keys/second.pub >both.pub
despool key show both.pub
claim key_show_of_a_list_shows_all both ended 0 ++ cmp out both.pub
despool key show t/one
claim key_show_of_something_else_is_refused ended 2 t/one "line 1"
despool key frobnicate ours
claim key_takes_new_or_show ended 2 frobnicate

# minisign's keys; and one that it made with a password.

need minisign -G -W -p mini.pub -s mini.key
cat >locked.key <<END
untrusted comment: minisign encrypted secret key
RWRTY0IyKzwC0VZWO8x2BI2WyWDJ4uwZZkXfbuoXOb9vH4SP7U4AAAACAAAAAAAAAEAAAAAAd9eSqTtUppjDr09iLNfgEfiMz1fzInqT9Sqlb14AwzARIubbUwTdehKOD6SYaFz56OhHuDl2eWVexo2CKaCuZll83tIpS3vEJSCpdGuXe4uztBI+ROZHI2guuf7zTeMz0qHqHLtol+I=
END
despool key show mini.key
claim key_show_knows_minisigns_keys equal "$(key_line out)" "$(key_line mini.pub)"
despool key show locked.key
claim a_key_with_a_password_is_refused ended 2 locked.key "password"
need minisign -R -s ours.key -p again.pub
claim minisign_reads_our_secret_key equal "$(key_line again.pub)" "$(key_line ours.pub)"

# Signing: minisign checks it, with keys of either.

need $DESPOOL pack t -o plain.pck -q
for key in ours mini; do
	despool pack t -o $key.pck --sign $key.key --json
	claim "pack_signs_with_${key}_key" both ended 0 ++ field_is signed true ++ \
		field_is key_id "$(id_of $key.pub)"
	need sh -c "$DESPOOL cat --root $key.pck >root"
	need sh -c "$DESPOOL cat --signature $key.pck >root.minisig"
	claim "minisign_verifies_what_${key}_key_signed" minisign -Vm root -p $key.pub
	claim "and_reads_the_trusted_comment_of_$key" equal \
		"$(minisign -QVm root -p $key.pub)" "package LOC00000 version 1"
	claim "minisign_wants_it_prehashed_and_${key}_is" minisign -HVm root -p $key.pub
	claim "another_key_has_not_signed_${key}_image" not minisign -Vm root -p keys/second.pub
	despool pack t -o again.pck --sign $key.key -j 1 -f
	claim "the_same_key_makes_the_same_image_as_$key" cmp $key.pck again.pck
	for other in x86_64 i386; do
		[ $other != "$TARGET" ] && [ -x "$TOP/build/$other/despool" ] &&
			"$TOP/build/$other/despool" key show ours.pub >/dev/null 2>&1 || continue
		need "$TOP/build/$other/despool" pack t -o $other.pck --sign $key.key -q -f
		claim "and_so_does_the_${other}_program_with_$key" cmp $key.pck $other.pck
	done
done
despool cat --root plain.pck
claim a_signature_leaves_the_root_as_it_is cmp out root
despool pack t -o - --sign ours.key
claim an_image_in_a_pipe_is_signed cmp out ours.pck
despool verify ours.pck
claim a_signed_image_verifies ended 0 "$(id_of ours.pub)" "not checked"

# Signatures that minisign made over the root, in both of its formats.

for way in "" -l; do
	need minisign -S $way -s ours.key -m root -x foreign.minisig
	need tool image_sign plain.pck foreign.pck foreign.minisig
	despool verify foreign.pck --trust ours.pub
	claim "a_signature_by_minisign_is_trusted_$way" ended 0 trusted
	despool verify foreign.pck --trust mini.pub
	claim "but_not_by_who_trusts_another_$way" ended 6 "$(id_of ours.pub)"
	despool cat --signature foreign.pck
	claim "and_comes_back_as_it_was_$way" cmp out foreign.minisig
done

# What is said about it.

despool info ours.pck
claim info_says_which_key both ended 0 ++ says "signature   by key $(id_of ours.pub)"
despool info plain.pck
claim info_says_that_there_is_none both ended 0 ++ says "signature   none"
despool info ours.pck --json
claim info_says_so_in_json both field_is image signed true ++ \
	field_is image key_id "$(id_of ours.pub)"
despool info plain.pck --json
claim info_says_none_in_json both field_is image signed false ++ not field image key_id
need tool image_sign plain.pck odd.pck t/one
despool info odd.pck
claim info_says_what_it_cannot_read both ended 0 ++ says "not in minisign's form"
despool verify odd.pck
claim what_is_no_signature_is_no_damage_where_none_is_asked_for ended 0
despool verify odd.pck --trust ours.pub
claim but_where_one_is ended 8 odd.pck
despool cat --signature plain.pck
claim there_is_no_signature_to_write both ended 4 plain.pck ++ equal "$(wc -c <out)" 0
despool cat --signature ours.pck one
claim cat_does_not_take_both ended 2 "cat --signature IMAGE"
despool cat --root --signature ours.pck
claim nor_root_and_signature_at_once ended 2

# Trust: bad.pck has the signature of another version.

need $DESPOOL pack t -o two.pck --version 2 --sign ours.key -q
need sh -c "$DESPOOL cat --signature two.pck >two.minisig"
need tool image_sign plain.pck bad.pck two.minisig

despool verify mini.pck --trust both.pub
claim verify_refuses_another_key ended 6 "$(id_of mini.pub)" "trusted key"
despool verify plain.pck --trust ours.pub
claim verify_refuses_what_is_not_signed ended 6 "no signature"
despool verify bad.pck --trust ours.pub
claim verify_refuses_a_wrong_signature ended 8 "$(id_of ours.pub)"
despool verify ours.pck --trust t/one
claim a_bad_list_is_refused ended 2 t/one
despool verify ours.pck --trust ours.key
claim a_secret_key_is_no_list ended 2 "secret key"
despool verify ours.pck --trust nowhere.pub
claim the_list_must_be_there ended 4 nowhere.pub
despool verify ours.pck --trust ours.pub --json
claim verify_takes_the_right_key both ended 0 ++ field_is key_id "$(id_of ours.pub)"
despool verify mini.pck --trust mini.pub
claim verify_says_that_it_is_trusted ended 0 trusted
cat keys/second.pub mini.pub ours.pub | sed 's/$/\r/' >list
for image in ours mini; do
	despool verify $image.pck --trust list
	claim "any_key_of_a_list_will_do_for_$image" ended 0
done
despool verify ours.pck t --trust ours.pub
claim a_directory_is_verified_with_trust_too ended 0

for image in mini:both.pub:6 plain:ours.pub:6 bad:ours.pub:8 ours:t/one:2; do
	IFS=: read -r file keys code <<-END
		$image
	END
	despool unpack $file.pck out1 --trust $keys
	claim "unpack_refuses_${file}_and_writes_nothing" both ended "$code" ++ absent out1 ++ \
		nothing_left .
	despool fanout $file.pck dp1 dp2 --trust $keys
	claim "fanout_refuses_${file}_and_writes_nothing" both ended "$code" ++ absent dp1 dp2
done
despool unpack ours.pck out1 --trust both.pub
claim unpack_takes_the_right_key both ended 0 ++ same_tree t out1
despool unpack ours.pck out2 --trust mini.pub --dry-run
claim a_dry_run_refuses_as_well ended 6
despool fanout t dp1 --trust ours.pub
claim a_directory_cannot_be_trusted both ended 2 --trust ++ absent dp1
despool fanout ours.pck dp1 dp2 --trust ours.pub
claim fanout_takes_the_right_key both ended 0 ++ same_tree t dp1/LOC00000/current
echo file >dp3
despool fanout ours.pck dp1 dp3 --trust "ours.pub"
claim the_retry_command_has_the_trust ended 3 "--trust ours.pub"

# A distribution point keeps the signature, and can prove what it has.

manifest=dp1/.despool/LOC00000.1.manifest
despool info $manifest --json
claim a_manifest_has_the_signature both field_is image signed true ++ \
	field_is image key_id "$(id_of ours.pub)"
despool cat --signature $manifest
cp out manifest.minisig
despool cat --signature ours.pck
claim it_is_the_very_one cmp out manifest.minisig
despool verify $manifest dp1/LOC00000/1 --trust ours.pub
claim a_distribution_point_is_verified_with_trust ended 0 trusted
despool verify $manifest dp1/LOC00000/1 --trust mini.pub
claim and_refused_by_who_trusts_another ended 6

# Stores and links.

store_of() {
	rm -rf "$1"
	need mkdir "$1"
	need $DESPOOL store init "$1" -q
}
store_of from
for image in ours.pck two.pck; do
	need $DESPOOL push $image from -q
done
store_of to
despool pull from LOC00000@1 --store to --trust mini.pub
claim pull_refuses_another_key both ended 6 "$(id_of ours.pub)" ++ holds to lock staging ++ holds to/staging
despool pull from LOC00000@1 --store to --trust ours.pub
claim pull_takes_the_right_key both ended 0 ++ cmp to/LOC00000.1.pck ours.pck
despool pull from LOC00000@1 --store to --trust mini.pub
claim what_is_here_already_must_be_trusted_too ended 6
despool pull from LOC00000 --store to --trust both.pub
claim a_delta_is_checked_before_it both ended 0 ++ cmp to/LOC00000.2.pck two.pck
despool store ls to --trust ours.pub --json
claim store_ls_checks_all both ended 0 ++ field_is image key_id "$(id_of ours.pub)"
despool store ls to --trust mini.pub
claim store_ls_names_what_is_not_trusted ended 6 to/LOC00000.1.pck to/LOC00000.2.pck
despool store rm to LOC00000@1 --trust ours.pub
claim store_rm_knows_no_trust both ended 2 --trust ++ cmp to/LOC00000.1.pck ours.pck
for case in plain:6 mini:6 bad:8; do
	store_of to
	despool push ${case%:*}.pck "exec:$DESPOOL link to --trust ours.pub"
	claim "a_link_refuses_${case%:*}" both ended ${case#*:} ++ holds to lock staging ++ holds to/staging
done
despool push ours.pck "exec:$DESPOOL link to --trust ours.pub"
claim a_link_takes_the_right_key both ended 0 ++ cmp to/LOC00000.1.pck ours.pck
despool push ours.pck "exec:$DESPOOL link to --trust t/one"
claim a_link_with_a_bad_list_takes_nothing failed

# Distribution points at the far end of a link.  Who publishes checks, and so
# does the far end.

far="exec:$DESPOOL link to --expand far"
store_of to
despool fanout mini.pck dp4 "$far" --trust both.pub
claim fanout_over_links_refuses_another_key both ended 6 "$(id_of mini.pub)" ++ absent dp4 far
despool fanout t dp4 "$far" --version 9 --trust ours.pub
claim fanout_over_links_trusts_no_directory both ended 2 --trust ++ absent dp4 far
despool fanout ours.pck dp4 "$far --trust mini.pub" --trust ours.pub
claim the_far_end_refuses_for_itself both ended 3 ++ same_tree t dp4/LOC00000/current ++ \
	absent far/LOC00000/current
despool fanout ours.pck "$far --trust ours.pub" --trust both.pub
claim and_takes_what_it_trusts both ended 0 ++ same_tree t far/LOC00000/current
despool info far/.despool/LOC00000.1.manifest
claim with_the_signature says "by key $(id_of ours.pub)"
despool fanout ours.pck "$far --trust mini.pub"
claim what_is_published_there_must_be_trusted_too ended 6
despool fanout two.pck "$far --trust ours.pub"
claim an_update_there_is_checked_as_well both ended 0 ++ \
	equal "$(readlink far/LOC00000/current)" 2

# Parcels, deltas in files, and what a store reads again.

need $DESPOOL parcel make from LOC00000@1 -o parcel -q
need $DESPOOL delta ours.pck two.pck -o delta -q
store_of to
despool parcel add parcel to --trust mini.pub
claim a_parcel_of_another_key_is_refused both ended 6 ++ holds to lock staging ++ holds to/staging
despool parcel add parcel to --trust ours.pub
claim a_parcel_of_the_right_key_is_taken both ended 0 ++ cmp to/LOC00000.1.pck ours.pck
despool parcel make from LOC00000@1 -o never --trust ours.pub
claim making_a_parcel_knows_no_trust both ended 2 --trust ++ absent never
despool apply ours.pck delta -o never.pck --trust mini.pub
claim a_delta_of_another_key_is_refused both ended 6 ++ absent never.pck ++ nothing_left .
despool apply ours.pck delta -o applied.pck --trust ours.pub
claim a_delta_of_the_right_key_is_applied both ended 0 ++ cmp applied.pck two.pck
despool store scrub to --trust ours.pub
claim scrub_takes_the_right_key ended 0
despool store scrub to --trust mini.pub
claim scrub_names_what_is_not_trusted ended 6 to/LOC00000.1.pck "$(id_of ours.pub)"

# Keys that cannot sign: nothing is packed.

for key in locked.key:password ours.pub:"no secret key" t/one:"no secret key" nowhere.key:nowhere.key; do
	despool pack t -o never.pck --sign "${key%%:*}"
	claim "pack_does_not_sign_with_$(echo "${key%%:*}" | tr / _)" both failed "${key#*:}" ++ \
		absent never.pck never.pck.seen ++ nothing_left .
done
chmod 640 ours.key
despool pack t -o never.pck --sign ours.key --dry-run
claim a_key_that_others_may_read_is_warned_of both ended 0 "0640" ++ absent never.pck
