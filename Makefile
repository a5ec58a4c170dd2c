# Two commands matter: `make run` and `make test`. Both do all their own set-up.

.DEFAULT_GOAL = run
PYTHON ?= python3
VENV ?= .venv
STATE ?= .run

# The command of each Debian package that the tests use, and the package.
TOOLS = openssl:openssl chromium:chromium firefox-esr:firefox-esr Xvfb:xvfb promtool:prometheus node:nodejs turnserver:coturn redis-server:redis-server npm:npm /usr/sbin/nginx:nginx /usr/sbin/haproxy:haproxy
# Those of the tests that take root: they run containers and boot a VM.
ROOT_TOOLS = crun:crun git:git ip:iproute2 mmdebstrap:mmdebstrap nft:nftables nsenter:util-linux pebble:pebble \
	pebble-challtestsrv:pebble podman:podman ssh:openssh-client systemd-nspawn:systemd-container

# What the tests in a browser take from npm.
MODULES = tests/browser/node_modules/.done tests/benchmarks/node/node_modules/.done

.PHONY: help run test test-long lint lint-long types unit fuzz integration integration-long redis redis-long conformance browser \
	browser-page browser-page-long browser-client browser-firefox proxies containers test-deployment client bench soak soak-crowd \
	soak-minute chaos chaos-short attacks attacks-short versions tools requirements ansible-docs reference clean

# The targets, each with what follows `##` in its line. `make` alone is `make run`.
help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do \
		printf '%-16s %s\n' "$$target" "$$text"; \
	done

run: $(VENV)/.service ## start the server, with a throw-away certificate, on https://localhost:8443
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" STATE="$(STATE)" exec sh .ci/dev-server

# What takes longest comes first, so that nothing long is left over for the end.
SHORT = integration browser-page redis unit lint client
LONG = test-deployment versions attacks-short proxies browser-firefox integration-long browser-client browser-page-long \
	soak-minute redis-long containers fuzz lint-long chaos-short conformance

# Several at a time, on two cores as well: one of them always waits for something. The long ones all begin at once, so
# that none is left alone at the end.
test: tools $(VENV)/.tests $(MODULES) ## test everything that a change to the code can break
	+@sh .ci/report-skips "$(SHORT)" $(MAKE) --jobs=4

test-long: tools $(VENV)/.tests .venv-ansible/.done $(MODULES) ## test the rest: VMs, containers, other browsers and Pythons, attacks
	+@sh .ci/report-skips "$(LONG)" $(MAKE) --jobs=3

# One suite of several, in a make of its own, so that its end can be noted.
suite-%:
	+@sh .ci/suite $* $(MAKE) --no-print-directory --old-file=tools $*

lint: types $(VENV)/.tests ## ruff, mypy, tsc and codespell
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/codespell

lint-long: $(VENV)/.tests .venv-ansible/.done ## ansible-lint, and mypy as the clinic has it
	cd docs/examples/clinic && MYPYPATH="$(CURDIR)" $(abspath $(VENV))/bin/mypy --follow-imports=silent
	cd ansible && PATH="$(CURDIR)/.venv-ansible/bin:$$PATH" ansible-lint --profile production --offline --strict -q

types: tests/browser/node_modules/.done ## the types of the JavaScript, by tsc
	tests/browser/node_modules/.bin/tsc -p tests/js --incremental --tsBuildInfoFile $(STATE)/types.tsbuildinfo

unit: tools $(VENV)/.tests ## the unit tests
	$(VENV)/bin/pytest -q tests/unit

# Ten times as many examples of the properties that anybody's bytes and any order of events must have.
fuzz: tools $(VENV)/.tests ## ten times as many random examples of the unit tests' properties
	$(VENV)/bin/pytest -q --hypothesis-profile=thorough tests/unit/transport/test_receiver.py tests/unit/protocol/test_protocol_fuzz.py tests/unit/rooms/test_session_machine.py

# These tests wait more than they work, so several processes share their modules.
SPREAD = --dist=loadscope --numprocesses
# What is marked as long runs under another name.
MARKED = -m "$(if $(findstring -long,$@),long,not long)"

INTEGRATION ?= tests/integration
integration: tools $(VENV)/.tests $(MODULES) ## a real server over TLS, with signals, races and crowds
integration-long: tools $(VENV)/.tests $(MODULES) ## those tests of it that take long
integration integration-long:
	$(VENV)/bin/pytest -q --durations=10 $(SPREAD) 4 $(MARKED) $(INTEGRATION)

redis: tools $(VENV)/.tests ## several hosts and their Redis, while it fails
redis-long: tools $(VENV)/.tests ## those tests of it that take long
redis redis-long:
	$(VENV)/bin/pytest -q $(SPREAD) 3 $(MARKED) tests/redis

conformance: $(VENV)/.tests ## the Autobahn testsuite; needs Python 2.7
	$(VENV)/bin/pytest -q tests/conformance

browser: browser-page browser-page-long browser-client browser-firefox ## all browser suites

browser-page: tools $(VENV)/.tests $(MODULES) ## real calls in Chromium, direct and through coturn
browser-page-long: tools $(VENV)/.tests $(MODULES) ## those tests of it that take long
browser-page browser-page-long:
	sh .ci/in-netns $(VENV)/bin/pytest -q --durations=10 $(SPREAD) 2 $(MARKED) tests/browser/test_*.py

