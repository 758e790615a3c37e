# SPDX-License-Identifier: Apache-2.0
#
# A destination in a directory where others may write, such as /tmp: what they
# left there under our names is neither used nor trusted.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

if ! is_root; then
	skip others_staging_is_not_used "$NEEDS_ROOT"
	exit 0
fi
need start_user
shared=$USER_ROOM/shared
user mkdir -m 1777 shared
need mkdir s
echo content >s/file
need $DESPOOL pack s -o s.pck -q

# Somebody else's staging directory, open to all.

user mkdir -m 777 shared/.out.despool
user sh -c ': >shared/.out.despool/lock; chmod 666 shared/.out.despool/lock'
despool unpack s.pck "$shared/out"
ours() {
	case $status in
	0) equal "$(stat -c %U "$shared/out")" root && same_tree s "$shared/out" &&
		absent "$shared/.out.despool" ;;
	*) failed .despool && absent "$shared/out" ;;
	esac
}
claim others_staging_is_not_used ours

# It holds a tree of theirs, which must not be published.

rm -rf "$shared/out" "$shared/.out.despool"
user mkdir -m 777 shared/.out.despool shared/.out.despool/tree
user sh -c 'echo planted >shared/.out.despool/tree/planted'
despool unpack s.pck "$shared/out"
claim others_tree_is_not_published absent "$shared/out/planted"

# They hold it while it is written: what they swap in must not be published.

rm -rf "$shared/out" "$shared/.out.despool"
user mkdir -m 777 shared/.out.despool
need tool tree_make data s/data 30000000 1
need $DESPOOL pack s -o large.pck -q
user sh -c 'cat >swap.sh' <<'END'
mkdir shared/mine
echo planted >shared/mine/planted
echo ready
i=0
while [ $i -lt 1000000 ]; do
	i=$((i + 1))
	if [ -d shared/.out.despool/tree ]; then
		mv -T shared/.out.despool/tree shared/.out.despool/real 2>/dev/null &&
			cp -r shared/mine shared/.out.despool/tree 2>/dev/null && exit 0
	fi
done
END
in_background swap user_process sh swap.sh
despool unpack large.pck "$shared/out"
stop_background
claim what_others_swap_into_their_staging_is_not_published absent "$shared/out/planted"

# A lock that somebody else holds keeps us out, but not for ever by accident.

rm -rf "$shared/out" "$shared/.out.despool"
user sh -c 'echo theirs >shared/.x.pck.despool; chmod 666 shared/.x.pck.despool'
despool pack s -o "$shared/x.pck"
image_is_ours() {
	case $status in
	0) equal "$(stat -c %U "$shared/x.pck")" root && $DESPOOL verify "$shared/x.pck" -q ;;
	*) failed && absent "$shared/x.pck" ;;
	esac
}
claim others_temporary_file_is_not_used image_is_ours

# A distribution point that is ours, in which others may write, with a control
# directory that is theirs.

user mkdir -p shared/dp/.despool/staging/LOC00000
user chmod -R 777 shared/dp
chown root:root "$shared/dp"
chmod 1777 "$shared/dp"
despool fanout s "$shared/dp"
dp_is_ours() {
	case $status in
	0) equal "$(stat -c %U "$shared/dp/.despool" "$shared/dp/.despool/staging" | sort -u)" root ;;
	*) failed .despool ;;
	esac
}
claim others_control_directory_is_not_used dp_is_ours
