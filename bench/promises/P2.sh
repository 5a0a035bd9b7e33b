#!/usr/bin/env bash
# P2: pseudonyms cannot be reversed or joined. Keys that are not ours reproduce nobody; one person has one pseudonym
# in a project and unlike ones in two; the key is in no file.
#
#   bench/promises/P2.sh                      PEOPLE=200 TRIES=1000000 are the defaults
#   bench/promises/P2.sh --negative-control   gives two projects one key; must end red
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
control=0
[ "${1:-}" = --negative-control ] && control=1
cd "$root"
export RELEASE_PEOPLE=${PEOPLE:-200} RELEASE_TRIES=${TRIES:-1000000}
export RELEASE_NEGATIVE_CONTROL=$control
exec cargo test --quiet -p care-record --lib -- --nocapture --test-threads=1 release::tests::promises::pseudonyms
