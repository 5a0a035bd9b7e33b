#!/usr/bin/env bash
# Promise S16: guessing and scraping are throttled.
#
#   bench/promises/S16.sh [--negative-control] [--seed N]
#
# Starts the demonstration and attacks it: sign-ins that fail, NHS numbers one after another on the page
# and by the FHIR API. Bar: at most 10 failed sign-ins, at most 100 numbers an hour for each user, and
# a case for the privacy officer within 60 s. With --negative-control the throttles are off: it must end
# red. CARE names another build of connect-care.
set -euo pipefail
cd "$(dirname "$0")/../.."
care=${CARE:-${CARGO_TARGET_DIR:-target}/debug/connect-care}
[ -n "${CARE:-}" ] || cargo build --quiet -p care-web
exec python3 bench/promises/s16.py --care "$care" "$@"
