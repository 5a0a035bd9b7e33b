#!/usr/bin/env bash
# make bench: the figures of docs/performance.md. Each stands beside a limit of the machine measured
# in the same run. Options are those of `care-bench`; DIRECTORY is the disk to measure.
set -eu
directory=${DIRECTORY:-${CARGO_TARGET_DIR:-target}/bench}
release=${CARGO_TARGET_DIR:-target}/release
cargo build --release --quiet -p care-web -p care-bench
care="$release/connect-care" bench="$release/care-bench"
echo "$("$care" --version), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), load $(cut -d' ' -f1 /proc/loadavg)"
echo "== limits"
"$bench" limits --directory "$directory"
echo "== opt-out check"
"$bench" opt-out --directory "$directory"
echo "== messages"
"$bench" ingest --binary "$care" --directory "$directory" --messages "${MESSAGES:-20000}"
echo "== summary page"
"$bench" pages --binary "$care" --directory "$directory" --items "${ITEMS:-200,2000,20000}" --rate "${RATE:-50}" --seconds "${SECONDS_EACH:-20}"
echo "== cold start"
"$bench" start --binary "$care" --directory "$directory" --items 100000
echo "== FHIR API (beside others with --peer name=address)"
"$bench" fhir --binary "$care" --directory "$directory" --resources "${RESOURCES:-60000}" "$@"
