# SPDX-License-Identifier: Apache-2.0
#
# Somebody without the key wants his image to be trusted, or somebody else's
# not to be.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir t
echo one >t/one
need tool tree_make data t/data 6000000 1
need $DESPOOL key new owner -q
need $DESPOOL key new thief -q
need $DESPOOL pack t -o good.pck --sign owner.key -q
need sh -c "$DESPOOL cat --signature good.pck >good.minisig"
need tool image_sign good.pck unsigned.pck

refused() {
	despool verify "$2" --trust owner.pub
	claim "$1" ended "$3" "$2"
}

# The owner's signature below another root, which is whole in itself.

echo two >t/one
need $DESPOOL pack t -o other.pck -q
need tool image_sign other.pck forged.pck good.minisig
refused a_signature_of_another_root forged.pck 8
for change in 24:4:2 12:4:4 16:1:0x4d; do
	need tool image_patch unsigned.pck patched.pck root:$change
	need tool image_sign patched.pck forged.pck good.minisig
	refused "a_root_with_$(echo $change | tr : _)_changed" forged.pck 8
done

# Pieces of two signatures, the thief's with the owner's name on it.

need $DESPOOL pack t -o thief.pck --sign thief.key -q
need sh -c "$DESPOOL cat --signature thief.pck >thief.minisig"
refused a_signature_of_his_own thief.pck 6
{ head -n 2 good.minisig; tail -n 2 thief.minisig; } >mixed.minisig
need tool image_sign unsigned.pck forged.pck mixed.minisig
refused the_comment_of_another_signature forged.pck 8
sed '3s/version 1/version 2/' good.minisig >mixed.minisig
need tool image_sign unsigned.pck forged.pck mixed.minisig
refused another_trusted_comment forged.pck 8
bytes_of() {
	sed -n 2p "$1" | base64 -d
}
line=$({ bytes_of good.minisig | head -c 10; bytes_of thief.minisig | tail -c 64; } | base64 -w 0)
{ head -n 1 thief.minisig; echo "$line"; tail -n 2 thief.minisig; } >mixed.minisig
need tool image_sign thief.pck forged.pck mixed.minisig
refused the_owners_id_on_his_own_signature forged.pck 8
cat good.minisig thief.minisig >mixed.minisig
need tool image_sign unsigned.pck forged.pck mixed.minisig
refused two_signatures forged.pck 8
head -c 5000 /dev/zero >huge
need tool image_sign unsigned.pck forged.pck huge
despool info forged.pck
claim a_signature_beyond_the_limit_is_damage ended 8 forged.pck
sed '1s/.*/untrusted comment: \x1b[2J whatever/' good.minisig >mixed.minisig
need tool image_sign unsigned.pck forged.pck mixed.minisig
despool verify forged.pck --trust owner.pub
claim the_untrusted_comment_is_free_and_never_shown both ended 0 ++ \
	equal "$(tr -d '\n -~' <err)" ""

# Over a link.  A peer offers the very image without a signature, or with a
# wrong one, while the good one is half here: what is staged stays.

store_of() {
	rm -rf "$1"
	need mkdir "$1"
	need $DESPOOL store init "$1" -q
}
half() {
	store_of to
	# shellcheck disable=SC2086
	$DESPOOL push "$1" to --rate-limit 1M -q 2>/dev/null &
	pushing=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ -n "$(find to/staging -name image -size +100k)" ] && break
		sleep 0.2
	done
	kill -9 $pushing
	wait $pushing 2>/dev/null
	claim "$2" both absent to/LOC00000.1.pck ++ \
		at_least "$(find to/staging -name image -size +100k | wc -l)" 1
}
need tool image_sign unsigned.pck forged.pck thief.minisig
half good.pck half_of_it_is_here
for image in unsigned forged; do
	despool push $image.pck "exec:$DESPOOL link to --trust owner.pub"
	claim "the_${image}_one_is_refused" both ended 6 ++ absent to/LOC00000.1.pck
	claim "and_leaves_what_is_here_of_the_good_one_by_$image" \
		at_least "$(find to/staging -name image -size +100k | wc -l)" 1
done
despool push good.pck "exec:$DESPOOL link to --trust owner.pub" --json
claim which_goes_on_where_it_stopped both ended 0 ++ cmp to/LOC00000.1.pck good.pck ++ \
	at_most "$(field bytes_plain)" 5950000

# The other way round: what was staged without one gets the good signature.

half forged.pck half_of_the_forged_one_is_here
despool push good.pck "exec:$DESPOOL link to --trust owner.pub"
claim the_good_signature_takes_the_place both ended 0 ++ cmp to/LOC00000.1.pck good.pck
store_of to
need $DESPOOL push forged.pck to -q
despool push good.pck "exec:$DESPOOL link to --trust owner.pub"
claim what_is_here_and_not_trusted_is_not_taken_for_done ended 6
