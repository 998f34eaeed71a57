# shellcheck shell=bash
#
# Words for scenario tests that have muster installed on a host of the test
# bed, with the development chain as the node. Source bed.sh first.
#
#   muster_host HOST...             hosts with the built package, up
#   node_define HOST NODE [LINE..]  nodes.d/NODE.conf for the development chain; LINEs are added to it
#   node_apply HOST NODE            musterctl apply, then musterd has read it
#   release_make HOST VERSION [ARG..]  a release of the development chain on HOST; ARGs go to make-release
#   release_path VERSION            where that is inside the host
#   release_sha256 HOST VERSION
#   node_stage HOST NODE VERSION    stages it and waits
#   node_first HOST NODE VERSION    stage and first upgrade, committed
#   muster HOST ARGS...             musterctl inside, as root
#   node_get HOST NODE FIELD        a field of Node.Describe() (jq path without the dot), "null" if unknown
#   job_state HOST NODE             state of the running job, else of the last one
#   job_is HOST NODE STATE          for until_true
#   node_height HOST NODE           as the node's own RPC says; empty if it does not
#   node_rpc_height_above HOST NODE N   for until_true
#   node_pid HOST NODE              MainPID inside
#   instances_never_overlap HOST NODE   the node's own log shows one instance at a time
#   node_data HOST NODE             path of its data directory outside
#   node_witness HOST NODE          path of its witness directory outside
#   timeline HOST NODE              its events, a line each
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
        cat <<CONF
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
        printf '%s\n' "$@"
    } >"$root/etc/muster/nodes.d/$node.conf"
}

node_apply() {
    host_run "$1" musterctl apply "$2"
    mkdir -p "$(host_root "$1")/var/lib/muster/nodes/$2/state/witness"
    host_exec "$1" chown "validator-$2:" "/var/lib/muster/nodes/$2/state/witness"
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

node_data() {
    echo "$(host_root "$1")/var/lib/muster/nodes/$2/state/data"
}

node_witness() {
    echo "$(host_root "$1")/var/lib/muster/nodes/$2/state/witness"
}

timeline() {
    host_exec "$1" musterctl events "$2" --json -n 1000 </dev/null |
        jq -r '.[] | [(.at_usec / 1000000 | todate), .kind, (.from // "-"), (.to // "-"), .text] | @tsv'
}
