#!/usr/bin/env bash
# Promise S1: nothing hidden influences anything shown.
#
#   bench/promises/S1.sh [--negative-control] [--requests 100000] [--seed N] [--askers feed-gp,patient]
#
# Two worlds, on SQLite and then on PostgreSQL: a record in which much is hidden from the asker, and its
# byte copy from which all of that was erased. Random requests over every feature of search go to both;
# status, body, order, count and headers must be the same. With --negative-control a build is used that
# lists first and filters after, in a world that the ordinary one made: it must end red. CARE and BENCH name other builds; NEGATIVE the broken
# one; ENGINES the engines.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
negative=false words=()
for word in "$@"; do
  if [ "$word" = --negative-control ]; then negative=true; else words+=("$word"); fi
done
if $negative; then
  broken=${NEGATIVE:-$target/negative-control/connect-care}
  if [ -z "${NEGATIVE:-}" ]; then
    cargo build --quiet -p care-web --features negative-control
    mkdir -p "$(dirname "$broken")"
    cp "$target/debug/connect-care" "$broken"
  fi
  words+=(--judged "$broken")
  case " ${words[*]} " in *" --requests "*) ;; *) words+=(--requests 5000) ;; esac
fi
care=${CARE:-$target/debug/connect-care}
[ -n "${CARE:-}" ] || cargo build --quiet -p care-web # the ordinary one stands in its place again
bench=${BENCH:-$target/debug/care-bench}
[ -n "${BENCH:-}" ] || cargo build --quiet -p care-bench
case " ${words[*]:-} " in *" --seed "*) ;; *) words+=(--seed "$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')") ;; esac
red=""
for engine in ${ENGINES:-sqlite postgres}; do
  "$bench" twin --binary "$care" --directory "$target/bench" --engine "$engine" "${words[@]}" || red="$red $engine"
done
[ -z "$red" ] && echo "S1 green" || { echo "S1 RED on$red: something hidden can be told"; exit 1; }
