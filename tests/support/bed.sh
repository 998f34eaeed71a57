# shellcheck shell=bash disable=SC2015
# (A && B || C is meant.)
#
# The test bed: several hosts with real systemd on one machine.
#
# A scenario test sources this file, calls bed_begin and then has the words
# below. A host is a systemd-nspawn container on an overlay over one shared,
# cached Debian root, with a cgroup, a network namespace and a persistent
# journal of its own. Everything that a bed starts is written down under
# $BED_DIR, with pid and start time, so that bed_cleanup (trapped by bed_begin)
# ends exactly that and nothing else, and so that the words also work in
# subshells and in the background. Two tests may run at the same time.
#
#   bed_begin TESTNAME            work directory, hub network, cleanup trap
#   bed_root                      prints the shared root; builds it if need be
#   bed_start NAME CMD...         background helper, ended by bed_cleanup; output in $BED_DIR/run/NAME.log
#   bed_stop NAME [SIGNAL]        ends that helper and waits for it
#   bed_pid NAME                  its pid
#   bed_install_deb HOST DEB...   dpkg -i inside
#   bed_cleanup                   ends it all; runs by itself at exit
#
#   host_create NAME              new host, not booted: write files below $(host_root NAME) first
#   host_boot NAME [NSPAWN-ARG..] starts it (does not wait for its services)
#   host_wait NAME [SECONDS]      until systemd says running or degraded
#   host_up NAME...               create, boot and wait for several at once
#   host_run NAME CMD...          as a transient unit: exit code, stdin, stdout, stderr
#   host_exec NAME CMD...         plainly inside the namespaces: faster, but outside the host's cgroups
#   host_run_as NAME USER CMD...  host_run as another user, without a session
#   host_login_as NAME USER CMD...  the same with a PAM session, as logind and polkit want it
#   host_root NAME                path of its root; not /run and /tmp, those are inside only
#   host_put NAME FILE PATH [MODE]  copies FILE to PATH inside
#   host_journal NAME ARGS...     journalctl from outside, also of a dead host
#   host_is_up NAME               whether its systemd lives
#   host_pid NAME                 pid of its systemd, seen from outside
#   host_pid_of NAME PID          pid outside of what is PID inside
#   host_ip NAME                  10.77.0.N, N counts up from 11 in order of creation
#   host_crash NAME               SIGKILL, as if the plug was pulled (what is in the page cache survives)
#   host_shutdown NAME            orderly, waits
#   host_reboot NAME              orderly, waits until it is up again
#   host_destroy NAME             gone with its files
#   host_partition NAME           cable out
#   host_heal NAME                cable in
#   hub_exec CMD...               in the hub's network namespace, at 10.77.0.1, with the machine's files
#
#   until_true SECONDS CMD...     polls; fails saying what it waited for
#   fail TEXT   skip TEXT   skip_missing THING TEXT   note TEXT
#   assert_eq WANT GOT [WHAT]   assert_contains TEXT PART [WHAT]   assert_fails CMD...
#
# Environment: MUSTER_CACHE, MUSTER_WORK, MUSTER_REQUIRE (comma list of things
# that must not be skipped), MUSTER_KEEP=1 (keep the files of a failed test).
#
# Times on a machine with two cores: root 41 s once, three hosts 1.1 s, host_run 45 ms.

MUSTER_CACHE=${MUSTER_CACHE:-/var/cache/muster-tests}
MUSTER_WORK=${MUSTER_WORK:-/var/tmp/muster-tests}

BED_DIR=
BED_PREFIX=
BED_HUB=

# What every host has. valgrind and the sanitizers' libraries are in it too:
# one root that is good for all costs less than two.
BED_PACKAGES=(
    systemd systemd-sysv dbus polkitd libpam-systemd procps iproute2 util-linux
    libcurl4 libconfuse2 libarchive13 libjansson4 libsqlite3-0 libssl3
    libmicrohttpd12 libzstd1 ca-certificates
    libasan8 libubsan1 valgrind
    curl nginx-light openssh-client openssl jq sqlite3 zstd xz-utils unzip
    iputils-ping strace lsof e2fsprogs
)

# ---- small words ---------------------------------------------------------

note() {
    printf '%(%H:%M:%S)T %s\n' -1 "$*"
}

