#!/usr/bin/env bash
# Boots a Debian with systemd as its first process, in a container of
# systemd-nspawn, and has promises.sh say there what the package keeps:
# boot.sh NFPM FOLDER.
#
# What is booted is a copy of FOLDER, which is made once from Debian's packages.
# It has no network. SUITE names the release of Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
nfpm=$1 machine=$2 suite=${SUITE:-bookworm}

die() {
	echo "make systemd cannot run here: $*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || die "a container that boots has to be started by root"
command -v apt-get >/dev/null || die "it takes debootstrap and systemd-nspawn from Debian's packages, and there is no apt-get"
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$groups" ] || die "there is no cgroup2 file system (mount -t cgroup2), which systemd needs for its services"

work=$(mktemp -d)
group=$groups/rosterd-promises.$$
clean_up() {
	if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} +; fi
	rm -rf "$work"
}
trap clean_up EXIT

install_tools() {
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
	[ ${#missing[@]} = 0 ] && return
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } ||
		die "apt-get does not install ${missing[*]}"
}

make_machine() {
	echo "making a Debian $suite in $machine"
	rm -rf "$machine.part"
	mkdir -p "$(dirname "$machine")"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,init-system-helpers,ca-certificates,curl \
		"$suite" "$machine.part" >"$work/debootstrap.log" 2>&1 || {
		tail -n 20 "$work/debootstrap.log" >&2
		die "debootstrap does not make a Debian $suite"
	}
	cat >"$machine.part/etc/systemd/system/promises.service" <<-'UNIT'
		[Unit]
		After=multi-user.target
		[Service]
		ExecStart=/root/promises.sh
		WorkingDirectory=/root
		Environment=HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
		StandardOutput=append:/root/promises.log
		StandardError=inherit
		[Install]
		WantedBy=multi-user.target
	UNIT
	ln -s ../promises.service "$machine.part/etc/systemd/system/multi-user.target.wants/"
	echo rosterd-promises >"$machine.part/etc/hostname"
	mv "$machine.part" "$machine"
}

# put_in lays what is to be checked into the machine: the package in two versions,
# and an adapter of a third party, made as docs/adapters.md says.
put_in() {
	local home=$1 source=$PWD
	daemon/packaging/build.sh 1.0.0 "$nfpm" "$work/old"
	daemon/packaging/build.sh 1.0.1 "$nfpm" "$work/new"
	mv "$work"/old/*.deb "$home/old.deb"
	mv "$work"/new/*.deb "$home/new.deb"
	cp daemon/packaging/promises.sh internal/sandbox/sample/members.csv "$home"
	dpkg-deb -x "$home/old.deb" "$work/package"
	"$work/package/usr/bin/rosterd" adapter new greenbook --dir "$work/greenbook" >/dev/null
	cp go.sum daemon/packaging/testdata/probe.go "$work/greenbook"
	(
		cd "$work/greenbook"
		go mod edit -replace "github.com/rosterd/rosterd=$source"
		CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -o "$home/greenbook" . 2>/dev/null
	)
}

# boot runs the machine until it is switched off. nspawn lets Landlock through only
# where it is told to.
boot() {
	local again=133 code=133
	local nspawn=(systemd-nspawn --directory="$work/root" --boot --private-network --link-journal=no
		--register=no --console=pipe
		--system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self")
	if [ ! -d /run/systemd/system ]; then
		# Nobody here makes a control group for it. It then also leaves it to
		# others to start it again.
		nspawn+=(--keep-unit)
		export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
		mkdir "$group"
		echo "$BASHPID" >"$group/cgroup.procs"
	fi
	while [ "$code" = "$again" ]; do
		code=0
		timeout --kill-after=1m 30m "${nspawn[@]}" </dev/null || code=$?
	done >"$work/console.log" 2>&1
}

install_tools
[ -e "$machine" ] || make_machine
cp -a "$machine" "$work/root"
put_in "$work/root/root"
said=$work/root/root/promises.log
touch "$said"
boot &
tail -n +1 -f --pid=$! "$said"
wait $! || true
if ! grep -q '^[1-9][0-9]* promises kept, 0 broken' "$said"; then
	echo "not everything is kept; the machine's console ended with:" >&2
	tail -n 20 "$work/console.log" >&2
	exit 1
fi
