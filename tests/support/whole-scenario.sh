# shellcheck shell=bash
#
# Everything that muster does, once, on one host with one node and two that are
# only watched: for tests that look at how the programs did it (valgrind, the
# sanitizers), not at what came out. Source bed.sh and muster.sh first.
#
#   whole_scenario HOST     begins with an installed muster and ends with a stopped musterd
#
# Durations are long enough for programs that are thirty times slower.

# Whether that is what the job came to; it fails with what musterctl said.
scenario_ends() {
    local host=$1 state=$2

    shift 2
    muster_try "$host" "$@"
    assert_eq "$state" "$(job_state "$host" a)" "musterctl $*: $OUT"
}

scenario_node() {
    node_define "$1" a 'family = cometbft' 'poll = "1s"' 'rpc_timeout = "10s"' 'stall_after = "60s"' \
        'drain_timeout = "30s"' 'hook_timeout = "30s"' 'backup { policy = copy }' 'restart_delay = "1s"' \
        'reference mirror {
    url = "http://127.0.0.1:26657"
    provider = "here"
}' 'probation {
    start_timeout = "60s"
    duration = "2s"
    timeout = "120s"
    min_blocks = 2
    require_references = no
}'
    node_apply "$1" a
}

# A node of family exec, whose probe takes its time, and a unit that is there already.
scenario_watched() {
    local root

    root=$(host_root "$1")
    mkdir -p "$root/etc/muster/probes"
    cat >"$root/etc/muster/probes/x" <<'PROBE'
#!/bin/sh
sleep 3
echo '{"height": 7, "peers": 2, "syncing": false}'
PROBE
    chmod 0755 "$root/etc/muster/probes/x"
    printf '[Service]\nExecStart=/usr/bin/sleep infinity\n' >"$root/etc/systemd/system/other@.service"
    cat >"$root/etc/muster/nodes.d/x.conf" <<'CONF'
family = exec
network = "development"
probe = /etc/muster/probes/x
unit = "other@x.service"
poll = "1s"
rpc_timeout = "20s"
CONF
    cat >"$root/etc/muster/nodes.d/k.conf" <<'CONF'
family = klaytn
chain_id = "1337"
network = "development"
unit = "other@k.service"
rpc = "http://127.0.0.1:26657"
poll = "1s"
rpc_timeout = "10s"
CONF
    host_exec "$1" systemctl daemon-reload
    host_exec "$1" systemctl start other@x.service other@k.service
}

scenario_staging() {
    local host=$1 mirror root version

    root=$(host_root "$host")
    release_make "$host" 1.0.0
    release_make "$host" 1.1.0
    # It must sign nothing: alone, nobody could tell the node the blocks that its data then forgets.
    release_make "$host" 1.2.0 --data-version 2 --fault no-sign --fault crash+5
    release_make "$host" 1.2.1 --fault no-start
    release_make "$host" 1.3.0 --data-version 2
    bed_start mirror ip netns exec "$BED_HUB" "${BASH_SOURCE[0]%/*}/bad-mirror" 10.77.0.1:8080 "$root$(release_path 1.1.0)"
    until_true 10 hub_exec curl -sf -o /dev/null http://10.77.0.1:8080/good
    mirror=http://10.77.0.1:8080
    for version in 1.0.0 1.2.0 1.2.1 1.3.0; do
        node_stage "$host" a $version
    done
    muster "$host" stage a $mirror/error $mirror/cut $mirror/moved --version 1.1.0 --sha256 "$(release_sha256 "$host" 1.1.0)"
    muster_try "$host" stage a $mirror/wrong $mirror/loop --version 9.0.0 --sha256 "$(release_sha256 "$host" 1.1.0)"
    assert_eq 1 "$CODE" "exit code of a staging that must fail: $OUT"
    muster_begin "$host" stage stage a $mirror/slow --version 9.1.0 --sha256 "$(release_sha256 "$host" 1.1.0)"
    until_true 60 staging_is "$host" a fetching
    muster "$host" cancel a --yes
    muster_end stage 120
    mkdir -p "$BED_DIR/tmp/archive/bin"
    cp "$root$(release_path 1.1.0)" "$BED_DIR/tmp/archive/bin/devchain"
    tar -C "$BED_DIR/tmp/archive" --zstd -cf "$root/srv/releases/archive.tar.zst" bin
    muster "$host" stage a /srv/releases/archive.tar.zst --version 1.1.1 \
        --sha256 "$(sha256sum "$root/srv/releases/archive.tar.zst" | cut -d' ' -f1)"
    muster "$host" discard a 1.1.1 --yes
    bed_stop mirror
}