fail() {
    local i=1

    # Name the line of the test, not that of a word in this file.
    while [ "${BASH_SOURCE[$i]:-}" = "${BASH_SOURCE[0]}" ]; do
        i=$((i + 1))
    done
    printf '%(%H:%M:%S)T FAIL %s:%s: %s\n' -1 "${BASH_SOURCE[$i]:-?}" "${BASH_LINENO[$((i - 1))]:-?}" "$*" >&2
    exit 1
}

skip() {
    printf 'SKIP %s\n' "$*"
    exit 77
}

# skip, unless $MUSTER_REQUIRE says that THING has to be there.
skip_missing() {
    local thing=$1

    shift
    case ",${MUSTER_REQUIRE:-}," in
    *,"$thing",*) fail "$thing is required, but: $*" ;;
    esac
    skip "$*"
}

assert_eq() {
    [ "$1" = "$2" ] || fail "${3:-value}: wanted '$1', got '$2'"
}

assert_contains() {
    case $1 in
    *"$2"*) ;;
    *) fail "${3:-text}: wanted '$2' in '$1'" ;;
    esac
}

assert_fails() {
    if "$@"; then
        fail "succeeded, but should not have: $*"
    fi
}

# The one place that sleeps. Returns 1 at the deadline.
bed_poll() {
    local deadline

    deadline=$(($(date +%s%N) / 1000000 + $1 * 1000))
    shift
    while ! "$@"; do
        [ $(($(date +%s%N) / 1000000)) -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

until_true() {
    local seconds=$1

    shift
    bed_poll "$seconds" "$@" || fail "waited ${seconds} s in vain for: $*"
}

# ---- processes by pid and start time -------------------------------------

# A pid alone may have been given to somebody else since.
bed_proc_id() {
    local stat

    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name in parentheses may hold spaces: count from behind it.
    # shellcheck disable=SC2086
    set -- "$1" ${stat##*) }
    [ "$2" != Z ] || return 1
    printf '%s %s\n' "$1" "${21}"
}

# Whether the process written down in FILE lives.
bed_file_lives() {
    local pid start

    { read -r pid start <"$1"; } 2>/dev/null || return 1
    [ "$(bed_proc_id "$pid")" = "$pid $start" ]
}

bed_file_dead() {
    ! bed_file_lives "$1"
}

bed_file_kill() {
    local pid _

    bed_file_lives "$1" || return 0
    read -r pid _ <"$1"
    kill -s "$2" "$pid" 2>/dev/null || true
}

# For what is started in the background: a lock or a pipe of the test that
# stays open in there would keep others waiting for ever.
bed_close_fds() {
    local fd

    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        if [ "$fd" -gt 2 ] && [ "$fd" -lt 200 ]; then
            eval "exec $fd>&-" 2>/dev/null || true
        fi
    done
}

bed_start() {
    local name=$1 id

    shift
    bed_file_dead "$BED_DIR/run/$name.pid" || fail "helper '$name' runs already"
    (
        trap - EXIT INT TERM
        exec <>/dev/null >>"$BED_DIR/run/$name.log" 2>&1
        bed_close_fds
        exec setsid -- "$@"
    ) &
    disown $!
    # A helper that is through already is no helper that failed.
    if id=$(bed_proc_id $!); then
        printf '%s\n' "$id" >"$BED_DIR/run/$name.pid"
    fi
}

bed_pid() {
    local pid _

    bed_file_lives "$BED_DIR/run/$1.pid" || return 1
    read -r pid _ <"$BED_DIR/run/$1.pid"
    printf '%s\n' "$pid"
}

bed_stop() {
    bed_file_kill "$BED_DIR/run/$1.pid" "${2:-TERM}"
    bed_poll 10 bed_file_dead "$BED_DIR/run/$1.pid" ||
        bed_file_kill "$BED_DIR/run/$1.pid" KILL
    rm -f "$BED_DIR/run/$1.pid"
}

# ---- the root that all hosts share ---------------------------------------

# The machine's own Debian sources, if it has them in a file of their own.
bed_apt_sources() {
    local file

    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        if [ -s "$file" ] && grep -qE '^(URIs:|deb )' "$file"; then
            printf '%s\n' "$file"
            return 0
        fi
    done
}

bed_root_build() {
    local tar=$1 packages sources

    packages=$(IFS=,; printf '%s' "${BED_PACKAGES[*]}")
    mapfile -t sources < <(bed_apt_sources)
    # Documentation is left out while the root is built; the rule is removed
    # again, or packages under test would miss their manual pages.
    # shellcheck disable=SC2016  # $1 is the hook's
    mmdebstrap --quiet --variant=minbase --mode=root --format=tar \
        --include="$packages" \
        --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook='rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id "$1"/etc/hostname "$1"/etc/resolv.conf' \
        --customize-hook='mkdir -p "$1"/var/log/journal "$1"/etc/systemd/journald.conf.d "$1"/etc/systemd/system.conf.d' \
        --customize-hook='printf "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitBurst=0\n" >"$1"/etc/systemd/journald.conf.d/bed.conf' \
        --customize-hook='systemctl --quiet --root="$1" disable nginx.service 2>/dev/null' \
        --customize-hook='systemctl --quiet --root="$1" mask console-getty.service getty.target systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service' \
        --customize-hook='rm -rf "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists && mkdir -p "$1"/var/cache/apt/archives/partial "$1"/var/lib/apt/lists/partial' \
        bookworm "$tar" "${sources[@]}" </dev/null >&2
}

# Prints the unpacked root. The key is a hash of the packages and of the recipe
# above, so a changed recipe makes a new root. It must never be written to: it
# is the lower layer of living overlays.
bed_root() {
    local hash tar dir

    hash=$({ printf '%s\n' "${BED_PACKAGES[@]}"; declare -f bed_root_build; } | sha256sum)
    hash=${hash:0:12}
    tar=$MUSTER_CACHE/root-$hash.tar.zst
    dir=$MUSTER_CACHE/root-$hash

    if [ ! -d "$dir" ]; then
        mkdir -p "$MUSTER_CACHE" || return 1
        (
            flock 9
            [ -d "$dir" ] && exit 0
            if [ ! -s "$tar" ]; then
                note "building the hosts' root $tar (once)" >&2
                rm -f "$MUSTER_CACHE/root-$hash.build".*
                bed_root_build "$MUSTER_CACHE/root-$hash.build.tar.zst" &&
                    mv "$MUSTER_CACHE/root-$hash.build.tar.zst" "$tar" || exit 1
            fi
            rm -rf "$dir.new"
            mkdir "$dir.new" &&
                tar -C "$dir.new" --numeric-owner --xattrs --xattrs-include='*' -I zstd -xf "$tar" &&
                mv "$dir.new" "$dir"
        ) 9>"$MUSTER_CACHE/root.lock" || return 1
    fi
    printf '%s\n' "$dir"
}

# ---- begin and end -------------------------------------------------------

bed_begin() {
    local name=$1

    [ "$(id -u)" -eq 0 ] || fail "the test bed needs root"
    [ -z "$BED_DIR" ] || fail "bed_begin was called before"
    bed_sweep

    mkdir -p "$MUSTER_WORK"
    BED_DIR=$(mktemp -d "$MUSTER_WORK/$name.XXXXXX") || fail "no work directory below $MUSTER_WORK"
    chmod 0755 "$BED_DIR"
    # Short, because it is part of machine and namespace names, and unique
    # while this process lives.
    BED_PREFIX=mt$$
    BED_HUB=$BED_PREFIX-hub
    export BED_DIR BED_PREFIX BED_HUB
    printf '%s\n' "$BED_PREFIX" >"$BED_DIR/prefix"
    bed_proc_id $$ >"$BED_DIR/owner"
    mkdir "$BED_DIR/hosts" "$BED_DIR/run" "$BED_DIR/ip" "$BED_DIR/tmp"

    trap bed_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    ip netns add "$BED_HUB" || fail "no network namespace for the hub"
    ip -n "$BED_HUB" link set lo up
    ip -n "$BED_HUB" link add br0 type bridge
    ip -n "$BED_HUB" addr add 10.77.0.1/24 dev br0
    ip -n "$BED_HUB" link set br0 up
}

bed_exit() {
    local status=$?

    trap - EXIT
    trap '' INT TERM HUP
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        bed_report
    fi
    bed_cleanup "$status"
    exit "$status"
}

# The last words of every host of a failed test.
bed_report() {
    local dir file

    for dir in "$BED_DIR"/hosts/*/; do
        [ -d "$dir" ] || continue
        dir=${dir%/}
        printf -- '--- host %s, journal (end)\n' "${dir##*/}"
        timeout 20 journalctl -q -D "$dir/root/var/log/journal" -o short-precise --no-pager -n 60 2>/dev/null
        if [ -s "$dir/console.log" ]; then
            printf -- '--- host %s, console (end)\n' "${dir##*/}"
            tail -n 15 "$dir/console.log"
        fi
    done
    for file in "$BED_DIR"/run/*.log; do
        [ -s "$file" ] || continue
        printf -- '--- %s (end)\n' "${file##*/}"
        tail -n 30 "$file"
    done
}

# Safe to call twice, and for the bed of a process that was killed.
bed_cleanup() {
    local status=${1:-0} dir file

    [ -n "$BED_DIR" ] && [ -d "$BED_DIR" ] || return 0
    for file in "$BED_DIR"/run/*.pid; do
        [ -e "$file" ] || continue
        file=${file##*/}
        bed_stop "${file%.pid}"
    done
    for dir in "$BED_DIR"/hosts/*/; do
        [ -d "$dir" ] || continue
        dir=${dir%/}
        host_release "${dir##*/}"
    done
    ip netns del "$BED_HUB" 2>/dev/null
    if [ "${MUSTER_KEEP:-}" = 1 ] && [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        rm -f "$BED_DIR/owner"
        echo "kept: $BED_DIR"
    else
        # Never cross into a mount that could not be undone.
        rm -rf --one-file-system "$BED_DIR"
    fi
    BED_DIR=
}

