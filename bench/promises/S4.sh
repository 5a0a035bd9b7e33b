#!/usr/bin/env bash
# S4: it fails closed. The stores a decision rests on are killed, emptied, corrupted and stalled while people
# read; nothing is shown that health would not show. Then the policy itself: a configuration that is absent,
# empty, corrupt, unsafe or never arrives starts nothing.
#   S4.sh [READS=50000]      --negative-control  takes away the mark that a choice was made: must end red.
set -u
cd "$(dirname "$0")/../.."
control=""
if [ "${1:-}" = "--negative-control" ]; then
  control=yes
  shift
  echo "negative control: the mark that somebody made a choice is taken away with the choice"
fi
echo "no seed: reads go round every reader, person and page"
S4_READS="${1:-50000}" S4_NEGATIVE_CONTROL="$control" \
  cargo test --quiet --package care-record --test record -- --nocapture closed:: 2>&1 | grep -vE '^(running|$)'
status=${PIPESTATUS[0]}

cargo build --quiet --package care-web --bin connect-care || exit 1
program="${CARGO_TARGET_DIR:-target}/debug/connect-care"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
"$program" config example > "$place/safe.toml"
: > "$place/empty.toml"
head -c 400 /dev/urandom > "$place/corrupt.toml"
sed 's/permission = "ask"/permission = "implied"\nobjection = { emergency = "always" }/' "$place/safe.toml" > "$place/unsafe.toml"
head -c 300 "$place/safe.toml" > "$place/cut.toml"
mkfifo "$place/stall.toml"
for fault in absent empty corrupt cut unsafe stall; do
  timeout 3 "$program" serve --config "$place/$fault.toml" >/dev/null 2>"$place/said" &
  served=$!
  sleep 1
  wait "$served"; code=$?
  case "$code" in 0) started=yes; status=1 ;; 124) started="no, it waits" ;; *) started=no ;; esac
  printf 'policy         %-9s started %-14s exit %3s  %s\n' "$fault" "$started" "$code" "$(head -c 90 "$place/said" | tr '\n' ' ')"
done
[ "$status" = 0 ] && echo "S4 holds" || { echo "S4 is broken"; exit 1; }
