# Two commands matter: `make run` and `make test`. Both do all their own set-up.

PYTHON ?= python3
VENV ?= .venv
STATE ?= .run

# The command of each Debian package that the tests use, and the package.
TOOLS = openssl:openssl chromium:chromium node:nodejs turnserver:coturn npm:npm /usr/sbin/nginx:nginx /usr/sbin/haproxy:haproxy
# Those of the tests that take root: they run containers and boot a VM.
ROOT_TOOLS = crun:crun git:git ip:iproute2 mmdebstrap:mmdebstrap nft:nftables nsenter:util-linux pebble:pebble \
	pebble-challtestsrv:pebble podman:podman ssh:openssh-client systemd-nspawn:systemd-container

.PHONY: run test lint unit integration conformance browser browser-page browser-client proxies containers test-deployment client bench soak soak-minute versions tools requirements ansible-docs clean

run: $(VENV)/.service
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" STATE="$(STATE)" exec sh .ci/serve

# The quick ones first, then the long ones.
CHECKS = tools lint unit client test-deployment versions integration containers conformance soak-minute

# Two at a time: most of them wait for something most of the time. Not so those with a browser, which gives up what it
# loads when a network interface comes or goes.
test: tools $(VENV)/.tests .venv-ansible/.done
	@$(MAKE) --no-print-directory --jobs=2 --output-sync $(CHECKS)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync browser proxies

lint: $(VENV)/.tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

unit: $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/unit

integration: $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/integration $(INTEGRATION)

conformance: $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/conformance

browser: browser-page browser-client

browser-page: tools $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/browser --ignore=tests/browser/client

browser-client: tools $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/browser/client

proxies: tools $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/proxies

containers: tools $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/containers

# The playbooks against a VM that boots here; SUITES="bookworm trixie" for more than one Debian.
test-deployment: tools $(VENV)/.tests .venv-ansible/.done
	$(VENV)/bin/pytest -q tests/deployment

client: tools
	node --test tests/client/

# What a message costs, beside Node.js and the C floor: some twenty minutes on a machine with nothing else to do.
bench: $(VENV)/.tests
	$(VENV)/bin/pip install -q -r tests/benchmarks/requirements.txt
	$(VENV)/bin/python tests/benchmarks/bench.py --markdown docs/benchmark.md --figure docs/benchmark.svg $(BENCH)

# Half an hour of users who come, misbehave and go; MINUTES=5 is shorter.
MINUTES ?= 30
soak: $(VENV)/.tests
	$(VENV)/bin/python -m tests.soak --minutes $(MINUTES)

soak-minute: $(VENV)/.tests
	$(VENV)/bin/pytest -q tests/soak

# The same on every other supported Python of this machine.
versions:
	+@PYTHON="$(PYTHON)" sh .ci/versions

tools:
	@if [ "$$(id -u)" = 0 ]; then sh .ci/tools $(TOOLS) $(ROOT_TOOLS); else sh .ci/tools $(TOOLS); fi

$(VENV)/.service: requirements.txt
	@sh .ci/venv $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(VENV)/.tests: requirements-dev.txt
	@sh .ci/venv $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.service

.venv-ansible/.done: tests/deployment/requirements.txt
	@sh .ci/venv $(PYTHON) .venv-ansible $<
	@touch $@

requirements: $(VENV)/.tests
	$(VENV)/bin/pip install -q uv
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --extra dev --group client -c requirements.txt pyproject.toml -o requirements-dev.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --group client -c requirements-dev.txt -o requirements-client.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 ansible/requirements.in -o ansible/requirements.txt $(UPGRADE)
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 -c ansible/requirements.txt tests/deployment/requirements.in -o tests/deployment/requirements.txt $(UPGRADE)

# What is said twice in the roles, written from where it is said first.
ansible-docs: $(VENV)/.tests
	$(VENV)/bin/python ansible/document.py

clean:
	rm -rf .venv* $(STATE) .hypothesis .mypy_cache .pytest_cache .ruff_cache
