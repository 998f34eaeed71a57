# shellcheck shell=bash
#
# Words for scenario tests of restores. Source bed.sh, muster.sh and mirror.sh first.
#
# The node is one validator of four; the others run in the hub and make blocks,
# so what a restored chain lacks is caught up. Each tree of data says in several
# files which generation it is (tests/support/invariants looks at them too).
#
#   chain_begin HOST BASE MS        the three others, ports from BASE on, a block each MS; the chain is chain-HOST
#   chain_node HOST NODE BASE MS [LINE..]  node_define of the fourth; snapshots signed by snapshot_key are trusted
#   snapshot_key                    makes the key, once
#   generation_put DIRECTORY NAME [MEGABYTES]  in a tree of data
#   generation_of DIRECTORY         NAME; fails if a file is not whole or another's
#   snapshot_make HOST NODE NAME WWW [bad] [MEGABYTES]  of the node's data, with generation NAME, signed, in WWW;
#                                   bad: no node starts from it
#   is_tidy STATE-DIRECTORY         for until_true: nothing of a restore is left
#   node_state HOST NODE            path of its state directory outside

chain_begin() {
    local host=$1 base=$2 ms=$3 i j peers

    for i in 0 1 2; do
        peers=(--peer "$(host_ip "$host"):26656")
        for j in 0 1 2; do
            [ $j = $i ] || peers+=(--peer "10.77.0.1:$((base + j))")
        done
        bed_start "peer-$host-$i" ip netns exec "$BED_HUB" "$MUSTER_BUILD/tests/support/devchain/devchain" \
            --data "$BED_DIR/tmp/peer-$host-$i" --rpc "10.77.0.1:$((base + 10 + i))" \
            --p2p "10.77.0.1:$((base + i))" "${peers[@]}" --validators 4 --index $i --chain-id "chain-$host" --block-time "$ms"
    done
}

chain_node() {
    local host=$1 node=$2 base=$3 ms=$4

    shift 4
    host_put "$host" "$BED_DIR/tmp/signers" /etc/muster/snapshot-signers 0644
    host_put "$host" "$BED_DIR/tmp/key" /root/key 0600
    node_define "$host" "$node" 'family = cometbft' "chain_id = \"chain-$host\"" \
        'snapshot { signers = "/etc/muster/snapshot-signers" }' \
        "command = { \"bin/devchain\", \"--data\", \"{data}\", \"--rpc\", \"127.0.0.1:$RPC_PORT\", \"--p2p\", \"$(host_ip "$host"):26656\", \"--peer\", \"10.77.0.1:$base\", \"--peer\", \"10.77.0.1:$((base + 1))\", \"--peer\", \"10.77.0.1:$((base + 2))\", \"--validators\", \"4\", \"--index\", \"3\", \"--chain-id\", \"chain-$host\", \"--block-time\", \"$ms\", \"--witness\", \"/var/lib/muster/nodes/$node/state/witness\" }" \
        "$@"
}

snapshot_key() {
    [ ! -e "$BED_DIR/tmp/key" ] || return 0
    ssh-keygen -q -t ed25519 -N '' -C ops@example -f "$BED_DIR/tmp/key"
    echo "ops@example $(cut -d' ' -f1,2 "$BED_DIR/tmp/key.pub")" >"$BED_DIR/tmp/signers"
}

generation_put() {
    local dir=$1 name=$2 megabytes=${3:-3} files i

    files=$((megabytes > 7 ? megabytes : 7))
    rm -rf "$dir/generation"
    mkdir -p "$dir/generation/deep"
    for ((i = 1; i <= files; i++)); do
        { echo "$name"; head -c $((megabytes * 1000000 / files)) /dev/urandom; } >"$dir/generation/$([ $((i % 3)) -eq 0 ] && echo deep/)$i"
    done
    (cd "$dir/generation" && sha256sum -- [1-9]* deep/* >SUMS)
    chown -R --reference="$dir" "$dir/generation"
}

generation_of() {
    local all

    (cd "$1/generation" && sha256sum --quiet --strict -c SUMS) >&2 || return 1
    all=$(cd "$1/generation" && for file in [1-9]* deep/*; do head -n 1 "$file"; done | sort -u)
    echo "$all"
    [[ $all != *$'\n'* ]]
}

snapshot_make() {
    local host=$1 node=$2 name=$3 www=$4 tree

    tree=$(host_root "$host")/srv/$name
    mkdir -p "$(host_root "$host")/srv/out" "$www"
    cp -r "$(node_data "$host" "$node")" "$tree" || fail "no copy of the data of '$node'"
    rm -rf "$tree/LOCK" "$tree"/.muster-*
    [ "${5:-}" != bad ] || echo 9 >"$tree/data-version"
    generation_put "$tree" "$name" "${6:-3}"
    host_exec "$host" muster-restore create --from "/srv/$name" --output "/srv/out/$name" --sign /root/key \
        --family cometbft --chain "chain-$host" --height "$(node_height "$host" "$node")" \
        >"$BED_DIR/tmp/create-$host-$name.log" 2>&1 || fail "create $name: $(cat "$BED_DIR/tmp/create-$host-$name.log")"
    mv "$(host_root "$host")/srv/out/$name".{tar.zst,manifest} "$www"
    rm -rf "$tree"
}

is_tidy() {
    [ ! -e "$1/incoming" ] && [ ! -e "$1/old" ]
}

node_state() {
    echo "$(host_root "$1")/var/lib/muster/nodes/$2/state"
}