# Removes the beds of test processes that were killed with SIGKILL.
bed_sweep() {
    local owner BED_DIR BED_PREFIX BED_HUB

    for owner in "$MUSTER_WORK"/*/owner; do
        [ -s "$owner" ] || continue
        bed_file_dead "$owner" || continue
        BED_DIR=${owner%/owner}
        BED_PREFIX=$(cat "$BED_DIR/prefix") || continue
        BED_HUB=$BED_PREFIX-hub
        bed_cleanup
    done
}

# ---- hosts ---------------------------------------------------------------

host_dir() {
    [ -d "$BED_DIR/hosts/$1" ] || fail "no host '$1'"
    printf '%s\n' "$BED_DIR/hosts/$1"
}

host_root() {
    printf '%s/root\n' "$(host_dir "$1")"
}

host_ip() {
    cat "$(host_dir "$1")/ip"
}

# The numbers are taken by mkdir, which cannot give one twice.
bed_take_number() {
    local n

    for ((n = 11; n < 250; n++)); do
        if mkdir "$BED_DIR/ip/$n" 2>/dev/null; then
            printf '%s\n' "$n"
            return 0
        fi
    done
    return 1
}

host_create() {
    local name=$1 lower dir ns n id

    [[ $name =~ ^[a-z][a-z0-9-]{0,30}$ ]] || fail "bad host name '$name'"
    [ ! -e "$BED_DIR/hosts/$name" ] || fail "host '$name' exists"
    lower=$(bed_root) || fail "no root for the hosts"
    n=$(bed_take_number) || fail "no address left"

    dir=$BED_DIR/hosts/$name
    ns=$BED_PREFIX-$name
    mkdir -p "$dir/upper" "$dir/work" "$dir/root"
    printf '10.77.0.%s\n' "$n" >"$dir/ip"
    printf 'v%s\n' "$n" >"$dir/veth"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" ||
        fail "cannot mount the root of '$name'"

    id=$(printf '%s' "$dir" | md5sum)
    printf '%s\n' "${id%% *}" >"$dir/root/etc/machine-id"
    printf '%s\n' "$name" >"$dir/root/etc/hostname"
    printf '127.0.0.1 localhost\n10.77.0.%s %s\n10.77.0.1 hub\n' "$n" "$name" >"$dir/root/etc/hosts"

    ip netns add "$ns" &&
        ip -n "$ns" link add eth0 type veth peer name "v$n" netns "$BED_HUB" &&
        ip -n "$BED_HUB" link set "v$n" master br0 up &&
        ip -n "$ns" addr add "10.77.0.$n/24" dev eth0 &&
        ip -n "$ns" link set lo up &&
        ip -n "$ns" link set eth0 up || fail "no network for '$name'"
}

# systemd says "cgroup empty" of a unit only if no other container shares the
# tree: each has its own, in both hierarchies where the machine is hybrid.
host_cgroups() {
    local base

    for base in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
        if [ -e "$base/cgroup.procs" ]; then
            printf '%s\n' "$base/muster-test/$BED_PREFIX-$1"
        fi
    done
    if [ -e /sys/fs/cgroup/cgroup.procs ]; then
        printf '%s\n' "/sys/fs/cgroup/muster-test/$BED_PREFIX-$1"
    fi
}

host_boot() {
    local name=$1 dir cg

    shift
    dir=$(host_dir "$name") || exit 1
    bed_file_dead "$dir/nspawn" || fail "host '$name' runs already"
    rm -f "$dir/leader"
    (
        trap - EXIT INT TERM HUP
        exec </dev/null >>"$dir/console.log" 2>&1
        for cg in $(host_cgroups "$name"); do
            mkdir -p "$cg" && echo "$BASHPID" >"$cg/cgroup.procs" || exit 1
        done
        bed_proc_id "$BASHPID" >"$dir/nspawn"
        bed_close_fds
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        # As on a real host: a unit with a network of its own gets its loopback, and Landlock is there.
        exec setsid -- systemd-nspawn -q -b -D "$dir/root" --settings=no --register=no --keep-unit \
            --console=pipe --machine="$BED_PREFIX-$name" --hostname="$name" \
            --network-namespace-path="/run/netns/$BED_PREFIX-$name" --capability=CAP_NET_ADMIN \
            --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
            --link-journal=no --resolv-conf=off --timezone=off "$@"
    ) &
    disown $!   # its end is no news for the shell
    bed_poll 20 host_find_leader "$name" || {
        tail -n 15 "$dir/console.log" >&2
        fail "host '$name' does not boot"
    }
}

# The leader is the only child of nspawn once that is through with its helpers.
host_find_leader() {
    local dir=$BED_DIR/hosts/$1 pid child comm _

    { read -r pid _ <"$dir/nspawn"; } 2>/dev/null || return 1
    # shellcheck disable=SC2013  # words are meant
    for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
        { read -r comm <"/proc/$child/comm"; } 2>/dev/null || continue
        if [ "$comm" = systemd ]; then
            bed_proc_id "$child" >"$dir/leader"
            return
        fi
    done
    return 1
}

host_is_up() {
    bed_file_lives "$(host_dir "$1")/leader"
}

host_pid() {
    local dir pid _

    dir=$(host_dir "$1") || exit 1
    bed_file_lives "$dir/leader" || fail "host '$1' is down"
    read -r pid _ <"$dir/leader"
    printf '%s\n' "$pid"
}

# From a pid inside to the pid outside, for /proc and kill from the test.
host_pid_of() {
    local dir status ns

    dir=$(host_dir "$1") || exit 1
    ns=$(readlink "/proc/$(host_pid "$1")/ns/pid")
    # shellcheck disable=SC2013  # words are meant
    for status in $(grep -lsE "^NSpid:.*[[:space:]]$2\$" /proc/[0-9]*/status); do
        dir=${status%/status}
        if [ "$(readlink "$dir/ns/pid")" = "$ns" ]; then
            printf '%s\n' "${dir##*/}"
            return 0
        fi
    done
    return 1
}

