# SPDX-License-Identifier: Apache-2.0
#
# Links over ssh, to a server of our own on the loopback address.
#
# once

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

move_to_memory

sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || sshd=
if [ -z "$sshd" ] || ! command -v ssh >/dev/null; then
	fail there_is_an_ssh_server "no sshd or ssh (ci/install-deps installs them)"
	exit 1
fi
here=$(pwd)
need ssh-keygen -q -t ed25519 -N '' -f host
need ssh-keygen -q -t ed25519 -N '' -f user
cp user.pub authorized
chmod 600 host user authorized
mkdir -p /run/sshd 2>/dev/null || :
port=$((20000 + $$ % 20000))
cat >sshd_config <<-EOF
	Port $port
	ListenAddress 127.0.0.1
	HostKey $here/host
	AuthorizedKeysFile $here/authorized
	PidFile $here/sshd.pid
	StrictModes no
	PasswordAuthentication no
	UsePAM no
	PermitRootLogin yes
EOF
$sshd -D -e -f "$here/sshd_config" 2>sshd.err &
server=$!
at_exit "kill $server 2>/dev/null"
rsh="ssh -p $port -i $here/user -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=$here/known -o LogLevel=ERROR"
tries=0
until $rsh 127.0.0.1 true 2>/dev/null; do
	tries=$((tries + 1))
	if [ $tries -eq 50 ] || ! kill -0 $server 2>/dev/null; then
		fail the_ssh_server_answers "$(tail -n 3 sshd.err | tr '\n' ' ')"
		exit 1
	fi
	sleep 0.1
done

need mkdir t
need tool tree_make data t/large 3000000 1
need $DESPOOL pack t -o 1.pck -q
printf more >>t/large
need $DESPOOL pack t -o 2.pck --version 2 -q
for store in "a store" b; do
	need $DESPOOL store init "$store" -q
done

despool push 1.pck "127.0.0.1:$here/a store" -e "$rsh" --remote-program "$DESPOOL"
claim push_goes_over_ssh both ended 0 ++ cmp 1.pck "a store/LOC00000.1.pck"
despool push 2.pck --base 1.pck "127.0.0.1:$here/a store" -e "$rsh" --remote-program "$DESPOOL" --json
claim so_does_a_delta both ended 0 ++ cmp 2.pck "a store/LOC00000.2.pck" ++ \
	at_most "$(field summary bytes_sent)" 20000
despool pull "127.0.0.1:$here/a store" LOC00000 --store b -e "$rsh" --remote-program "$DESPOOL"
claim pull_comes_over_ssh both ended 0 ++ cmp 2.pck b/LOC00000.2.pck
despool push 1.pck "127.0.0.1:$here/none" -e "$rsh" --remote-program "$DESPOOL"
claim a_store_that_is_not_there_is_told failed "no store"
despool push 1.pck "127.0.0.1:$here/b" -e "$rsh" --remote-program /no/such/program
claim a_program_that_is_not_there_is_told failed "went away"
despool push 1.pck "127.0.0.1:$here/b" -e "ssh -p 1 -o BatchMode=yes -o ConnectTimeout=2"
claim a_host_that_does_not_answer_is_told failed "went away"
despool push 1.pck -- "-oProxyCommand=touch pwned:/b" -e "$rsh"
claim a_host_is_never_an_option both failed ++ not test -e pwned
