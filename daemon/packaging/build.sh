#!/bin/sh
# Builds the Debian package: build.sh VERSION NFPM OUT.
# The same commit gives the same bytes, wherever it is built.
set -eu
cd "$(dirname "$0")/../.."
version=$1 nfpm=$2 out=$3
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
umask 022

MTIME=$(date -u -d "@$(git log -1 --format=%ct)" +%Y-%m-%dT%H:%M:%SZ)
ARCH=$(go env GOARCH)
# A version of Debian begins with a digit, and what comes before a release
# sorts before it: v1.2.3-rc.1 is 1.2.3~rc.1.
DEB_VERSION=$(echo "$version" | sed -E 's/^v//; s/-(alpha|beta|rc)/~\1/; s/-/+/g; /^[0-9]+\.[0-9]/!s/^/0.0.0+git./')

flags="-s -w -X main.version=$version"
export CGO_ENABLED=0
go build -trimpath -ldflags "$flags" -o "$STAGE/rosterd" ./daemon
mkdir "$STAGE/plugins" "$STAGE/completion"
for main in plugins/*/main.go; do
	name=$(basename "$(dirname "$main")")
	go build -trimpath -ldflags "$flags" -o "$STAGE/plugins/$name" "./plugins/$name"
done

for shell in bash zsh fish; do
	"$STAGE/rosterd" completion "$shell" >"$STAGE/completion/$shell"
done

# The adapters of the package, pinned as they are in it.
cat >"$STAGE/rosterd.yaml" <<YAML
version: 1
state_dir: state
plugins: {dir: plugins, lock: plugins.lock}
accounts: {}
YAML
"$STAGE/rosterd" adapter lock --config "$STAGE/rosterd.yaml" >/dev/null

# Licenses ask for their text, and some for where the source is.
for main in ./daemon ./plugins/*/main.go; do
	go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "$main"
done | LC_ALL=C sort -u | while read -r module at dir; do
	printf '==== %s %s, source: https://pkg.go.dev/%s@%s\n\n' "$module" "$at" "$module" "$at"
	cat "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE* 2>/dev/null || true
	printf '\n'
done >"$STAGE/third-party-licenses"
cat "$(go env GOROOT)/LICENSE" >>"$STAGE/third-party-licenses"

cat >"$STAGE/changelog" <<TEXT
rosterd ($DEB_VERSION) stable; urgency=medium

  * Version $version. CHANGELOG.md of the source says what is new.

 -- rosterd maintainers <maintainers@rosterd.example>  $(date -u -d "$MTIME" -R)
TEXT
gzip -9n "$STAGE/changelog" "$STAGE/third-party-licenses"

mkdir -p "$out"
rm -f "$out"/rosterd_*.deb
sed -e "s|\${STAGE}|$STAGE|; s|\${MTIME}|$MTIME|; s|\${ARCH}|$ARCH|; s|\${DEB_VERSION}|$DEB_VERSION|" \
	daemon/packaging/nfpm.yaml >"$STAGE/nfpm.yaml"
"$nfpm" package --config "$STAGE/nfpm.yaml" --packager deb \
	--target "$out/rosterd_${DEB_VERSION}_$ARCH.deb"