host_state_is_final() {
    local state

    state=$(host_exec "$1" systemctl is-system-running 2>/dev/null)
    [ "$state" = running ] || [ "$state" = degraded ]
}

host_wait() {
    bed_poll "${2:-60}" host_state_is_final "$1" ||
        fail "host '$1' was not up after ${2:-60} s: $(host_exec "$1" systemctl list-jobs --no-pager 2>&1)"
}

host_up() {
    local name

    for name in "$@"; do
        host_create "$name"
    done
    for name in "$@"; do
        host_boot "$name"
    done
    for name in "$@"; do
        host_wait "$name"
    done
}

host_exec() {
    local pid

    pid=$(host_pid "$1") || return 1
    shift
    nsenter -t "$pid" -a --wdns=/ env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

host_run() {
    local name=$1

    shift
    host_exec "$name" systemd-run -q --wait --pipe -G --service-type=exec -E HOME=/root -E LANG=C.UTF-8 -- "$@"
}

host_run_as() {
    local name=$1 user=$2

    shift 2
    host_exec "$name" systemd-run -q --wait --pipe -G --service-type=exec --uid="$user" -E LANG=C.UTF-8 -- "$@"
}

host_login_as() {
    local name=$1 user=$2

    shift 2
    host_exec "$name" systemd-run -q --wait --pipe -G --service-type=exec --uid="$user" -p PAMName=login -E LANG=C.UTF-8 -- "$@"
}

host_put() {
    install -D -m "${4:-0644}" "$2" "$(host_root "$1")/${3#/}"
}

host_journal() {
    local dir

    dir=$(host_dir "$1") || return 1
    shift
    journalctl -q --no-pager -D "$dir/root/var/log/journal" "$@"
}

host_is_gone() {
    local cg

    bed_file_dead "$BED_DIR/hosts/$1/nspawn" && bed_file_dead "$BED_DIR/hosts/$1/leader" || return 1
    for cg in $(host_cgroups "$1"); do
        if [ -n "$(find "$cg" -name cgroup.procs -exec cat {} + 2>/dev/null)" ]; then
            return 1
        fi
    done
}

# Waits until nothing of the host runs and gives back its cgroups.
host_settle() {
    local cg

    bed_poll "$2" host_is_gone "$1" || return 1
    for cg in $(host_cgroups "$1"); do
        if [ -d "$cg" ]; then
            find "$cg" -depth -type d -exec rmdir {} + 2>/dev/null
        fi
    done
    rm -f "$BED_DIR/hosts/$1/leader" "$BED_DIR/hosts/$1/nspawn"
}

host_crash() {
    local dir

    dir=$(host_dir "$1") || exit 1
    bed_file_lives "$dir/leader" || fail "host '$1' is down already"
    bed_file_kill "$dir/leader" KILL
    host_settle "$1" 20 || fail "host '$1' does not die"
}

host_shutdown() {
    local dir

    dir=$(host_dir "$1") || exit 1
    bed_file_kill "$dir/leader" RTMIN+4
    host_settle "$1" 120 || fail "host '$1' does not shut down"
}

# With --keep-unit nspawn ends at a reboot and leaves starting again to us.
host_reboot() {
    local dir name=$1

    shift
    dir=$(host_dir "$name") || exit 1
    bed_file_lives "$dir/leader" || fail "host '$name' is down"
    bed_file_kill "$dir/leader" RTMIN+5
    host_settle "$name" 120 || fail "host '$name' does not go down to reboot"
    host_boot "$name" "$@"
    host_wait "$name"
}

# Ends and unmounts without a word of protest, for cleaning up.
host_release() {
    local dir=$BED_DIR/hosts/$1 cg pid

    bed_file_kill "$dir/leader" KILL
    bed_file_kill "$dir/nspawn" KILL
    if ! host_settle "$1" 10; then
        for cg in $(host_cgroups "$1"); do
            find "$cg" -name cgroup.procs -exec cat {} + 2>/dev/null |
                while read -r pid; do
                    kill -KILL "$pid" 2>/dev/null
                done
        done
        host_settle "$1" 10 || note "processes of host '$1' survive"
    fi
    ip netns del "$BED_PREFIX-$1" 2>/dev/null
    if mountpoint -q "$dir/root"; then
        bed_poll 5 umount "$dir/root" 2>/dev/null || umount -l "$dir/root"
    fi
    return 0
}

host_destroy() {
    local dir

    dir=$(host_dir "$1") || exit 1
    host_release "$1"
    rm -rf --one-file-system "$dir"
}

host_partition() {
    ip -n "$BED_HUB" link set "$(cat "$(host_dir "$1")/veth")" down
}

host_heal() {
    ip -n "$BED_HUB" link set "$(cat "$(host_dir "$1")/veth")" up
}

hub_exec() {
    ip netns exec "$BED_HUB" "$@"
}

bed_install_deb() {
    local name=$1 root deb names=()

    shift
    root=$(host_root "$name") || exit 1
    mkdir -p "$root/var/tmp/debs"
    for deb in "$@"; do
        cp "$deb" "$root/var/tmp/debs/" || fail "no package '$deb'"
        names+=("/var/tmp/debs/${deb##*/}")
    done
    host_run "$name" env DEBIAN_FRONTEND=noninteractive dpkg -i "${names[@]}" </dev/null ||
        fail "dpkg -i failed on '$name': $*"
}
