#!/usr/bin/env bash
# R24: updates are linearisable per resource. Writers in a process of their own read a version, count one
# up and write with If-Match, sixteen at once on forty resources, while that process is killed again and
# again. Then every history is walked: each acknowledged update is there under its version, no version is
# missing, and each counts one more than the one before it, so none was written over unseen.
#
#   bench/promises/R24.sh                       UPDATES=50000 KILLS=30 SEED=24, on SQLite
#   ENGINE=postgres bench/promises/R24.sh       on a throw-away PostgreSQL
#   BUILD=test bench/promises/R24.sh            the debug build: ready sooner, writes a third as fast
#   bench/promises/R24.sh --negative-control    looks at the version outside the transaction; must end red
set -eu
cd "$(dirname "$0")/../.."
control=""
if [ "${1:-}" = "--negative-control" ]; then
  control=yes
  echo "negative control: the version is looked at before the transaction and not inside it"
fi
if R24_UPDATES="${UPDATES:-50000}" R24_KILLS="${KILLS:-30}" R24_SEED="${SEED:-24}" \
  R24_ENGINE="${ENGINE:-}" R24_NEGATIVE_CONTROL="$control" \
  cargo test --quiet --profile "${BUILD:-release}" -p care-record --lib -- --nocapture --ignored --exact \
  intake::rest::promise::promise_r24_no_update_is_lost; then
  echo "R24 holds"
else
  echo "R24 is broken"
  exit 1
fi
