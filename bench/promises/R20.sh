#!/usr/bin/env bash
# R20: MESH mail is never lost. The opt-out check's replies lie in the inbox of the sandbox that the
# maker of the MESH API publishes; the process that takes them in is killed between download, store and
# acknowledgement, and by the clock; chunks are damaged on the way. At the end every reply has been taken
# in once, no damaged one was acknowledged, and the alarms ring at 24 h of silence and 72 h of age.
#
#   bench/promises/R20.sh                      MESSAGES=1500 KILLS=100 SEED=20 are the defaults
#   bench/promises/R20.sh --negative-control   acknowledges before the store; must end red
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
python=$root/tools/mesh-sandbox/.venv/bin/python
if [ ! -x "$python" ]; then
  bash "$root/tools/test-tools.sh"
fi
care=${CARE:-${CARGO_TARGET_DIR:-$root/target}/debug/connect-care}
if [ ! -x "$care" ]; then
  cargo build --quiet --manifest-path "$root/Cargo.toml" -p care-web
fi
exec "$python" "$here/r20.py" --care "$care" --messages "${MESSAGES:-1500}" --kills "${KILLS:-100}" --seed "${SEED:-20}" "$@"
