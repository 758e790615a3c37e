# SPDX-License-Identifier: Apache-2.0
#
# Source and destination inside one another: refused, exit 2, and neither is
# touched.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

need mkdir -p s/dir/below
echo one >s/dir/one
snapshot s s

refused() {
	refused_name=$1
	shift
	despool "$@"
	claim "$refused_name" both ended 2 overlap ++ untouched s s
}
refused an_image_inside_its_source pack s -o s/s.pck
refused deep_inside_it pack s -o s/dir/below/s.pck
refused by_a_way_round pack s -o s/dir/../../s/s.pck
ln -s s/dir by-link
refused through_a_link pack s -o by-link/s.pck
refused with_force pack s -o s/dir/one --force
(cd s && $DESPOOL pack . -o s.pck) >out 2>err
status=$?
despool_last="pack . -o s.pck"
claim from_within_it both ended 2 overlap ++ untouched s s
need $DESPOOL pack s -o s.pck -q
claim beside_it_is_fine test -f s.pck

# unpack --replace of the directory that the image is in would delete it.

make_holder() {
	rm -rf holder
	need mkdir -p holder/inner
	need cp s.pck holder/inner/s.pck
	snapshot holder holder
}
make_holder
despool unpack holder/inner/s.pck holder --replace
claim an_image_inside_the_directory_it_replaces both ended 2 holder ++ untouched holder holder
make_holder
despool unpack holder/inner/s.pck holder/inner --replace
claim right_inside_it both ended 2 holder/inner ++ untouched holder holder
make_holder
despool unpack holder/inner/s.pck holder/new
claim an_image_beside_is_fine ended 0
rm -r holder/new

# The working directory may not be replaced from under a shell either, or is
# whole afterwards.

need mkdir work
echo old >work/old
(cd work && $DESPOOL unpack ../s.pck . --replace) >out 2>err
status=$?
working_directory() {
	case $status in
	0) same_tree s work ;;
	*) equal "$(cat work/old)" old ;;
	esac
}
claim the_working_directory_is_replaced_or_left working_directory
despool unpack s.pck / --replace
claim the_root_is_never_replaced failed
despool unpack s.pck ..
claim the_parent_is_never_replaced failed
claim nothing_is_left nothing_left . s holder
