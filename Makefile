# `make` or `make help` lists the targets. Each does one thing that CONTRIBUTING.md speaks of; .ci/run does them all.
.DEFAULT_GOAL := help
.PHONY: help build up test race vet lint fmt bench bench-registry floods figures image manifests e2e ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bench-registry: ## what the registry costs and how fast it is; needs etcd, and a machine that does nothing else
	cd test/registry && PAIFANG_FIGURES=1 go test -count=1 -run 'TestFigures|TestRival' -v .

bench: ## beside nginx, HAProxy and Caddy; writes docs/PERFORMANCE.md
	cd test/bench && go run . -out ../../docs/PERFORMANCE.md

IMAGE = dist/paifang-image.tar
image: ## an OCI image in dist/, without a daemon
	cd deploy && go run ./image -source .. -out $(abspath $(IMAGE))

e2e: ## on a real Kubernetes of two nodes; needs Linux, root, containerd, runc
	cd test/e2e && PAIFANG_E2E=required go test -count=1 -timeout 20m -v .

figures: ## what thousands of Ingresses cost, from a real API server and from files; needs what e2e needs, and a machine that has nothing else to do
	cd test/e2e && PAIFANG_E2E=required PAIFANG_FIGURES=1 go test -count=1 -timeout 15m -run TestFigures -v .
	cd test/system && PAIFANG_FIGURES=1 go test -count=1 -timeout 15m -run TestSlope -v .

floods: ## what attacks do to other clients, beside HAProxy; takes ten minutes of a machine that has nothing else to do
	cd test/flood && PAIFANG_VERSUS=1 go test -count=1 -timeout 30m -run TestVersus -v .

ci: ## everything a change has to pass
	.ci/run

manifests: ## the plain manifests of deploy, from its chart
	cd deploy && go run ./render

clean: ## remove what build made
	rm -f paifang
