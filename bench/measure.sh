# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # bench/run sets what is used here, and uses what is set
#
# measure.sh - how bench/run measures: scratch space, timing, memory, rows.
#
# Sourced by bench/run.  It expects and keeps:
#   $root     the source tree            $build  where the programs are
#   $out      results of this run        $loop_program, $make_tree
#   $ram      scratch on tmpfs           $disk   scratch on a disk
#
# Commands to be timed are strings that bash runs with pipefail; they name
# their files by exported variables ("$SRC"), which keeps them readable in the
# raw results.

mounts=()		# mount points of ours, and the file behind each or ""
mount_files=()
failures=0		# commands that failed and could not be measured

say() {
	printf 'bench: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 2
}

# skip FIGURE REASON...
skip() {
	printf 'SKIP %s: %s\n' "$1" "${*:2}" >&2
}

# ---------------------------------------------------------------- scratch ---

is_root() {
	[ "$(id -u)" = 0 ]
}

# Make $ram and $disk.  Root gets a tmpfs of its own, which may hold any number
# of inodes; anybody else uses the one that is there.
open_scratch() {
	disk=$(mktemp -d "${TMPDIR:-/var/tmp}/despool-bench.XXXXXX")
	if is_root; then
		ram=$disk/ram
		mkdir "$ram"
		mount -t tmpfs -o size=90%,nr_inodes=0 despool-bench "$ram"
		mounts+=("$ram")
		mount_files+=("")
	else
		ram=$(mktemp -d /dev/shm/despool-bench.XXXXXX)
	fi
	raw=$out/raw
	rm -rf "$raw"
	mkdir -p "$raw"
}

# Undo everything open_scratch and mount_loop did, the newest first.
close_scratch() {
	local i

	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		umount "${mounts[i]}" 2>/dev/null || umount -l "${mounts[i]}"
		[ -z "${mount_files[i]}" ] || rm -f "${mount_files[i]}"
	done
	mounts=()
	mount_files=()
	rm -rf "${ram:?}" "${disk:?}"
}

# Mount a new file system of kind $1 and $2 GiB whose blocks lie in a file in
# directory $3; the mount point is $mounted.  On tmpfs the file gets its memory
# now, or the first to write a block would pay for it.
mount_loop() {
	local file=$3/$1.img device

	mounted=$disk/$1
	if [ "$3" = "$ram" ]; then
		fallocate -l "$2G" "$file"
	else
		truncate -s "$2G" "$file"
	fi
	case $1 in
	# Without lazy_*, or the kernel would go on writing inode tables.
	ext4) mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$file" ;;
	xfs) mkfs.xfs -q -K "$file" ;;
	btrfs) mkfs.btrfs -q -K "$file" >/dev/null ;;
	esac
	# Direct, or every block would be cached twice.  Detached at once, the device
	# goes when the mount goes.
	device=$(losetup --find --show --direct-io=on "$file")
	mkdir -p "$mounted"
	mount "$device" "$mounted"
	losetup --detach "$device"
	mounts+=("$mounted")
	mount_files+=("$file")
}

