# Every command there is. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.PHONY: attack truth fuzz help world dev shop poll cursors check test advisories sim bench bench-quick bench-clicks soak-connections starts links scaling docs film release

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

world: ## six regions on this machine; Ctrl-C stops them all; installs what building needs
	scripts/prepare.sh compiler
	cargo run --release -- world

dev: ## one node on http://localhost:4000
	scripts/prepare.sh compiler
	cargo run --release -- --region dev

shop: ## an example on the library, on http://localhost:4000; so are make poll and make cursors
	cargo run --release -p shop

poll cursors:
	cargo run --release -p $@

check: ## format, clippy, docs, tidy rules: quick
	node scripts/test.mjs check

test: ## everything that CI runs; installs what the tests need
	scripts/prepare.sh compiler
	node scripts/test.mjs

advisories: ## looks for known vulnerabilities in what we depend on; needs the network
	scripts/prepare.sh
	$${CARGO_TARGET_DIR:-target}/deny/bin/cargo-deny check advisories

sim: ## the simulator: many seeds, or one replayed with SEED=42
	$(if $(SEED),SEED=$(SEED) )cargo test --release -p presence-core --test all worlds -- --nocapture

bench: ## ours, the baseline and the peers in one run; writes docs/benchmarks.md; 20 minutes
	scripts/prepare.sh
	node bench/run.mjs

bench-quick: ## a part of that in three minutes; only prints
	node bench/run.mjs quick

bench-clicks: ## the CPU of a click beside that of another build: EARLIER=/path/to/global-presence; three minutes
	node bench/clicks.mjs

soak-connections: ## 15,000 visitors on one node for 10 minutes, with joins, leaves and clicks
	cargo build --release --workspace --all-targets
	node bench/soak.mjs

starts: ## starts twelve nodes together, ten times in each way
	scripts/prepare.sh
	cargo build --release --workspace --all-targets
	STARTS=10 node --test e2e/alone/starts.test.mjs

links: ## measures the links between nodes: freezes, attacks, losses, memory, CPU; half an hour
	scripts/prepare.sh
	node bench/links.mjs

truth: ## the long forms: freezes of all lengths five times, the browser tests ten times beside eight busy loops, or ROUNDS
	scripts/prepare.sh
	$(if $(ROUNDS),ROUNDS=$(ROUNDS) )node scripts/test.mjs truth

fuzz: ## every parser that meets the outside, and members that say anything: ten minutes in all, or SECONDS
	FUZZ_SECONDS=$(or $(SECONDS),600) node scripts/test.mjs fuzz

attack: ## every attack of a visitor at once, against one node of three; ten minutes
	scripts/prepare.sh
	cargo build --release --workspace --all-targets
	ATTACK=600 node --test e2e/alone/attack-all.test.mjs

scaling: ## what a node costs: runs the grid in virtual time, writes docs/scaling.md; LARGE=1 up to 5 million visitors
	cargo build --release -p presence-scaling
	cargo run --release -p presence-scaling -- grid $(if $(LARGE),--large)
	node scaling/draw.mjs

release: ## what ships, in dist/: the program, its manual, a Debian package, what is in it, licences, checksums
	node scripts/release.mjs

film: ## films the README's first picture in three browsers; needs img2webp, and installs it on Debian
	cargo build --release --workspace --all-targets
	node scripts/film.mjs

docs: ## writes docs/configuration.md from --help
	cargo build --release --workspace --all-targets
	node e2e/lib/configuration.mjs
