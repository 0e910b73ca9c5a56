#!/bin/sh
# Checks what the package is made of. It says nothing where all is well.
#
#	check.sh units        the units: what they say, and how far they shut in
#	check.sh rules        the alerting rules, and what they say of made-up series
#	check.sh package DEB  the package: what Debian asks of it, and that it
#	                      works from the folder that it is unpacked to
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# quietly runs a command and shows its output only where it fails.
quietly() {
	"$@" >"$work/output" 2>&1 || {
		echo "failed: $*" >&2
		cat "$work/output" >&2
		exit 1
	}
}

# verify lets systemd read the units of a folder. It warns of keys that it does
# not know, and ends well all the same.
verify() {
	quietly systemd-analyze verify "$1/rosterd.service" "$1/rosterd.socket"
	if [ -s "$work/output" ]; then
		cat "$work/output" >&2
		exit 1
	fi
}

check_units() {
	mkdir "$work/units"
	cp daemon/packaging/rosterd.socket "$work/units"
	# systemd looks whether the program is there.
	sed "s|/usr/bin/rosterd|$PWD/bin/rosterd|" daemon/packaging/rosterd.service >"$work/units/rosterd.service"
	verify "$work/units"
	# The drop-ins of the manual, each on its own: "```ini UNIT" begins one.
	awk -v dir="$work/drop-ins" '
		/^```ini / { unit = $2; n++; next }
		/^```/ { unit = "" }
		unit { to = dir "/" n "/" unit ".d"; if (!made[to]++) system("mkdir -p " to); print > (to "/manual.conf") }
	' docs/operations.md
	for dir in "$work"/drop-ins/*; do
		cp "$work/units/"* "$dir"
		verify "$dir"
	done
	quietly systemd-analyze security --offline=true --threshold=20 --no-pager "$work/units/rosterd.service"
}

check_rules() {
	quietly promtool check rules daemon/packaging/rosterd.rules.yml
	quietly promtool test rules daemon/packaging/rosterd.rules.test.yml
}

check_package() {
	quietly lintian --allow-root --fail-on error "$1"
	for script in postinst prerm postrm build.sh check.sh; do
		quietly sh -n "daemon/packaging/$script"
	done

	root=$work/root
	quietly dpkg-deb -x "$1" "$root"
	rosterd=$root/usr/bin/rosterd
	quietly env -i "$rosterd" version

	# The example as an operator takes it over, with the adapters of the package
	# and their pins, in /etc/rosterd of that folder.
	etc=$root/etc/rosterd
	cp -r "$root"/usr/share/doc/rosterd/examples/* "$etc"
	sed -i "s|/usr/lib/rosterd|$root/usr/lib/rosterd|; s|lock: plugins.lock|lock: $root/usr/lib/rosterd/plugins.lock|" "$etc/rosterd.yaml"
	quietly env -i "$rosterd" validate --config "$etc/rosterd.yaml"
	# It ends with an error where a program is not the pinned one, and writes
	# nothing where all are.
	cp "$root/usr/lib/rosterd/plugins.lock" "$work/pins"
	quietly env -i "$rosterd" adapter lock --config "$etc/rosterd.yaml"
	quietly cmp "$work/pins" "$root/usr/lib/rosterd/plugins.lock"

	# The main job, with the daemon and the adapters of the package.
	quietly env -i TMPDIR="$work" "$rosterd" quickstart
	if ! grep -q '^  served  *957 ' "$work/output"; then
		cat "$work/output" >&2
		exit 1
	fi

	# dpkg takes the package in and gives it up again. Its scripts need the
	# system that they are for, and are left out.
	mkdir -p "$work/system/var/lib/dpkg/updates" "$work/system/var/lib/dpkg/info"
	touch "$work/system/var/lib/dpkg/status" "$work/system/var/lib/dpkg/available"
	quietly dpkg --root="$work/system" --force-not-root --force-script-chrootless --force-depends --log=/dev/null --unpack "$1"
	quietly test -x "$work/system/usr/bin/rosterd"
}

case "$1" in
units) check_units ;;
rules) check_rules ;;
package) check_package "$2" ;;
esac
