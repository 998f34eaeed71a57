# shellcheck shell=bash
#
# Words for scenario tests that have muster installed on a host of the test
# bed, with the development chain as the node. Source bed.sh first.
#
#   muster_host HOST...             hosts with the built package, up
#   node_define HOST NODE [LINE..]  nodes.d/NODE.conf for the development chain; LINEs are added, or replace its own
#   node_apply HOST NODE            musterctl apply, then musterd has read it
#   release_make HOST VERSION [ARG..]  a release of the development chain on HOST; ARGs go to make-release
#   release_path VERSION            where that is inside the host
#   release_sha256 HOST VERSION
#   node_stage HOST NODE VERSION    stages it and waits
#   node_first HOST NODE VERSION    stage and first upgrade, committed
#   muster HOST ARGS...             musterctl inside, as root
#   muster_ends HOST CODE WORDS ARGS..  musterctl ends with CODE and says WORDS (also kept in $SAID)
#   on_terminal HOST USER OPTION.. -- CMD...  in a login session on a terminal; OPTIONs of support/terminal
#   node_edit HOST NODE SED..       sed -i on nodes.d/NODE.conf, then musterd has read it
#   node_fault HOST NODE [FAULTS]   the development chain's control file; without FAULTS removed
#   node_is HOST NODE FIELD VALUE   for until_true: node_get says VALUE
#   until_verdict HOST NODE VERDICT [WORDS] [SECONDS]  waits for it and WORDS in its reason; fails with what it is
#   node_get HOST NODE FIELD        a field of Node.Describe() (jq path without the dot), "null" if unknown
#   job_state HOST NODE             state of the running job, else of the last one
#   job_is HOST NODE STATE          for until_true
#   node_verdict_is HOST NODE VERDICT   for until_true
#   progress_says HOST NODE TEXT    for until_true: what the running job says of itself
#   job_is_over HOST NODE           for until_true: no upgrade is under way
#   staging_is HOST NODE STATE      for until_true: of a staging under way
#   node_height HOST NODE           as the node's own RPC says; empty if it does not
#   node_rpc_height_above HOST NODE N   for until_true
#   node_pid HOST NODE              MainPID inside
#   node_runs_version HOST NODE     the version that its process was started from; empty if there is none
#   instances_never_overlap HOST NODE   the node's own log shows one instance at a time
#   node_data HOST NODE             path of its data directory outside
#   node_witness HOST NODE          path of its witness directory outside
#   timeline HOST NODE              its events, a line each
#   muster_try HOST ARGS...         musterctl inside; its exit code in $CODE, what it said in $OUT
#   muster_begin HOST KEY ARGS...   the same in the background
#   muster_end KEY                  waits for that one, then $CODE and $OUT
#   gate_put HOST EVENT             a hook of that event that waits at a gate
#   gate_close HOST NODE EVENT      from now on the hook of that node waits
#   gate_open HOST NODE EVENT
#   gate_is_waited_at HOST NODE EVENT   for until_true
#   gate_put_start HOST NODE        a drop-in by which the unit waits at the gate "start" before it comes up
#   node_blocks HOST NODE N         waits until N more blocks are there (a fault is read five times a second)
#   unit_is HOST UNIT STATE         its ActiveState; for until_true
#
# Needs MUSTER_DEB_DIR (the built package) and MUSTER_BUILD (the development chain).

MUSTER_RELEASES=/srv/releases
RPC_PORT=26657

muster_host() {
    local host

    [ -n "${MUSTER_DEB_DIR:-}" ] || fail "MUSTER_DEB_DIR is not set: run this by tests/run"
    host_up "$@"
    for host in "$@"; do
        bed_install_deb "$host" "$MUSTER_DEB_DIR"/muster_*.deb
        until_true 10 host_exec "$host" busctl --quiet status org.muster1 >/dev/null
    done
}

# Probation and every other duration in seconds: a test must not wait for what
# an operator would.
node_define() {
    local host=$1 node=$2 root

    shift 2
    root=$(host_root "$host")
    mkdir -p "$root/etc/muster/nodes.d"
    {
        node_defaults "$node" "$@"
        printf '%s\n' "$@"
    } >"$root/etc/muster/nodes.d/$node.conf"
}