browser-client: tools $(VENV)/.tests $(MODULES) ## the browser client in Chromium, on pages of its own
	sh .ci/in-netns $(VENV)/bin/pytest -q tests/browser/client

browser-firefox: tools $(VENV)/.tests ## calls in Firefox, and between Firefox and Chromium
	sh .ci/in-netns $(VENV)/bin/pytest -q tests/browser/firefox

proxies: tools $(VENV)/.tests ## calls behind nginx and HAProxy
	sh .ci/in-netns $(VENV)/bin/pytest -q tests/proxies

containers: tools $(VENV)/.tests ## the image and compose.yaml in podman; needs root
	$(VENV)/bin/pytest -q tests/containers

# The playbooks against a VM that boots here; SUITES="bookworm trixie" for more than one Debian.
test-deployment: tools $(VENV)/.tests .venv-ansible/.done ## the Ansible roles on VMs that boot here; needs root
	$(VENV)/bin/pytest -q --durations=10 tests/deployment

client: tools ## the browser client's modules in Node.js
	node --test tests/js/

# What a call costs, beside Node.js, the C floor and what a team would pick: on a machine with nothing else to do.
bench: $(VENV)/.tests ## what a call and a message cost, beside other servers; takes forty minutes
	$(VENV)/bin/pip install -q -r tests/benchmarks/requirements.txt
	$(VENV)/bin/python tests/benchmarks/bench.py --markdown docs/benchmark.md --figure docs/benchmark.svg $(BENCH)

# Half an hour of users who come, misbehave and go; MINUTES=5 is shorter.
MINUTES ?= 30
soak: $(VENV)/.tests ## half an hour of misbehaving users; MINUTES=5 is shorter
	$(VENV)/bin/python -m tests.soak --minutes $(MINUTES)

# Ten thousand connections at two workers that share a Redis, while one of the workers is killed.
soak-crowd: $(VENV)/.tests ## ten thousand connections, while a worker is killed
	$(VENV)/bin/python -m tests.soak.crowd $(CROWD)

soak-minute: $(VENV)/.tests ## a minute of soak and a smaller crowd
	$(VENV)/bin/pytest -q tests/soak

# A quarter of an hour at two hosts while Redis, workers and clients break; SEED=1 repeats the order of the faults.
chaos: tools $(VENV)/.tests ## a quarter of an hour of failures at two hosts; SEED=1 repeats their order
	$(VENV)/bin/python -m tests.chaos --minutes $(or $(CHAOS_MINUTES),15) $(if $(SEED),--seed $(SEED))

chaos-short: tools $(VENV)/.tests ## two minutes of chaos
	$(VENV)/bin/pytest -q -s tests/chaos

# What a call and /healthz notice of each attack by a single client, in an hour; ATTACKS=header limits it to some of them.
attacks: $(VENV)/.tests ## what a call notices of each attack; takes an hour
	$(VENV)/bin/python -m tests.attacks --seconds $(or $(ATTACK_SECONDS),20) --only "$(ATTACKS)"

attacks-short: $(VENV)/.tests ## each attack for a moment
	$(VENV)/bin/pytest -q --durations=10 tests/attacks

# The same on every other supported Python of this machine.
versions: ## the unit tests on every other supported Python of this machine
	+@PYTHON="$(PYTHON)" sh .ci/versions

tools: ## install the Debian packages that the tests need
	@if [ "$$(id -u)" = 0 ]; then sh .ci/install-tools $(TOOLS) $(ROOT_TOOLS); else sh .ci/install-tools $(TOOLS); fi

$(VENV)/.service: requirements.txt
	@sh .ci/venv $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(VENV)/.tests: requirements-dev.txt
	@sh .ci/venv $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.service

.venv-ansible/.done: tests/deployment/requirements.txt
	@sh .ci/venv $(PYTHON) .venv-ansible $<
	@touch $@

tests/browser/node_modules/.done: tests/browser/package-lock.json | tools
	@npm ci --prefix $(<D) --loglevel=error --no-audit --no-fund
	@touch $@

tests/benchmarks/node/node_modules/.done: tests/benchmarks/node/package.json | tools
	@npm install --prefix $(<D) --loglevel=error --no-package-lock --no-audit --no-fund
	@touch $@

requirements: $(VENV)/.tests ## pin the requirements of pyproject.toml; UPGRADE=-U renews them
	$(VENV)/bin/pip install -q uv
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --extra dev --group client -c requirements.txt pyproject.toml -o requirements-dev.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --group client -c requirements-dev.txt -o requirements-client.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 ansible/requirements.in -o ansible/requirements.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 -c ansible/requirements.txt tests/deployment/requirements.in -o tests/deployment/requirements.txt $(UPGRADE)

# What is said twice in the roles, written from where it is said first.
ansible-docs: $(VENV)/.tests ## write the roles' defaults and tables from their specifications
	$(VENV)/bin/python ansible/document.py

reference: $(VENV)/.tests ## write docs/flask-reference.md from the docstrings, the commands and the settings
	$(VENV)/bin/python docs/reference.py

clean: ## remove everything that make has set up
	rm -rf .venv* $(STATE) .hypothesis .mypy_cache .pytest_cache .ruff_cache
