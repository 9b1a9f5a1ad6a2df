# Each target calls one script or cargo line. `make demo` and `make test` need nothing done before.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where rustup puts cargo, for shells that do not know yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export CAUSERIE_MODELS_DIR ?= $(CURDIR)/models

.PHONY: help setup run demo test bench release lint

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: ## Make the machine ready: packages, native libraries, the binary, models.
	@scripts/setup.sh release

run: setup ## Serve calls with causerie.toml, or with the defaults where there is none.
	@$(TARGET)/release/causerie serve

demo: setup ## Call the engine with real speech and print the conversation.
	@$(TARGET)/release/causerie demo

test: ## Run every test.
	@scripts/setup.sh test
	@scripts/test.sh

bench: setup ## Run the short set of benchmarks; README.md names the others.
	@$(CARGO) bench -p benches --locked --bench frame_path
	@$(CARGO) bench -p benches --locked --bench components -- --quick

release: ## Build the optimised binary.
	@scripts/packages.sh cc ca-certificates
	@scripts/native.sh
	@$(CARGO) build --release --locked --bin causerie

lint: ## Check format, lints and docs.
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
