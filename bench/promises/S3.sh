#!/usr/bin/env bash
# S3: the policy engine is what it says. Random requests are decided by the rules and by a second reading
# of the access model, written from its text; every disagreement is counted by rule. Then the properties.
#   S3.sh [REQUESTS=1000000] [SEED]      --negative-control  spoils one rule of the second reading: red.
set -u
cd "$(dirname "$0")/../.."
control=""
if [ "${1:-}" = "--negative-control" ]; then
  control=yes
  shift
  echo "negative control: the second reading forgets that nothing overrides a refusal"
fi
requests="${1:-1000000}"
seed="${2:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}"
echo "seed $seed, $requests requests"
S3_REQUESTS="$requests" S3_SEED="$seed" S3_NEGATIVE_CONTROL="$control" \
  cargo test --quiet --package care-core --test rules -- --nocapture --include-ignored \
  access_reference::promise_s3 access_properties:: 2>&1 | grep -vE '^(running|$)'
status=${PIPESTATUS[0]}
[ "$status" = 0 ] && echo "S3 holds" || { echo "S3 is broken"; exit 1; }
