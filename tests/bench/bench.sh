# shellcheck shell=bash
#
# What the benches share. Sourced first; then there are bed.sh's, muster.sh's
# and real.sh's words, too.
#
#   bench_begin NAME            builds what $MUSTER_BUILD and $MUSTER_DEB_DIR do not give; a bed with a host "h" with muster
#   bench_median < NUMBERS      one a line
#   bench_spread < NUMBERS      "min..max"
#   bench_holds GOT WORD LIMIT  "holds" or "does not hold"; WORD is a comparison of awk, as <=
#   bench_watch PID KEY         from now on, until that process of the host ends
#   bench_watched KEY monotonic|realtime   waits for its end; the microsecond of it
#   bench_machine               a line about the machine and how busy it is
#   release_pad HOST VERSION BYTES   as release_make, but a binary that large
#
# A bench prints its table and ends 0 also where a target does not hold: a clock
# that depends on who else uses the machine must not fail a build.

bench_top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
# shellcheck source=../support/bed.sh
. "$bench_top/tests/support/bed.sh"
# shellcheck source=../support/muster.sh
. "$bench_top/tests/support/muster.sh"
# shellcheck source=../support/real.sh
. "$bench_top/tests/support/real.sh"

bench_begin() {
    if [ -z "${MUSTER_BUILD:-}" ]; then
        export MUSTER_BUILD=$bench_top/build
        [ -e "$MUSTER_BUILD/build.ninja" ] || meson setup "$MUSTER_BUILD" "$bench_top" >/dev/null
        ninja -C "$MUSTER_BUILD" tests/support/devchain/devchain >/dev/null
    fi
    bed_begin "$1"
    if [ -z "${MUSTER_DEB_DIR:-}" ]; then
        export MUSTER_DEB_DIR=$BED_DIR/tmp/deb
        DEB_BUILD_OPTIONS=nocheck "$bench_top/tests/support/build-deb" "$MUSTER_DEB_DIR" >/dev/null
    fi
    bench_host
}

# Its libraries are files of its own, not the shared root's: what other hosts
# map would else be counted as shared, and memory look smaller than it is.
bench_host() {
    host_create h
    find "$(host_root h)"/usr/lib/*-linux-gnu -maxdepth 1 -name '*.so*' -type f -exec touch {} +
    host_boot h
    host_wait h
    bed_install_deb h "$MUSTER_DEB_DIR"/muster_*.deb >"$BED_DIR/tmp/install.log" 2>&1
    until_true 10 host_exec h busctl --quiet status org.muster1 >/dev/null
}

bench_median() {
    sort -g | awk '{ v[NR] = $1 } END {
        if (NR == 0) print "none"
        else if (NR % 2) print v[(NR + 1) / 2]
        else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

bench_spread() {
    sort -g | awk 'NR == 1 { low = $1 } { high = $1 } END { print low ".." high }'
}

bench_holds() {
    awk -v got="$1" -v limit="$3" "BEGIN { print got $2 limit ? \"holds\" : \"does not hold\" }"
}

# A pidfd, because neither systemd nor a supervisor should be asked how fast they are.
# shellcheck disable=SC2016  # nothing of it is for the shell
bench_watcher='import os, select, sys, time
fd = os.pidfd_open(int(sys.argv[1]))
open(sys.argv[2] + ".ready", "w").close()
select.select([fd], [], [])
at = [time.clock_gettime_ns(c) // 1000 for c in (time.CLOCK_MONOTONIC, time.CLOCK_REALTIME)]
with open(sys.argv[2] + ".new", "w") as f:
    f.write("%d %d\n" % tuple(at))
os.rename(sys.argv[2] + ".new", sys.argv[2])'

bench_watch() {
    local file=$BED_DIR/tmp/watch-$2

    rm -f "$file" "$file.ready"
    bench_watch_number=$((${bench_watch_number:-0} + 1))
    bed_start "watch$bench_watch_number" python3 -c "$bench_watcher" "$(host_pid_of h "$1")" "$file"
    until_true 10 test -e "$file.ready"
}

bench_watched() {
    local file=$BED_DIR/tmp/watch-$1 monotonic realtime

    until_true 60 test -e "$file"
    read -r monotonic realtime <"$file"
    case $2 in
    monotonic) echo "$monotonic" ;;
    *) echo "$realtime" ;;
    esac
}

bench_machine() {
    printf '%s, %s cores, kernel %s, %s; load %s\n' \
        "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" "$(uname -r)" \
        "$(systemctl --version | awk 'NR == 1 { print $1 " " $2 }')" "$(cut -d' ' -f1-3 /proc/loadavg)"
}

release_pad() {
    local devchain=$MUSTER_BUILD/tests/support/devchain/devchain padded=$BED_DIR/tmp/padded root

    root=$(host_root "$1")
    [ -e "$padded-$3" ] || { cp "$devchain" "$padded-$3" && head -c "$3" /dev/urandom >>"$padded-$3"; }
    mkdir -p "$root$MUSTER_RELEASES"
    DEVCHAIN=$padded-$3 "$bench_top/tests/support/devchain/make-release" "$root$(release_path "$2")" "$2"
}
