# For people who work on kubefuture itself. A project that was made from it has its own Makefile (template/Makefile).
# Kept to what GNU make 3.81 knows, which is what macOS has. Longer logic lives in scripts/ and runtime/bootstrap.sh.

.DEFAULT_GOAL := help
.PHONY: setup test test-kubernetes acceptance lint docs bench soak demo lock clean help links

# ARGS, PEERS and PYTHON are for the command line, as in: make setup PYTHON=/path/to/python3.13

##@ Everyday

setup: links ## Make .venv with everything that is needed here (needs only Python 3.11 or newer)
	@sh runtime/bootstrap.sh requirements-dev.lock .venv

test: setup ## Run the tests; ARGS="tests/template -k links" chooses
	@.venv/bin/python -m pytest $(or $(ARGS),--ignore=tests/kubernetes)

test-kubernetes: setup ## Run those on the cluster that KUBECONFIG names, with the registry KUBE_TEST_REGISTRY
	@.venv/bin/python -m pytest tests/kubernetes $(ARGS)

acceptance: setup ## Kill and cut everything under 500 seeded elements of a real project; PROVIDER=existing: on a cluster
	@.venv/bin/python -m tests.acceptance $(if $(PROVIDER),--provider $(PROVIDER)) $(ARGS)

lint: setup ## Check style, types, YAML, playbooks and shell scripts
	@.venv/bin/python -m pre_commit run --all-files $(ARGS)

# The variable hides a long notice in every build: mkdocs-material ends in May 2027, and Zensical is its successor.
docs: setup ## Build the documentation, strictly, into build/docs
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --site-dir build/docs $(ARGS)

bench: setup ## Measure against peers, interleaved; PEERS=1 installs Ray, Dask and others (450 MB) for it
	@$(if $(PEERS),sh runtime/bootstrap.sh benchmarks/requirements.lock build/peers,true)
	@$(if $(PEERS),build/peers,.venv)/bin/python -m benchmarks $(ARGS)

soak: setup ## Random work and random faults for MINUTES=30, every result checked, every process measured
	@.venv/bin/python -m tests.soak --minutes $(or $(MINUTES),30) $(ARGS)

demo: links ## Scaffold build/demo, then up, run, down; ARGS="--elements 8 --draws 100000" for small input
	@started=$$(date +%s); \
	sh runtime/bootstrap.sh template/tools.lock build/tools && \
	build/tools/bin/python -I scripts/demo.py --started $$started $(ARGS)

##@ Upkeep

lock: setup ## Compile the locks again; ARGS=--upgrade brings everything up to date
	@sh scripts/lock.sh $(ARGS)

clean: ## Remove .venv, build/ and caches
	@sh scripts/clean.sh

help: ## Show this list
	@echo "Usage: make TARGET"
	@awk 'BEGIN { FS = ":.*## " } \
	/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

# A checkout without symbolic links has small text files in their place, and would scaffold broken projects.
links:
	@sh scripts/links.sh
