#!/usr/bin/env bash
# P6: consent changes bite at once. In each round a member of staff has a person's record open, holds a
# page of a longer list with the link to the next, a print form and a token; the person objects online.
# From the moment the choice is sent, API, viewer, paging and print are asked without pause. Printed are
# the times to the first refusal, and how many bytes of the record were given to anybody who asked after
# the choice had been confirmed.
#
#   bench/promises/P6.sh                      ROUNDS=200 SEED=6 are the defaults
#   bench/promises/P6.sh --negative-control   a decision is kept for a visit, as a careless cache would;
#                                             must end red
set -euo pipefail
cd "$(dirname "$0")/../.."
care=${CARE:-${CARGO_TARGET_DIR:-target}/debug/connect-care}
[ -x "$care" ] || cargo build --quiet -p care-web
exec python3 bench/promises/p6.py --care "$care" --rounds "${ROUNDS:-200}" --seed "${SEED:-6}" "$@"
