# Everything a developer does here has a target; CI runs exactly these (.ci/run).
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.5.0
LINTER := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/orkestro/orkestro/pkg/buildinfo.version=$(VERSION)
FUZZTIME ?= 20s
BENCHMARKS := ./pkg/broker/... ./pkg/embeddedmongo/... ./pkg/jsonrpc/... ./services/...

.PHONY: help dev up down test test-short test-js build lint fmt bench bench-media chaos fuzz deps clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: ## Run the whole fleet in one process: demo page, API and operator's page on http://127.0.0.1:8080
	@go build -o bin/orkestro ./cmd/orkestro
	@exec bin/orkestro dev

up: ## Run a fleet with docker compose (deploy/compose), and wait until it is ready
	@deploy/compose/up

down: ## End that fleet; its data stays
	@docker compose --project-directory deploy/compose --profile '*' down --timeout 30

test: deps test-js ## Run every test with the race detector, real RabbitMQ and a real browser included
	go test -race -shuffle=on -timeout=15m ./...
	go test -shuffle=on -run='EveryStep|AnyInterleaving' ./services/wrapper/internal/session # every step; see race_on_test.go

test-short: ## Run the tests that need nothing installed and little time
	go test -short -shuffle=on ./...

test-js: ## Run the tests of the JavaScript client
	@if command -v node >/dev/null; then cd clients/js && node --test; \
	elif [ -n "$${CI:-}" ]; then echo "node is missing" >&2; exit 1; \
	else echo "node is missing: the tests of clients/js are skipped"; fi

build: ## Build the four programs into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/orkestro ./services/restapi ./services/wrapper ./services/mediaserver

lint: $(LINTER) ## Check style and habits
	$(LINTER) run ./...

fmt: $(LINTER) ## Format everything
	$(LINTER) fmt ./...

$(LINTER):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(@D)/golangci-lint $@

bench: deps ## Measure on this machine: the whole system, then each hot path alone
	go run ./tests/bench
	go test -run='^$$' -bench=. -benchmem -benchtime=1s $(BENCHMARKS)

bench-media: ## Measure what forwarding media costs, beside a plain Pion server; FLAGS="-n 100 -mode burst" narrows it
	go run ./tests/benchmedia $(FLAGS)

chaos: deps ## Kill processes of a fleet at random, N (50) times by SEED, and look for what got lost
	go run ./tests/chaos -n $(or $(N),50) $(if $(SEED),-seed $(SEED))

fuzz: ## Fuzz each decoder of outside bytes for FUZZTIME (20s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "$$file $$name"; \
			go test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "./$$(dirname "$$file")"; \
		done; \
	done

deps: ## Install what the tests use besides Go, from Debian packages, where that is possible
	@bash .ci/deps

clean: ## Remove what was built
	rm -rf bin artifacts
