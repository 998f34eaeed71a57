# shellcheck shell=bash
#
# For scenario tests of the plain command muster-restore: on loopback, in a
# directory of their own, without containers and without root.
#
#   restore_begin TOOL..         $work is made, is the working directory, and goes away at the end; $restore is the program
#   until_true SECONDS CMD...    polls; fails after that
#   fail TEXT / note TEXT
#   assert_eq WANT GOT TEXT / assert_contains TEXT PART WHAT
#   start NAME CMD...            in the background, $work/NAME.log, pid in $started; ended with the test
#   free_port                    a port of 127.0.0.1 that nobody listens at
#   bad_mirror NAME PATH [--tls CERTIFICATE KEY]   tests/support/bad-mirror; its address in $address
#   key_of NAME                  NAME, NAME.pub and a line in signers
#   mr ARG...                    muster-restore; $status, $out (stdout), $err (stderr)
#   fetched ARG...               fetch --into got --json: 0; $out is its report
#   refused STATUS ARG...        fetch --into got --json: that status, one error in $error, nothing is left
#   same TREE [DIRECTORY]        the directory (got) is that tree, nothing more, no file of ours in it
#   reported MEMBER              of $out

# shellcheck disable=SC2034  # for who sources it
restore_begin() {
    local tool

    restore=${MUSTER_BUILD:-$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)/build}/supervisor/muster-restore
    support=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
    for tool in python3 jq zstd tar curl ssh-keygen "$@"; do
        type "$tool" >/dev/null 2>&1 || { echo "SKIP: $tool is not there"; exit 77; }
    done
    [ -x "$restore" ] || fail "$restore is not there: build it, or say where with MUSTER_BUILD"
    work=$(mktemp -d /tmp/muster-restore.XXXXXX) || exit 1
    pids=()
    trap restore_end EXIT
    trap 'exit 1' INT TERM HUP
    cd "$work" || exit 1
    namespace=snapshot.v1@muster
}

restore_end() {
    [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
}

fail() {
    printf 'FAIL %s\n' "$*" >&2
    exit 1
}

note() {
    printf -- '- %s\n' "$*"
}

assert_eq() {
    [ "$1" = "$2" ] || fail "${3:-assertion}: expected '$1', got '$2'"
}

assert_contains() {
    case $1 in
    *"$2"*) ;;
    *) fail "${3:-assertion}: expected '$2' in: $1" ;;
    esac
}

until_true() {
    local end=$((SECONDS + $1))

    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $*"
        read -rt 0.05 <> <(:) || true
    done
}

start() {
    local name=$1

    shift
    "$@" >"$work/$name.log" 2>&1 &
    started=$!
    pids+=("$started")
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

bad_mirror() {
    local name=$1 path=$2

    shift 2
    address=127.0.0.1:$(free_port)
    start "$name" "$support/bad-mirror" "$@" "$address" "$path"
    until_true 20 curl -sk -o /dev/null "$([ $# -gt 0 ] && echo https || echo http)://$address/absent/x"
}

key_of() {
    ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$1" && echo "$1 namespaces=\"$namespace\" $(cat "$1.pub")" >>signers
}

mr() {
    "$restore" "$@" >"$work/out" 2>"$work/err"
    status=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
    [ "$status" -lt 128 ] || fail "muster-restore $* ended by signal $((status - 128)): $err"
}

fetched() {
    mr fetch --into got --json --quiet "$@"
    assert_eq 0 "$status" "exit status of fetch $*; $out $err"
    jq -e . <<<"$out" >/dev/null || fail "no JSON: $out"
}

refused() {
    local want=$1

    shift
    mr fetch --into got --json --quiet "$@"
    assert_eq "$want" "$status" "exit status of fetch $*; $out $err"
    error=$(jq -er .error <<<"$out") || fail "no error in: $out"
    assert_eq "$want" "$(jq .exit <<<"$out")" "exit in: $out"
    [ ! -e got ] || assert_eq "" "$(ls -A got)" "what fetch $* left"
}

same() {
    diff -r --no-dereference "$1" "${2:-got}" >"$work/diff" || fail "${2:-got} is not $1: $(head -5 "$work/diff")"
    assert_eq "$(listing "$1")" "$(listing "${2:-got}")" "modes, sizes and times of ${2:-got}"
}

# Times of whole seconds: a plain tar has no others.
listing() {
    (cd "$1" && find . -type f -printf '%P %m %s %T@\n' -o -type d -printf '%P/\n' | sed 's/\.[0-9]*$//' | sort)
}

reported() {
    jq -r ".$1" <<<"$out"
}
