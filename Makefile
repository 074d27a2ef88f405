# Two commands on a fresh machine with Python 3.11 or newer (with venv) and make: `make demo` and `make test`.
# Everything else that is needed goes into .venv, hash-checked from requirements.lock. Nothing here needs root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SCALE ?= 1
SEEDS ?= 1000
N ?= 10000
PYTEST_ARGS ?=
# One more than a small machine has cores: most tests wait for a process of theirs half of the time.
TEST_WORKERS ?= 3

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --quiet
YAML := deploy .github .pre-commit-config.yaml mkdocs.yml
YAMLLINT_RULES := {extends: default, rules: {line-length: {max: 140}, document-start: disable, truthy: {check-keys: false}}}

# Tests start some hundred processes; without its bytecode each would compile the house anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo sandbox test proof simulate oracle truth-benchmark bench-intake bench-listing bench-callers bench-verify bench-emulator \
	bench-scale find-rates draw-dashboards style-dashboards image-steps sbom audit docs lint lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo          record a page with the local emulator, and watch it being proven'
	@echo '                   (BROWSER=1: a real page in Chromium; with URL=https://…, that one)'
	@echo 'make sandbox       run it all on this machine until Ctrl-C, to try it out (BROWSER=1: real pages; PAGE_HOST=app.test:'
	@echo '                   also those of that host, without TLS; PORT=0: a free port; TOKEN_FILE=…: for a second one;'
	@echo '                   RECEIVER=http://127.0.0.1:9000/: is told what happens to each recording)'
	@echo 'make test          all tests but the proofs'
	@echo 'make docs          the documents as a site in var/site, its links checked'
	@echo 'make lint          formatting, rules, types, layers, deployment files'
	@echo 'make image-steps   the steps of the image in a plain empty directory, where there is no container engine'
	@echo 'make proof         the proofs at full size (SCALE=0.1: at a tenth)'
	@echo 'make simulate      play SEEDS=1000 seeds of trouble; the first that breaks a promise is told as a story'
	@echo 'make oracle        damage recordings at random and judge the verdicts by what FFmpeg says a viewer loses'
	@echo '                   (SEEDS=0:150; results add up in var/oracle.jsonl, a run resumes; needs ffmpeg)'
	@echo 'make find-rates    measure how often each level finds each damage, into docs/verification.md'
	@echo 'make truth-benchmark  how often a final verdict is wrong, of N=10000 recordings in a storm'
	@echo 'make bench-intake  how many notifications a second are kept (needs the Debian package wrk)'
	@echo 'make bench-verify  what a verdict costs, at each level and beside others'
	@echo 'make bench-listing how long a listing takes among 100,000 recordings'
	@echo 'make bench-callers how long callers wait, in real time (five minutes)'
	@echo 'make bench-scale   what a live recording costs, from 100 to 10,000 of them (three minutes)'
	@echo 'make bench-emulator how true recordings of real pages are, and what they cost (needs chromium, xvfb, pulseaudio)'
	@echo 'make draw-dashboards  draw every Grafana panel from a real Prometheus, as pages (needs prometheus)'
	@echo 'make style-dashboards give every Grafana panel the colours and names of its series'
	@echo 'make sbom          what the images hold, as CycloneDX in var/'
	@echo 'make audit         known weaknesses of what is pinned (asks the index, and says so where it cannot)'
	@echo 'make lock          pin all dependencies anew'
	@echo 'make clean         remove everything that was made here'

# Done again only when the lock or the project file has changed. The stamp is written last: what was cut off is redone.
$(STAMP): requirements.lock pyproject.toml clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Fetching what is needed into $(VENV) (1.6 GB on disk); this takes about two minutes.'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e . -e clients/python
	@touch $@

demo: $(STAMP)
	$(if $(URL),$(if $(BROWSER),,$(error URL needs BROWSER=1: without it, no page is opened)))
	$(BIN)/pagereel demo $(if $(BROWSER),--browser) $(if $(URL),--page '$(URL)')

sandbox: $(STAMP)
	$(BIN)/pagereel sandbox $(strip $(if $(BROWSER),--browser) $(if $(PAGE_HOST),--page-host '$(PAGE_HOST)') \
		$(if $(PORT),--port $(PORT)) $(if $(RECEIVER),--receiver '$(RECEIVER)') \
		$(if $(TOKEN_FILE),--token-file '$(TOKEN_FILE)'))

test: $(STAMP)
	$(BIN)/python -m pytest -p tests.no_skips -m 'not proof' -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Proofs that only compute run beside each other, the rest one after another: those measure time, or load the machine.
# A tree in which no test is marked has nothing to prove, and says so; a marked test that is not found is a failure.
COMPUTING := $(addprefix tests/,$(addprefix corpus/test_corpus_,families.py foreign.py forms.py good.py \
	mp4_families.py mp4_likeness.py mutations.py random.py rates.py strangers.py) browser/test_error_pages.py \
	oracle/test_oracle_loss.py oracle/test_oracle_seeds.py simulation/test_simulation_goals.py \
	simulation/test_simulation_seeds.py simulation/test_simulation_stops.py simulation/test_simulation_truth.py)
