# demo   everything on this machine, with invented people      make demo ARGS="--people 2000"
# test   every test: rules, record, journeys, accessibility
# check  format, lints, one-way imports, licences
# bench  performance figures
# promises  what is promised of safety and privacy, script by script; about half an hour
#
# Needs a Rust toolchain, make, a C compiler and Node.js with npm. Each target installs the rest of
# what it needs.

.PHONY: demo test check bench promises front-end test-tools

demo: front-end
	cargo run --release --package care-web --bin connect-care -- demo $(ARGS)

test: front-end test-tools
	if cargo nextest --version >/dev/null 2>&1; then \
	  cargo nextest run --workspace --no-fail-fast $(ARGS); \
	else \
	  cargo test --workspace --no-fail-fast $(ARGS); \
	fi

check: front-end
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo metadata --format-version 1 --locked | node tools/licences.mjs

bench: front-end
	bash bench/run.sh $(ARGS)

promises: front-end test-tools
	for script in bench/promises/*.sh; do echo "== $$script"; bash $$script || failed="$$failed $$script"; done; \
	  test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

front-end: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	touch $@

test-tools:
	bash tools/test-tools.sh
