#!/usr/bin/env bash
# P4: rows are safe. At least five people share what the declared columns say, and nothing that names anybody is in any
# file: every name, number, address and phone is searched for in six encodings, Parquet unpacked.
#
#   bench/promises/P4.sh                      PEOPLE=200 SEED=4 are the defaults
#   bench/promises/P4.sh --negative-control   puts an NHS number into a file; must end red
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
control=0
[ "${1:-}" = --negative-control ] && control=1
cd "$root"
export RELEASE_PEOPLE=${PEOPLE:-200} RELEASE_SEED=${SEED:-4}
export RELEASE_NEGATIVE_CONTROL=$control
exec cargo test --quiet -p care-record --lib -- --nocapture --test-threads=1 release::tests::promises::rows
