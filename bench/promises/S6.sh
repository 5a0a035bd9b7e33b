#!/usr/bin/env bash
# Promise S6: tampering with the audit log is detected, by two verifiers, from the witness copies alone.
#
#   bench/promises/S6.sh [--negative-control] [--tamperings 1000] [--entries 1000000] [--seed N]
#
# Makes a real log with the demonstration, changes a copy of its database 1,000 times in 10 ways, and
# asks `connect-care audit verify` and docs/audit/verify.py each time. Then measures both on a log of a
# million entries, and the longest proof. With --negative-control the verifiers get no witness copy
# but what the database says of itself: it must end red. CARE names another build of connect-care.
set -euo pipefail
cd "$(dirname "$0")/../.."
care=${CARE:-${CARGO_TARGET_DIR:-target}/debug/connect-care}
[ -n "${CARE:-}" ] || cargo build --quiet -p care-web
exec python3 bench/promises/s6.py --care "$care" "$@"