scenario_upgrades() {
    local host=$1 height

    scenario_ends "$host" committed upgrade a 1.0.0 --yes
    scenario_ends "$host" staged upgrade a 1.3.0 --rehearse
    scenario_ends "$host" aborted upgrade a 1.2.1 --rehearse
    scenario_ends "$host" committed upgrade a 1.1.0 --yes --reason "a good one"
    scenario_ends "$host" rolled-back upgrade a 1.2.0 --yes
    muster_begin "$host" armed upgrade a 1.3.0 --at-height 100000000 --wait --yes
    until_true 60 job_is "$host" a armed
    muster_try "$host" upgrade a 1.3.0 --yes
    assert_eq 5 "$CODE" "exit code of a second upgrade: $OUT"
    muster "$host" cancel a --yes
    muster_end armed 120
    # musterd is started anew in the middle of a rollback, and of an upgrade to a height.
    muster_begin "$host" resumed upgrade a 1.2.0 --yes
    until_true 120 job_is "$host" a probation
    host_exec "$host" systemctl restart musterd.service
    muster_end resumed 240
    assert_eq rolled-back "$(job_state "$host" a)" "the upgrade that was resumed: $OUT"
    until_true 60 node_rpc_height_above "$host" a 1
    height=$(($(node_height "$host" a) + 40))
    muster_begin "$host" height upgrade a 1.3.0 --at-height "$height" --wait --yes
    until_true 60 job_is "$host" a armed
    host_exec "$host" systemctl kill -s KILL musterd.service
    muster_end height 240
    assert_eq committed "$(job_state "$host" a)" "the upgrade at a height: $OUT"
    scenario_ends "$host" rolled-back rollback a --yes
}

scenario_operator() {
    local host=$1 root conf

    root=$(host_root "$host")
    conf=$root/etc/muster/nodes.d
    muster "$host" hold a --reason "a look at it" --yes
    muster_try "$host" upgrade a 1.1.0 --yes
    assert_eq 6 "$CODE" "exit code of the upgrade of a held node: $OUT"
    muster "$host" unhold a --yes
    muster "$host" freeze --reason "a test" --yes
    muster "$host" thaw --yes
    for verb in "status" "status a" "list" "show a" "events a -n 50" "config check" "config show a"; do
        # shellcheck disable=SC2086  # words are meant
        muster_try "$host" $verb
        # shellcheck disable=SC2086
        muster_try "$host" $verb --json
    done
    for verb in "" "nonsense" "upgrade" "upgrade nobody 1" "upgrade a 7.7.7 --yes" "stage a /nowhere --version 1 --sha256 x" \
        "events -n -1" "--help" "--version" "cancel a --yes"; do
        # shellcheck disable=SC2086
        muster_try "$host" $verb
    done
    node_edit "$host" a 's/stall_after = "60s"/stall_after = "61s"/'
    muster "$host" apply a
    printf 'family = evm\nnonsense = 1\n' >"$conf/broken.conf"
    assert_fails muster "$host" reload
    assert_fails host_run "$host" systemctl reload musterd.service
    # The probe of a node that is forgotten is still under way.
    until_true 60 unit_is "$host" muster-hook@x.service activating
    rm "$conf/broken.conf" "$conf/x.conf"
    host_run "$host" systemctl reload musterd.service
    until_true 60 unit_is "$host" muster-hook@x.service inactive
}