PROVE = PROOF_SCALE=$(SCALE) $(BIN)/python -m pytest -p tests.no_skips -m proof --timeout 0

proof: $(STAMP)
	@if grep -rq --include='*.py' 'mark\.proof' tests; then \
		$(if $(PYTEST_ARGS),$(PROVE) $(PYTEST_ARGS),$(PROVE) -n 2 $(COMPUTING) && $(PROVE) $(addprefix --ignore=,$(COMPUTING))); \
	else \
		echo 'proof: no test is marked as a proof yet'; \
	fi

simulate: $(STAMP)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

oracle: $(STAMP)
	@mkdir -p var
	$(BIN)/python -m tests.oracle --seeds $(SEEDS) --out var/oracle.jsonl

find-rates: $(STAMP)
	$(BIN)/python tests/corpus/find_rates.py

truth-benchmark: $(STAMP)
	$(BIN)/python -m tests.simulation.truth_benchmark $(N)

bench-intake: $(STAMP)
	$(BIN)/python -m benchmarks.intake

bench-verify: $(STAMP)
	$(BIN)/python -m benchmarks.verify

bench-listing: $(STAMP)
	$(BIN)/python -m benchmarks.listing

bench-callers: $(STAMP)
	$(BIN)/python -m benchmarks.callers

bench-emulator: $(STAMP)
	$(BIN)/python -m benchmarks.emulator

draw-dashboards: $(STAMP)
	$(BIN)/python -m benchmarks.dashboards

bench-scale: $(STAMP)
	$(BIN)/python -m benchmarks.scale

# Strict: a link that leads nowhere, or a page that asks another host for anything, fails it.
docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'to read it: $(BIN)/python -m http.server --directory var/site 8000'

image-steps: $(STAMP)
	$(BIN)/python deploy/image/plain_steps.py

lint: $(STAMP) docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.renovate renovate.json
	$(BIN)/shellcheck .ci/run
	$(call with,systemd-analyze,systemd,$(VERIFY_UNIT))
	$(call with,yamllint,yamllint,yamllint --strict -d '$(YAMLLINT_RULES)' $(YAML))
	$(call with,promtool,prometheus,promtool check config --syntax-only deploy/prometheus/prometheus.yml)
	$(call with,promtool,prometheus,promtool check config --syntax-only deploy/compose/prometheus.yml)
	$(call with,promtool,prometheus,promtool check rules deploy/prometheus/recordings.yml deploy/prometheus/alerts.yml)
	$(call with,promtool,prometheus,promtool test rules deploy/prometheus/alerts_test.yml)

# The unit's own command is not on this machine; everything else about the unit is checked.
define VERIFY_UNIT
d=$$(mktemp -d) && sed 's#/opt/pagereel/bin/pagereel#/bin/true#' deploy/systemd/pagereel.service >"$$d/pagereel.service" && \
	said=$$(systemd-analyze verify "$$d/pagereel.service" 2>&1); rm -r "$$d"; [ -z "$$said" ] || { echo "$$said" >&2; exit 1; }
endef

# $(call with,TOOL,DEBIAN PACKAGE,COMMAND): where the tool is missing, said at home and a failure in CI.
define with
	@if command -v $(1) >/dev/null; then echo '$(1)'; $(3); \
	elif [ "$$CI" = true ]; then echo '$(1) is missing: install the Debian package $(2)' >&2; exit 1; \
	else echo 'left out: $(1) (Debian package $(2))'; fi
endef

style-dashboards: $(STAMP)
	$(BIN)/python -m benchmarks.dashboard_style

sbom: $(STAMP)
	@mkdir -p var
	@for image in service emulator; do \
		$(BIN)/python deploy/image/bill_of_materials.py deploy/image/$$image.lock >var/$$image.cdx.json && echo "var/$$image.cdx.json"; \
	done

# Not done is no pass: without an answer about every package it fails, and says that nothing is known.
audit:
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	not_done() { echo 'audit: NOT DONE: whether what is pinned has known weaknesses could not be asked' >&2; exit 1; }; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --disable-pip-version-check --quiet pip-audit || not_done; \
	status=0; "$$tools/bin/pip-audit" --require-hashes --disable-pip -r requirements.lock >"$$tools/said" 2>&1 || status=$$?; \
	grep -v 'could not be audited' "$$tools/said" || true; \
	if grep -q 'could not be audited' "$$tools/said"; then not_done; fi; \
	[ $$status = 0 ] || grep -q 'known vulnerabilit' "$$tools/said" || not_done; exit $$status

# The images install less than a developer does, in the very same versions.
lock:
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/python" -m pip install --disable-pip-version-check --quiet uv; \
	PATH="$$tools/bin:$$PATH"; \
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock; \
	$(COMPILE) --extra uvloop --extra media -c requirements.lock pyproject.toml -o deploy/image/service.lock; \
	$(COMPILE) --extra uvloop --extra emulator -c requirements.lock pyproject.toml -o deploy/image/emulator.lock; \
	echo hatchling | $(COMPILE) -c requirements.lock - -o deploy/image/build.lock

clean:
	rm -rf $(VENV) .venv-newest .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist ./*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
