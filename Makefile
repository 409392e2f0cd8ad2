# `make` or `make help` lists the targets. Each does one thing that CONTRIBUTING.md speaks of; .ci/run does them all.
.DEFAULT_GOAL := help
.PHONY: help build up test race vet lint fmt bench ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the binary ./paifang
	go build -o paifang ./cmd/paifang

up: ## run both roads with the built-in example
	go run ./cmd/paifang up

test: ## all tests
	go test ./...

race: ## all tests with the race detector
	go test -race ./...

vet: ## go vet for Linux, macOS and Windows
	go vet ./...
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...

lint: ## golangci-lint, in the version that .ci/run pins
	.ci/run lint

fmt: ## format every Go file
	gofmt -w $$(find . -name '*.go' -not -path '*/testdata/*')

bench: ## beside nginx, HAProxy and Caddy; writes docs/PERFORMANCE.md
	cd test/bench && go run . -out ../../docs/PERFORMANCE.md

ci: ## everything a change has to pass
	.ci/run

clean: ## remove what build made
	rm -f paifang