# Without what the lines that follow set themselves.
node_defaults() {
    local node=$1 line keys=

    shift
    for line in "$@"; do
        keys="$keys ${line%%[ ={]*}"
    done
    awk -v keys="$keys" '
        BEGIN { n = split(keys, k, " "); for (i = 1; i <= n; i++) set[k[i]] = 1 }
        skip { if ($0 == "}") skip = 0; next }
        $1 in set { skip = /{$/; next }
        { print }' <<CONF
family = evm
chain_id = "1337"
network = "development"
mode = manual
command = { "bin/devchain", "--data", "{data}", "--rpc", "127.0.0.1:$RPC_PORT", "--chain-id", "1337", "--block-time", "200", "--moniker", "{name}", "--witness", "/var/lib/muster/nodes/$node/state/witness" }
version_command = { "version" }
rpc = "http://127.0.0.1:$RPC_PORT"
user = "validator-$node"
poll = "300ms"
rpc_timeout = "2s"
stall_after = "5s"
drain_timeout = "10s"
hook_timeout = "10s"
backup { policy = none }
stop { patience = "8s" }
limits { nofile = 4096 }
probation {
    start_timeout = "8s"
    duration = "1s"
    timeout = "25s"
    min_blocks = 2
}
CONF
}

node_apply() {
    host_run "$1" musterctl apply "$2"
    host_exec "$1" install -d -o "validator-$2" -g "validator-$2" "/var/lib/muster/nodes/$2/state/witness"
}

release_path() {
    echo "$MUSTER_RELEASES/devchain-$1"
}

release_make() {
    local host=$1 version=$2 root

    shift 2
    root=$(host_root "$host")
    mkdir -p "$root$MUSTER_RELEASES"
    DEVCHAIN=$MUSTER_BUILD/tests/support/devchain/devchain \
        "${BASH_SOURCE[0]%/*}/devchain/make-release" "$root$(release_path "$version")" "$version" "$@"
}

release_sha256() {
    sha256sum "$(host_root "$1")$(release_path "$2")" | cut -d' ' -f1
}

muster() {
    local host=$1

    shift
    host_run "$host" musterctl "$@"
}

# The exit code and the essential words are the contract with runbooks.
muster_ends() {
    local host=$1 code=$2 words=$3 got

    shift 3
    SAID=$(muster "$host" "$@" </dev/null 2>&1) && got=0 || got=$?
    assert_contains "$SAID" "$words" "musterctl $*"
    assert_eq "$code" "$got" "exit code of 'musterctl $*' ($SAID)"
}

# The inner terminal is systemd's, it takes the size of the outer one.
on_terminal() {
    local host=$1 user=$2 options=()

    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    "${BASH_SOURCE[0]%/*}/terminal" "${options[@]}" -- nsenter -t "$(host_pid "$host")" -a --wdns=/ env -i \
        PATH=/usr/sbin:/usr/bin TERM=xterm-256color LANG=C.UTF-8 systemd-run -q --wait --pty -G \
        --service-type=exec --uid="$user" -p PAMName=login -E LANG=C.UTF-8 -E TERM=xterm-256color -- "$@"
}

node_edit() {
    local host=$1 file

    file=$(host_root "$1")/etc/muster/nodes.d/$2.conf
    shift 2
    sed -i "$@" "$file"
    muster "$host" reload
}

node_fault() {
    local data

    data=$(node_data "$1" "$2")
    if [ -n "${3:-}" ]; then
        printf '%s\n' "$3" >"$data/fault.new"
        chmod 0644 "$data/fault.new"
        mv "$data/fault.new" "$data/fault"
    else
        rm -f "$data/fault"
    fi
}

node_is() {
    [ "$(node_get "$1" "$2" "$3")" = "$4" ]
}

verdict_and_reason() {
    host_exec "$1" musterctl show "$2" --json </dev/null | jq -r '.verdict + ": " + .reason'
}

verdict_is() {
    case $(verdict_and_reason "$1" "$2") in
    "$3: "*"$4"*) return 0 ;;
    *) return 1 ;;
    esac
}

until_verdict() {
    bed_poll "${5:-30}" verdict_is "$1" "$2" "$3" "${4:-}" ||
        fail "$2 on $1: waited ${5:-30} s for '$3' with '${4:-}', it is '$(verdict_and_reason "$1" "$2")'"
}

node_stage() {
    muster "$1" stage "$2" "$(release_path "$3")" --version "$3" --sha256 "$(release_sha256 "$1" "$3")"
}

node_first() {
    release_make "$1" "$3"
    node_stage "$1" "$2" "$3"
    muster "$1" upgrade "$2" "$3" --yes
    assert_eq committed "$(job_state "$1" "$2")" "first upgrade"
}

node_get() {
    host_exec "$1" musterctl show "$2" --json </dev/null | jq -r ".$3"
}

job_state() {
    host_exec "$1" musterctl show "$2" --json </dev/null |
        jq -r 'if (.jobs | length) > 0 then .jobs[0].state else .last.state end'
}

job_is() {
    [ "$(job_state "$1" "$2")" = "$3" ]
}

job_is_over() {
    host_exec "$1" musterctl show "$2" --json </dev/null | jq -e '.jobs == []' >/dev/null
}

