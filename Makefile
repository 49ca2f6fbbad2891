# SPDX-License-Identifier: Apache-2.0
# Two commands matter: `make demo` and `make test`. `make` alone lists all.

SHELL := /bin/bash
# The pure Go OpenPGP of containers/image: the other one needs cgo and gpgme.
export GOFLAGS := -tags=containers_image_openpgp
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := build/venv
BIN := $(VENV)/bin
TOOL := $(BIN)/portieris-app
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider
IS_ROOT := $(filter 0,$(shell id -u))
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GO_ROOMS := admission lab lab/notary bench tests/chart/tiller
TEST_ROOMS := tests/contract tests/chart tests/tarball tests/packaging tests/system tests/docs

say = @printf '\n=== %s\n' "$(1)"

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ifeq ($(IS_ROOT),0)
INSTALL_VENV := echo "python3-venv is missing: installing it"; apt-get update -qq; \
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends python3-venv
else
INSTALL_VENV := echo "python3-venv is missing: let root install it"; exit 1
endif

$(VENV)/ready: requirements.txt test-requirements.txt setup.cfg
	$(call say,Python tools into $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo "$(PYTHON) is not there, or older than 3.9: name another with PYTHON="; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(INSTALL_VENV); }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -r test-requirements.txt
	@PBR_VERSION=$$(sed -n 's/^app_version: *"\(.*\)"/\1/p' stx-portieris-helm/files/metadata.yaml | tr - .) \
	  $(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@

.PHONY: venv
venv: $(VENV)/ready ## Make the Python environment of the tools and tests

.PHONY: app
app: venv ## Build the application tarball into dist/
	@$(TOOL) build

.PHONY: image
image: venv ## Build the server's container image into dist/ (no container engine)
	@$(TOOL) image

.PHONY: rpm
rpm: venv ## Build the RPM packages of plugin and application into dist/
	@$(TOOL) packages rpm

.PHONY: deb
deb: venv ## Build the Debian packages of plugin and application into dist/
	@$(TOOL) packages deb

.PHONY: sbom
sbom: app image ## Write the software bill of materials (CycloneDX) into dist/
	@$(TOOL) sbom

.PHONY: release
release: venv ## Build tarball, image, packages, bill of materials and checksums into dist/
	@$(TOOL) release --packages deb --packages rpm

.PHONY: demo
demo: venv ## From this checkout to a denied and an admitted pod on a real node (root)
	@$(TOOL) demo

.PHONY: lab
lab: venv ## Start the one-node platform and leave it running (root)
	@$(TOOL) lab up

.PHONY: lab-bin
lab-bin: venv ## Compile what the platform is made of (minutes, once)
	@$(TOOL) lab build

.PHONY: clean-lab
clean-lab: venv ## Stop the platform; leaves nothing behind
	@$(TOOL) lab down

.PHONY: bench
bench: lab-bin ## Measure the admission server (ratios within one run)
	@$(MAKE) -C bench

.PHONY: docs
docs: venv ## Build the manual into doc/build/html
	@$(BIN)/sphinx-build -q -W --keep-going -b html doc/source doc/build/html
	@echo doc/build/html/index.html

.PHONY: lint
lint: venv ## Formatters and linters of every room
	$(call say,flake8$(comma) ruff and doc8)
	@$(BIN)/flake8
	@$(BIN)/ruff check -q .
	@$(BIN)/doc8 -q doc/source README.rst lab/README.rst
	$(call say,yamllint)
	@$(BIN)/yamllint -s .
	$(call say,gofmt$(comma) go vet$(comma) staticcheck)
	@test -z "$$(gofmt -l $(GO_ROOMS))" || { gofmt -l $(GO_ROOMS); echo "gofmt -w the files above"; exit 1; }
	@$(call analyse,admission,./...)
	@$(call analyse,admission/interop,./...)
	@$(call analyse,lab/notary,./...)
	@$(call analyse,lab,./cmd/labnode/... ./internal/...)
	@$(call analyse,bench,./...)
	@$(call analyse,tests/chart/tiller,./...)

comma := ,
# The lab's other commands only link Kubernetes: analysing that takes minutes.
analyse = cd $(1) && go vet $(2) && go run $(STATICCHECK) $(2)

.PHONY: test
test: lint lab-bin build/bin/cosign3 build/bin/notation test-tools ## All tests (the platform's need root)
	@$(MAKE) -j2 test-off-node test-on-node
	$(call say,all suites ended well)

# The node waits more than it works, so its suites run beside the others.
.PHONY: test-off-node test-on-node
test-off-node:
	@$(MAKE) test-server
	@$(MAKE) test-python
test-on-node:
	@$(MAKE) test-platform 2>&1 | sed -u '/^FAILED \|^ERROR /!s/^/node| /'

.PHONY: test-server
test-server: build/bin/cosign3 build/bin/notation ## The admission server, the trust server and the lab's own programs (Go)
	$(call say,Go tests)
	@cd lab/notary && go test ./...
	@cd lab && go test -race ./internal/... ./cmd/labnode/...
	@cd admission && go test -race ./...
	$(call say,signatures of the real cosign$(comma) notation$(comma) gpg and skopeo)
	@cd admission/interop && go test ./...

FUZZTIME ?= 10m
# Cryptography does not take the same way each time, and the fuzzer would spend
# a minute on each input to find out why.
FUZZ := -fuzztime $(FUZZTIME) -fuzzminimizetime 10x

.PHONY: fuzz
fuzz: build/bin/cosign3 ## Look for inputs that break a reader of the server (FUZZTIME for each: 10m)
	@cd admission && grep -rl '^func Fuzz' --include='*_test.go' . | while read -r file; do \
	  for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' "$$file"); do \
	    printf '\n=== %s\n' "$$name"; \
	    (cd "$$(dirname "$$file")" && go test -run '^$$' -fuzz "^$$name\$$" $(FUZZ) .); \
	  done; done

.PHONY: test-interop
test-interop: build/bin/cosign3 build/bin/cosign2 build/bin/notation ## Signatures of all tools, with cosign 2, which is built for this alone
	@cd admission/interop && go test -count=1 ./...

build/bin/cosign%: admission/interop/cosign%/go.mod
	$(call say,cosign $* from its sources: minutes the first time$(comma) then from Go's cache)
	@CGO_ENABLED=0 go build -C admission/interop/cosign$* -trimpath -ldflags='-s -w' \
	  -o '$(CURDIR)/$@' github.com/sigstore/cosign/v$*/cmd/cosign

.PHONY: test-tools
ifeq ($(IS_ROOT),0)
test-tools: venv ## Install Debian's programs that build and check packages (root)
	@for kind in rpm deb; do $(TOOL) packages $$kind --prepare || \
	  echo "tests/packaging will skip its $$kind packages"; done
else
test-tools:
	@echo "not root: tests/packaging skips what Debian's programs are missing for"
endif

build/bin/notation: admission/interop/notation/go.mod
	$(call say,notation from its sources: half a minute the first time$(comma) then from Go's cache)
	@CGO_ENABLED=0 go build -C admission/interop/notation -trimpath -ldflags='-s -w' \
	  -o '$(CURDIR)/$@' github.com/notaryproject/notation/cmd/notation

.PHONY: test-python
test-python: venv test-tools ## Plugin on every Python, chart, tarball, sysinv stand-in, docs
	$(call say,plugin on every Python found)
	@$(BIN)/python tests/contract/run_plugin_tests.py
	$(call say,contract$(comma) chart$(comma) tarball$(comma) sysinv stand-in$(comma) docs)
	@$(PYTEST) $(TEST_ROOMS)

.PHONY: test-platform
ifeq ($(IS_ROOT),0)
test-platform: venv build/bin/cosign3 build/bin/notation ## The whole path on a real node (root)
	$(call say,the real node: lab and end-to-end tests)
	@$(PYTEST) -s tests/lab tests/e2e
else
test-platform:
	@echo "skipped: tests/lab and tests/e2e start a real node and need root (sudo make test)"
endif
