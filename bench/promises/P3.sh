#!/usr/bin/env bash
# P3: tables are safe. Random tables and pairs of queries: no count of 1 to 7 is shown, and nobody is isolated by
# adding and subtracting what was shown.
#
#   bench/promises/P3.sh                      PAIRS=10000 SEED=24109059 are the defaults
#   bench/promises/P3.sh --negative-control   forgets the earlier table; must end red
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
control=0
[ "${1:-}" = --negative-control ] && control=1
cd "$root"
export RELEASE_PAIRS=${PAIRS:-10000} RELEASE_SEED=${SEED:-24109059}
export RELEASE_NEGATIVE_CONTROL=$control
exec cargo test --quiet -p care-core --test rules -- --nocapture --test-threads=1 release_tables