# Unmount what mount_loop mounted last.
unmount_loop() {
	local last=$((${#mounts[@]} - 1))

	umount "${mounts[last]}"
	rm -f "${mount_files[last]}"
	unset "mounts[last]" "mount_files[last]"
}

# True when $2 GiB of memory are to be had; else say that figure $1 is skipped.
need_ram() {
	local available

	available=$(awk '$1 == "MemAvailable:" { printf "%d", $2 / 1048576 }' /proc/meminfo)
	if [ "$available" -lt "$2" ]; then
		skip "$1" "needs $2 GiB of memory, $available GiB are available"
		return 1
	fi
}

# need_root FIGURE: true for root; else say why it is skipped.
need_root() {
	is_root || {
		skip "$1" "only root can mount loop devices"
		return 1
	}
}

# ---------------------------------------------------------------- corpora ---

# Directory of version $2 of corpus $1.
tree_of() {
	printf '%s/%s/%s' "$corpora" "$1" "$2"
}

# Bytes in the files of version $2 of corpus $1.
bytes_of() {
	awk '{ print $4 }' "$corpora/$1/$2.info"
}

# Bring the tree $1 into the page cache.
warm() {
	find "$1" -type f -exec cat {} + >/dev/null
}

# Path of corpus $1, version $2, as image; packed when first asked for.
image_of() {
	local image=$ram/images/$1.$2.pck

	if [ ! -e "$image" ]; then
		mkdir -p "$ram/images"
		"$despool" pack --quiet --version "$2" "$(tree_of "$1" "$2")" -o "$image" >&2 || return 1
	fi
	printf '%s' "$image"
}

# Path of corpus $1, version $2, as tar.zst, the way peers would keep it.
tarball_of() {
	local tarball=$ram/images/$1.$2.tar.zst

	if [ ! -e "$tarball" ]; then
		mkdir -p "$ram/images"
		tar --sort=name -C "$(tree_of "$1" "$2")" -cf - . | zstd -3 -q -o "$tarball"
	fi
	printf '%s' "$tarball"
}

# ---------------------------------------------------------------- targets ---

# What runs a program of target $1: nothing, or an emulator.
runner_of() {
	case $1 in
	i386-qemu) echo qemu-i386 -cpu pentium ;;
	alpha) echo qemu-alpha ;;
	esac
}

# Program $2 of target $1.
program_of() {
	printf '%s/%s/%s' "$build" "${1%-qemu}" "$2"
}

# need_program FIGURE TARGET PROGRAM: true when it runs; else say so.
need_program() {
	# shellcheck disable=SC2046 # an empty runner is no word
	if ! $(runner_of "$2") "$(program_of "$2" "$3")" --version >/dev/null 2>&1; then
		skip "$1" "no $3 for $2 (make TARGET=${2%-qemu})"
		return 1
	fi
}

# "--jobs $2" if command $1 of despool takes it.
jobs_option() {
	if "$despool" "$1" --help 2>&1 | grep -q -e --jobs; then
		echo --jobs "$2"
	fi
}

# ----------------------------------------------------------------- timing ---

# measure KEY RUNS { LABEL PREPARE COMMAND }...
#
# Time the commands with hyperfine and keep $raw/KEY.json.  One run of each, in
# turn, RUNS times over: whatever else the machine does then hits all of them
# alike.  PREPARE runs before each command, outside its time; "" is nothing.
# Returns 1, having said why, when a command fails.
measure() {
	local key=$1 runs=$2 args=() round
	local errors=$raw/$key.stderr

	shift 2
	while (($#)); do
		args+=(--command-name "$1" --prepare "${2:-true}" "{ $3; } 2>>'$errors'")
		shift 3
	done

	say "$key"
	: >"$errors"
	for ((round = 1; round <= runs; round++)); do
		if ! hyperfine --style none --runs 1 --shell 'bash -o pipefail' \
			--export-json "$raw/$key.$round" "${args[@]}" >"$raw/log" 2>&1; then
			failures=$((failures + 1))
			say "FAILED $key: $(tail -n 3 "$errors" "$raw/log" | grep . | tr '\n' ' ')"
			return 1
		fi
	done

	jq -s '{results: (map(.results[]) | group_by(.command) | map({
			command: .[0].command,
			times: map(.times[]),
			median: (map(.times[]) | sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2)
		}))}' "$raw/$key".[0-9]* >"$raw/$key.json"
	rm -f "$raw/$key".[0-9]* "$raw/log"
	[ -s "$errors" ] || rm -f "$errors"
}

# median KEY LABEL: seconds.
median() {
	jq -r --arg name "$2" '.results[] | select(.command == $name) | .median' "$raw/$1.json"
}

# fastest KEY LABEL...: the smallest of their medians.
fastest() {
	local key=$1 label

	shift
	for label; do
		median "$key" "$label"
	done | sort -g | head -n 1
}

# peers KEY LABEL...: "cp -a 0.35 s, rsync -a 0.92 s" for the table.
peers() {
	local key=$1 label text=

	shift
	for label; do
		text+="${text:+, }$label $(printf '%.3g s' "$(median "$key" "$label")")"
	done
	printf '%s' "$text"
}

# ----------------------------------------------------------------- memory ---

# peak COMMAND...: its peak memory in KiB, in $peak_kib.  Where the program
# tells its own (--json, peak_rss_bytes), the two must agree within 10 % or
# 1 MiB; the larger counts.  Returns 1 when the command fails.
peak() {
	local own

	peak_kib=
	if ! /usr/bin/time -f %M -o "$raw/peak" "$@" >"$raw/peak.out" 2>&1; then
		failures=$((failures + 1))
		say "FAILED $(printf '%.100s' "$*"): $(grep -v '"summary"' "$raw/peak.out" | tail -n 1)"
		return 1
	fi
	peak_kib=$(tail -n 1 "$raw/peak")
	own=$(grep '^{' "$raw/peak.out" | tail -n 1 |
		jq -r '.peak_rss_bytes // empty' 2>/dev/null || true)
	if [ -n "$own" ]; then
		own=$((own / 1024))
		if ((own > peak_kib * 11 / 10 + 1024 || own < peak_kib * 9 / 10 - 1024)); then
			say "peak memory differs: $own KiB by its own account, $peak_kib KiB by time(1): $*"
		fi
		((own <= peak_kib)) || peak_kib=$own
	fi
}

# ------------------------------------------------------------------- rows ---

