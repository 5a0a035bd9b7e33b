#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: PostgreSQL, Chromium, the test runner.
set -euo pipefail

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
{ command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; } || missing+=(postgresql)

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing system packages for the tests: ${missing[*]}" >&2
  if ! { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2; then
    echo "could not install ${missing[*]}: install them with the system's package manager, then run again" >&2
    exit 1
  fi
fi

if ! cargo nextest --version >/dev/null 2>&1; then
  echo "installing the test runner cargo-nextest (a few minutes, once)" >&2
  # Without it the tests run under cargo's own runner, one binary after another.
  cargo install cargo-nextest --version 0.9.143 --locked --quiet >&2 || echo "cargo-nextest was not installed; cargo test is used" >&2
fi

# The sandbox of the MESH API, in an environment of its own. Without it the tests that talk to it say
# that they are skipped.
sandbox=$(cd "$(dirname "$0")" && pwd)/mesh-sandbox
if ! cmp -s "$sandbox/requirements.txt" "$sandbox/.venv/installed.txt"; then
  echo "installing the MESH sandbox for the tests" >&2
  if python3 -m venv "$sandbox/.venv" >&2 &&
    "$sandbox/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$sandbox/requirements.txt" >&2; then
    cp "$sandbox/requirements.txt" "$sandbox/.venv/installed.txt"
  else
    echo "the MESH sandbox was not installed (needs python3 with venv); its tests are skipped" >&2
  fi
fi
