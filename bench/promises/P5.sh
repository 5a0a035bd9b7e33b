#!/usr/bin/env bash
# Promise P5: the person sees every look, within 5 seconds.
#
#   bench/promises/P5.sh [--negative-control] [--events 1000] [--seed N]
#
# Starts the demonstration, lets staff view, print, read by the API, be refused and use emergency access,
# lets an IG lead hold looks back and tell them again, and lets the hospital join records, in random
# order. Beside that a browser of the person reads "Who has looked" all the time. In the end the list
# must equal what is worked out, by other code, from the entries of the audit log; each look must have
# appeared within 5 s, and nothing that is held back may show. With --negative-control the list is read
# through a wrapper that loses the copies taken by systems: it must end red.
# CARE names another build of connect-care.
set -euo pipefail
cd "$(dirname "$0")/../.."
care=${CARE:-${CARGO_TARGET_DIR:-target}/debug/connect-care}
[ -n "${CARE:-}" ] || cargo build --quiet -p care-web
exec python3 bench/promises/p5.py --care "$care" "$@"
