# shellcheck shell=bash
#
# Words for scenario tests with real nodes. Source bed.sh and muster.sh first.
#
#   real_have THING NAME:VERSION...  $REAL_DIR/NAME-VERSION of each; the test is skipped where one cannot be had
#   real_put HOST NAME VERSION       into the host; prints the path inside
#   real_stage HOST NODE VERSION PATH  stages that file of the host
#   real_upgrade HOST NODE VERSION STATE  upgrade --yes, and it ends so
#   eth_call HOST PORT METHOD [PARAMS]   the "result", compact; fails without one
#   comet_get HOST PORT PATH         the "result" of a CometBFT node
#   verdict_is HOST NODE VERDICT     for until_true
#   real_downtime HOST NODE          of the last job, "0.123 s"

REAL_DIR=$MUSTER_CACHE/nodes

real_have() {
    local thing=$1 each said status

    shift
    for each in "$@"; do
        said=$("${BASH_SOURCE[0]%/*}/nodes" "${each%%:*}" "${each#*:}" 2>&1 </dev/null) && continue
        status=$?
        [ "$status" -eq 3 ] || fail "tests/support/nodes $each ended with $status: $said"
        skip_missing "$thing" "$said"
    done
}

real_put() {
    host_put "$1" "$REAL_DIR/$2-$3" "$MUSTER_RELEASES/$2-$3" 0755
    echo "$MUSTER_RELEASES/$2-$3"
}

real_stage() {
    muster "$1" stage "$2" "$4" --version "$3" --sha256 "$(sha256sum "$(host_root "$1")$4" | cut -d' ' -f1)"
}

real_upgrade() {
    muster "$1" upgrade "$2" "$3" --yes || true
    assert_eq "$4" "$(job_state "$1" "$2")" \
        "how the upgrade of '$2' to $3 ended ($(node_get "$1" "$2" last.reason))"
}

# jq 1.6 calls no input at all a success: curl's failure has to be looked at.
eth_call() {
    local params=${4:-[]} said

    said=$(host_exec "$1" curl -sf -m 5 -H 'content-type: application/json' \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$3\",\"params\":$params}" "http://127.0.0.1:$2" </dev/null) ||
        return 1
    jq -ec 'select(.error == null) | .result' <<<"$said"
}

comet_get() {
    local said

    said=$(host_exec "$1" curl -sf -m 5 "http://127.0.0.1:$2$3" </dev/null) || return 1
    jq -ec .result <<<"$said"
}

verdict_is() {
    [ "$(node_get "$1" "$2" verdict)" = "$3" ]
}

real_downtime() {
    node_get "$1" "$2" last.downtime_usec | jq -r 'if . == null then "unknown" else "\((. / 1000 | round) / 1000) s" end'
}
