#!/usr/bin/env bash
# P1: opted-out people are never in a release. Random timelines: people opt out and back in, object, are merged;
# replies are late, partial, forged or missing; runs are killed. Somebody who knows the truth looks at the
# files. Every released timeline had an answered, fitting check of at most 7 days, or nothing left.
#
#   bench/promises/P1.sh                      TIMELINES=1000 SEED=20261123 are the defaults
#   bench/promises/P1.sh --negative-control   puts somebody back into a file; must end red
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
control=0
[ "${1:-}" = --negative-control ] && control=1
cd "$root"
export RELEASE_TIMELINES=${TIMELINES:-1000} RELEASE_SEED=${SEED:-20261123}
export RELEASE_NEGATIVE_CONTROL=$control
exec cargo test --quiet -p care-record --lib -- --nocapture --test-threads=1 release::tests::timelines
