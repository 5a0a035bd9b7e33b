#!/usr/bin/env bash
# Promise S5: every read is in the audit log before its first byte leaves.
#
#   bench/promises/S5.sh [--negative-control] [--reads 50000] [--kills 200] [--seed N]
#
# Eight readers read by the API (one item, a search, everything, HEAD, denied, not found) while the
# server is killed at random moments; each answer that began must have an entry with its reference.
# With --negative-control a build is used that answers before it commits: it must end red.
# CARE and BENCH name other builds; NEGATIVE the broken one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
negative=false words=()
for word in "$@"; do
  if [ "$word" = --negative-control ]; then negative=true; else words+=("$word"); fi
done
if $negative; then
  care=${NEGATIVE:-$target/negative-control/connect-care}
  if [ -z "${NEGATIVE:-}" ]; then
    cargo build --quiet -p care-web --features negative-control
    mkdir -p "$(dirname "$care")"
    cp "$target/debug/connect-care" "$care"
    cargo build --quiet -p care-web # the ordinary one stands in its place again
  fi
else
  care=${CARE:-$target/debug/connect-care}
  [ -n "${CARE:-}" ] || cargo build --quiet -p care-web
fi
bench=${BENCH:-$target/debug/care-bench}
[ -n "${BENCH:-}" ] || cargo build --quiet -p care-bench
if "$bench" reads --binary "$care" --directory "$target/bench" "${words[@]}"; then
  echo "S5 green"
else
  echo "S5 RED: an answer left before its entry was durable"
  exit 1
fi