# row FIGURE CORPUS TARGET DPS VALUE UNIT YARDSTICK GOAL PEERS
#
# One line of the result of $group.  The ratio is VALUE / YARDSTICK and is good up to
# GOAL; with YARDSTICK - there is nothing to reach.  A number of DPs that means
# nothing is -.
row() {
	awk -v OFS='\t' -v figure="$1" -v corpus="$2" -v target="$3" -v dps="$4" \
		-v value="$5" -v unit="$6" -v yardstick="$7" -v goal="$8" -v peers="$9" -v group="$group" 'BEGIN {
			ratio = goal_text = verdict = "-"
			if (yardstick != "-") {
				ratio = sprintf("%.3f", value / yardstick)
				goal_text = goal
				verdict = ratio + 0 <= goal + 0 ? "ok" : "MISS"
			}
			print figure, corpus, target, dps, sprintf("%.6g", value), unit, ratio, goal_text, verdict, peers, group
		}' >>"$out/rows.tsv"
}

# Print the rows as a table, in columns for a terminal or as Markdown.
table() {
	awk -F '\t' -v markdown="$1" '
		function number(value) {
			return value >= 1000 ? sprintf("%.0f", value) : sprintf("%.3g", value)
		}
		function line(mark,   i, text) {
			for (i = 1; i <= 8; i++) {
				if (markdown) {
					gsub(/[|]/, "\\\\|", cell[i])
					text = text "| " cell[i] " "
				}
				else
					text = text sprintf("%-" width[i] "s  ", cell[i])
			}
			print text (markdown ? "|" : "")
		}
		function set(a, b, c, d, e, f, g, h) {
			cell[1] = a; cell[2] = b; cell[3] = c; cell[4] = d
			cell[5] = e; cell[6] = f; cell[7] = g; cell[8] = h
		}
		function cells(i) {
			split(rows[i], f, FS)
			set(f[1], f[2] (f[4] == "-" ? "" : " x " f[4]), f[3],
			    number(f[5]) " " f[6], f[7], f[8] == "-" ? "-" : "<= " f[8], f[9], f[10])
		}
		{ rows[NR] = $0 }
		END {
			set("figure", "corpus", "target", "Despool", "ratio", "goal", "verdict", "measured beside it")
			for (i = 1; i <= 8; i++)
				width[i] = length(cell[i])
			for (n = 1; n <= NR; n++) {
				cells(n)
				for (i = 1; i < 8; i++)
					if (length(cell[i]) > width[i])
						width[i] = length(cell[i])
			}
			width[8] = 1
			set("figure", "corpus", "target", "Despool", "ratio", "goal", "verdict", "measured beside it")
			line()
			if (markdown)
				print "|---|---|---|---|---|---|---|---|"
			for (n = 1; n <= NR; n++) {
				cells(n)
				line()
			}
		}' "$out/rows.tsv"
}

# ---------------------------------------------------------------- history ---

history_header=date,commit,cpu,figure,corpus,target,dps,value,unit,ratio,goal

# Rows of this run that are 15 % worse than the median of the last three that
# history $1 has of the same figure; prints one line each, "GROUP: what".  A change below 0.02
# is noise, whatever it is in per cent.  Where the yardstick is a clock and not
# a peer in the same run, only the same kind of CPU is compared.
regressions() {
	[ -e "$1" ] || return 0
	awk -F '\t' -v cpu="$cpu" -v history="$1" '
		function median(list,   n, a, i, j, swap) {
			n = split(list, a, " ")
			for (i = (n > 3 ? n - 2 : 1); i <= n; i++)
				last[i - (n > 3 ? n - 3 : 0)] = a[i] + 0
			if (n > 3)
				n = 3
			for (i = 1; i < n; i++)
				for (j = i + 1; j <= n; j++)
					if (last[j] < last[i]) {
						swap = last[i]; last[i] = last[j]; last[j] = swap
					}
			return (last[int((n + 1) / 2)] + last[int(n / 2) + 1]) / 2
		}
		BEGIN {
			while ((getline entry < history) > 0) {
				split(entry, h, ",")
				if (h[10] == "" || h[10] == "ratio")
					continue
				key = h[4] "\t" h[5] "\t" h[6] "\t" h[7]
				if (h[9] ~ /^s/ && h[4] ~ /^(unchanged|pack-base)/ && h[3] != cpu)
					continue
				past[key] = past[key] " " h[10]
			}
		}
		$7 != "-" {
			key = $1 "\t" $2 "\t" $3 "\t" ($4 == "-" ? "" : $4)
			if (!(key in past))
				next
			before = median(past[key])
			if ($7 > before * 1.15 && $7 > before + 0.02)
				printf "%s: %s, %s, %s: ratio %s, was %.3f\n", $11, $1, $2, $3, $7, before
		}' "$out/rows.tsv"
}

# Append the rows of this run to history $1.
append_history() {
	[ -s "$1" ] || echo "$history_header" >"$1"
	awk -F '\t' -v OFS=, -v date="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v commit="$commit" -v cpu="$cpu" '
		function bare(text) { return text == "-" ? "" : text }
		{ print date, commit, cpu, $1, $2, $3, bare($4), $5, $6, bare($7), bare($8) }
	' "$out/rows.tsv" >>"$1"
}
