#!/usr/bin/env bash
# Promise S14: misuse is found and explained; overrides are bound in time and to one person.
#
#   bench/promises/S14.sh [--negative-control]
#
# A week of 100,000 ordinary views with 200 misuses of 8 kinds planted in it goes through a real record's
# log; the watch follows it. Prints recall by kind and overall, precision, and how long a burst on a
# watched record takes to get its case. Bar: 8 of 8 kinds, 95 % of events, 60 s. With --negative-control
# one rule is blinded: it must end red.
set -euo pipefail
cd "$(dirname "$0")/../.."
run() { cargo test --quiet -p care-record --lib -- --nocapture --include-ignored --exact "$@"; }
if [ "${1:-}" = "--negative-control" ]; then
    run reviews::planted::planted_misuse_is_missed_by_a_blinded_watch
    exit
fi
run reviews::planted::planted_misuse_is_found_and_explained
run reviews::planted::planted_burst_is_seen_while_it_happens
echo "Overrides end by themselves, hold for one person, and each opens its case:"
run disclosure::tests::a_look_that_must_be_looked_at_again_opens_one_case_in_its_own_commit \
    disclosure::tests::emergency_access_ends_after_its_minutes_and_holds_for_one_person