# With everything that a caller can get wrong.
scenario_bus() {
    local host=$1

    host_exec "$host" busctl --no-pager introspect org.muster1 /org/muster1
    host_exec "$host" busctl --no-pager introspect org.muster1 /org/muster1/node/a
    "${BASH_SOURCE[0]%/*}/bus-client" "/proc/$(host_pid "$host")/root/run/dbus/system_bus_socket" <<'CALLS'
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Describe","repeat":20}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Describe","leave":true}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Upgrade","signature":"s","body":["1.1.0"]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Upgrade","signature":"sa{sv}","body":["../../etc",{}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Upgrade","signature":"sa{sv}","body":["1.1.0",{"trigger":["u",5]}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Upgrade","signature":"sa{sv}","body":["1.1.0",{"trigger":["s","soon"]}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Upgrade","signature":"sa{sv}","body":[{"repeat":100000},{}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Stage","signature":"a{sv}","body":[{}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Stage","signature":"a{sv}","body":[{"version":["d",1.5]}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Stage","signature":"a{sv}","body":[{"version":["s","2"],"sha256":["s","x"],"sources":["as",["/x"]]}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Cancel","signature":"a{sv}","body":[{"reason":["s","nothing is under way"]}]}
{"path":"/org/muster1/node/a","interface":"org.muster1.Node","member":"Hold","signature":"a{sv}","body":[{"command":["s",{"repeat":1000000}]}]}
{"path":"/org/muster1/node/_zz","interface":"org.muster1.Node","member":"Hold","signature":"a{sv}","body":[{}]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"GetNode","signature":"s","body":["../../etc"]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"ListEvents","signature":"stu","body":["",18446744073709551615,4294967295]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"ListEvents","signature":"stu","body":["a",0,4294967295]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"Freeze","signature":"a{ss}","body":[{"nonsense":"x"}]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"Thaw","signature":"a{ss}","body":[{}]}
{"path":"/org/muster1","interface":"org.muster1.Manager","member":"Nonsense"}
{"path":"/org/muster1","interface":"org.freedesktop.DBus.Properties","member":"GetAll","signature":"s","body":["org.muster1.Manager"]}
{"path":"/org/muster1","interface":"org.freedesktop.DBus.Properties","member":"Set","signature":"ssv","body":["org.muster1.Manager","Frozen",["b",1]]}
{"path":"/org/muster1/node/a","interface":"org.freedesktop.DBus.Properties","member":"Get","signature":"ss","body":["org.muster1.Node","Secret"]}
CALLS
    host_run_as "$host" nobody musterctl status || true
    host_run_as "$host" nobody musterctl freeze --reason "none of mine" --yes </dev/null || true
}

whole_scenario() {
    local host=$1

    note "nodes"
    scenario_node "$host" >/dev/null
    scenario_watched "$host"
    muster "$host" reload
    bed_start follow nsenter -t "$(host_pid "$host")" -a --wdns=/ musterctl events -f --json
    note "staging"
    scenario_staging "$host" >/dev/null
    note "upgrades"
    scenario_upgrades "$host" >/dev/null
    note "the operator"
    scenario_operator "$host" >/dev/null 2>&1
    note "the bus"
    scenario_bus "$host" >/dev/null 2>&1
    grep -q '"to": *"committed"' "$BED_DIR/run/follow.log" || fail "'musterctl events -f' saw no upgrade"
    bed_stop follow INT
    host_exec "$host" systemctl restart dbus.service
    until_true 60 host_exec "$host" busctl --quiet status org.muster1 >/dev/null 2>&1
    until_true 60 node_is "$host" a verdict healthy
    note "the end"
    host_exec "$host" systemctl stop musterd.service
    instances_never_overlap "$host" a
}
