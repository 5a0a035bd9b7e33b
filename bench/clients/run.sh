#!/usr/bin/env bash
# Walks the FHIR API with two clients of others, fhirpy (PyPI) and fhir-kit-client (npm), against a
# demonstration of its own on each engine: the embedded one, and PostgreSQL where its programs are
# installed. Needs python3 with venv, and npm.
#
#   bench/clients/run.sh            both engines
#   bench/clients/run.sh sqlite     one of them (sqlite, postgres)
set -euo pipefail
cd "$(dirname "$0")/../.."
care=${CARE:-${CARGO_TARGET_DIR:-target}/debug/connect-care}
[ -x "$care" ] || cargo build --quiet -p care-web
engines=${1:-sqlite postgres}
work=$(mktemp -d)
server= cluster=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ -z "$server" ] || wait "$server" 2>/dev/null || true
  [ -z "$cluster" ] || as_postgres "$bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
# PostgreSQL does not run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet fhirpy==2.3.1
npm install --silent --prefix "$work/node" fhir-kit-client@2.0.3 >/dev/null
cp bench/clients/fhir_kit_walk.mjs "$work/node/"

for engine in $engines; do
  echo "== $engine"
  more=()
  if [ "$engine" = postgres ]; then
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] || { echo "PostgreSQL is not installed; install it with: make test"; exit 1; }
    port=$(free_port)
    mkdir "$work/pg"
    [ "$(id -u)" != 0 ] || chown postgres "$work" "$work/pg"
    as_postgres "$bin/initdb" -D "$work/pg" -U care -A trust >/dev/null
    as_postgres "$bin/pg_ctl" -D "$work/pg" -w -l "$work/pg/log" -o "-p $port -k $work -c listen_addresses=127.0.0.1" start >/dev/null
    cluster=1
    as_postgres "$bin/createdb" -h 127.0.0.1 -p "$port" -U care care
    more=(--postgres "host=127.0.0.1 port=$port user=care dbname=care")
  fi
  http=$(free_port) mllp=$(free_port)
  "$care" demo --people 0 --data "$work/$engine" --port "$http" --mllp-port "$mllp" "${more[@]}" >"$work/$engine.log" 2>&1 &
  server=$!
  for _ in $(seq 300); do curl -fs "http://127.0.0.1:$http/health/ready" >/dev/null && break; sleep 0.2; done
  token=$("$care" token --as feed-hospital --data "$work/$engine")
  base="http://localhost:$http/fhir/R4"
  "$work/python/bin/python" bench/clients/fhirpy_walk.py "$base" "$token"
  node "$work/node/fhir_kit_walk.mjs" "$base" "$token"
  kill "$server"; wait "$server" 2>/dev/null || true; server=
done
