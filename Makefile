# The two commands of the README are `make run` and `make test`; they need Go,
# make and a C compiler (the race detector) and nothing else.
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)
ADAPTERS := $(notdir $(patsubst %/main.go,%,$(wildcard plugins/*/main.go)))
TOOLS    := $(CURDIR)/.tools
GOLANGCI := $(TOOLS)/golangci-lint-2.15.0
PROTOGEN := $(TOOLS)/protogen-1.36.12
NFPM     := $(TOOLS)/nfpm-2.43.4
PROMTOOL := $(TOOLS)/promtool
GENERATED := plugins/sdk/api.txt plugins/sdk/proto

.DEFAULT_GOAL := help
.PHONY: help build run test check lint lua51 units rules deb package fmt generate fuzz bench chaos systemd hostile clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

build: ## build bin/rosterd and bin/plugins/NAME
	@mkdir -p bin/plugins
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/rosterd ./daemon
	@for a in $(ADAPTERS); do $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/plugins/$$a ./plugins/$$a || exit 1; done

run: build ## see the main job work: an import on sample data, nothing to set up
	./bin/rosterd quickstart

test: ## run every test with the race detector, and each fuzz target some thousand times
	$(GO) test -race -timeout 15m ./...
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3000x

check: lint generate lua51 units rules package ## lint, formats, generated files, units, alerting rules, package (installs its pinned tools)
	$(GO) mod tidy -diff
	@git diff --exit-code -- $(GENERATED) || (echo 'generated files differ: run make generate and commit'; exit 1)

lint: $(GOLANGCI)
	$(GOLANGCI) run ./...
	$(GOLANGCI) fmt --diff

# Lua patterns are compared with the reference implementation.
lua51:
	command -v lua5.1 >/dev/null || (apt-get update -qq && apt-get install -y -qq lua5.1)
	$(GO) test -count=1 -run Lua51 ./internal/mapping

# The units as systemd reads them, and how far they shut the service in: 20 is
# an exposure of 2.0.
units: build
	command -v systemd-analyze >/dev/null || (apt-get update -qq && apt-get install -y -qq systemd)
	daemon/packaging/check.sh units

# The alerting rules as Prometheus reads them, and what they say of made-up
# series.
rules: $(PROMTOOL)
	PATH=$(TOOLS):$$PATH daemon/packaging/check.sh rules

# Only the checker is taken out of Debian's package, which would start a server.
$(PROMTOOL):
	mkdir -p $(TOOLS)
	cd $(TOOLS) && apt-get update -qq && apt-get download -qq prometheus
	dpkg-deb --fsys-tarfile $(TOOLS)/prometheus_*.deb | tar -x -C $(TOOLS) --strip-components=3 ./usr/bin/promtool
	rm $(TOOLS)/prometheus_*.deb
	touch $@

deb: $(NFPM) ## build dist/rosterd_VERSION_ARCH.deb
	daemon/packaging/build.sh $(VERSION) $(NFPM) dist

package: deb
	command -v lintian >/dev/null || (apt-get update -qq && apt-get install -y -qq lintian)
	daemon/packaging/check.sh package dist/rosterd_*.deb

$(NFPM):
	GOBIN=$(TOOLS) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
	mv $(TOOLS)/nfpm $@

$(GOLANGCI):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

generate: $(PROTOGEN) ## write the generated files anew
	command -v protoc >/dev/null || (apt-get update -qq && apt-get install -y -qq protobuf-compiler)
	PATH=$(TOOLS):$$PATH $(GO) generate ./plugins/sdk/proto/...
	$(GO) doc -all ./plugins/sdk > plugins/sdk/api.txt

$(PROTOGEN):
	GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
	GOBIN=$(TOOLS) $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0
	touch $@

# A count and not a time: when a time is over, Go's fuzzer may report its own
# deadline as a failure (https://go.dev/issue/75804).
fuzz: ## fuzz every target FUZZTIME times (default 100000x)
	@for t in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func (Fuzz[A-Za-z0-9]+)' $$t/*_test.go | cut -d' ' -f2); do \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-100000x} $$t || exit 1; done; done

bench: build ## measure imports, syncs and their parts; see docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem ./...

chaos: ## kill the daemon in the middle of imports and syncs, and damage its database, many times
	$(GO) test -run ChaosEvery -count=1 -timeout 30m ./daemon -chaos.kills=300
	$(GO) test -run 'Chaos(No|A|Finds)' -count=1 -timeout 60m ./daemon -chaos.kills=250 -chaos.people=600
	$(GO) test -run ChaosStops -count=1 -timeout 60m ./daemon -chaos.stops=50 -chaos.people=600
	$(GO) test -run Chaos -count=1 -timeout 30m ./internal/store/bolt -chaos.flips=2000

systemd: $(NFPM) ## hold the package to its promises under systemd, in a container that boots; as root, some 10 minutes
	daemon/packaging/boot.sh $(NFPM) $(TOOLS)/machine-$${SUITE:-bookworm}

hostile: ## hold the verdicts on hostile scripts to their time; nothing else should run
	$(GO) test -count=1 -v -run HostileScripts ./internal/mapping -hostile.quiet

clean: ## remove what build and check made
	rm -rf bin dist .tools