node_verdict_is() {
    [ "$(node_get "$1" "$2" verdict)" = "$3" ]
}

progress_says() {
    [[ $(node_get "$1" "$2" 'jobs[0].progress') == *"$3"* ]]
}

staging_is() {
    host_exec "$1" musterctl show "$2" --json </dev/null |
        jq -e --arg state "$3" '.jobs[] | select(.kind == "stage" and .state == $state)' >/dev/null
}

node_height() {
    host_exec "$1" curl -sf -m 2 "http://127.0.0.1:$RPC_PORT/status" </dev/null |
        jq -r '.result.sync_info.latest_block_height' 2>/dev/null
}

node_rpc_height_above() {
    local height

    height=$(node_height "$1" "$2")
    [ -n "$height" ] && [ "$height" -gt "$3" ]
}

node_pid() {
    host_exec "$1" systemctl show -P MainPID "validator@$2.service" </dev/null
}

node_runs_version() {
    local pid

    pid=$(node_pid "$1" "$2")
    if [ "$pid" -gt 0 ]; then
        host_exec "$1" readlink "/proc/$pid/exe" </dev/null | sed 's|.*/releases/||; s|/.*||'
    fi
}

node_data() {
    echo "$(host_root "$1")/var/lib/muster/nodes/$2/state/data"
}

node_witness() {
    echo "$(host_root "$1")/var/lib/muster/nodes/$2/state/witness"
}

# A second process finds the data locked by the first.
instances_never_overlap() {
    local log

    log=$(node_witness "$1" "$2")/instances.log
    [ -s "$log" ] || fail "node '$2' left no record of its instances"
    if grep ' refused .*reason=locked' "$log"; then
        fail "node '$2' was started beside itself: $log"
    fi
}

timeline() {
    host_exec "$1" musterctl events "$2" --json -n 1000 </dev/null |
        jq -r '.[] | [(.at_usec / 1000000 | todate), .kind, (.from // "-"), (.to // "-"), .text] | @tsv'
}

muster_try() {
    CODE=0
    OUT=$(muster "$@" 2>&1 </dev/null) || CODE=$?
}

muster_begin() {
    local host=$1 key=$2 file=$BED_DIR/tmp/musterctl-$2

    shift 2
    rm -f "$file".*
    (
        trap - EXIT INT TERM HUP
        bed_close_fds
        code=0
        muster "$host" "$@" </dev/null >"$file.out" 2>&1 || code=$?
        echo "$code" >"$file.new"
        mv "$file.new" "$file.code"
    ) &
    disown $!
}

muster_end() {
    local file=$BED_DIR/tmp/musterctl-$1

    bed_poll "${2:-60}" test -e "$file.code" ||
        fail "'musterctl' ($1) does not end; it said: $(cat "$file.out")"
    CODE=$(cat "$file.code")
    OUT=$(cat "$file.out")
}

# In the hook's own sandbox: it may read /srv and write its state directory.
gate_put() {
    local root

    root=$(host_root "$1")
    mkdir -p "$root/srv/gates" "$root/etc/muster/hooks.d/$2"
    cat >"$root/etc/muster/hooks.d/$2/50-gate" <<'HOOK'
#!/bin/sh
gate=/srv/gates/$MUSTER_NODE.$MUSTER_EVENT
at=/var/lib/muster-hook/at.$MUSTER_NODE.$MUSTER_EVENT
while [ -e "$gate" ]; do
    : >"$at"
    sleep 0.1
done
rm -f "$at"
HOOK
    chmod 0755 "$root/etc/muster/hooks.d/$2/50-gate"
}

gate_close() {
    rm -f "$(host_root "$1")/var/lib/muster-hook/at.$2.$3"
    : >"$(host_root "$1")/srv/gates/$2.$3"
}

gate_open() {
    rm -f "$(host_root "$1")/srv/gates/$2.$3"
}

gate_is_waited_at() {
    [ -e "$(host_root "$1")/var/lib/muster-hook/at.$2.$3" ]
}

gate_put_start() {
    local dir

    dir=$(host_root "$1")/etc/systemd/system/validator@$2.service.d
    mkdir -p "$dir" "$(host_root "$1")/srv/gates"
    cat >"$dir/zz-gate.conf" <<CONF
[Service]
ExecStartPre=/bin/sh -c 'while [ -e /srv/gates/$2.start ]; do sleep 0.1; done'
CONF
    host_exec "$1" systemctl daemon-reload
}

node_blocks() {
    until_true 30 node_rpc_height_above "$1" "$2" $(($(node_height "$1" "$2") + $3 - 1))
}

unit_is() {
    [ "$(host_exec "$1" systemctl show -P ActiveState "$2" </dev/null)" = "$3" ]
}
