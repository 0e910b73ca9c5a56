#!/usr/bin/env bash
# What the package and its service keep under systemd, each by name, in a machine
# that is thrown away: boot.sh has it started there, as root, at each boot. One
# builds on those before it. Beside it lie old.deb, new.deb, members.csv and the
# adapter greenbook.
set -u

promises() {
	promise installed 'the package installs, and waits for a configuration'
	promise configured 'the example starts as the manual says, with its secret as a credential, and is ready when it answers'
	promise imported 'a CSV file is imported'
	promise journaled 'the journal has fields of jobs and runs, and neither people nor secrets'
	promise reached 'root and members of the group reach the daemon; others are told how'
	promise shut_in 'daemon, adapters and their keepers are shut in'
	promise diagnosed 'doctor finds nothing with the credentials of the service'
	promise handed_over 'the socket unit opens the public listener; no caller is refused during eight restarts'
	promise woken 'a caller starts a stopped daemon'
	promise killed 'a killed daemon is started again, and its import goes on'
	promise hung 'a hung daemon is killed by the watchdog, and its import goes on'
	promise stopped 'a stop during an import is in time and leaves no process; the import goes on'
	promise upgraded 'an upgrade during an import starts the daemon again, and the import goes on'
	promise reloaded 'a reload takes a good configuration over, and keeps the one that runs where it is faulty'
	promise housed 'a file in a home folder is read with the drop-in of the manual'
	promise extended 'an adapter of a third party, pinned in a lock of the operator, reads and is read'
	promise written 'a sync writes a file where the unit lets it, and says which setting lets it where not'
	promise confined 'an adapter reads and writes nothing that its settings do not name, and has no way out'
	promise bounded 'an adapter that takes too much memory is ended alone'
	promise backed_up 'a backup is written and verified while the daemon runs'
	promise owned 'root leaves nothing in the state that the service could not read'
	promise faulty 'a faulty configuration is not tried again, and is mended as the manual says'
	promise given_up 'a start that fails again and again is given up'
	promise on_time 'the service is to start at boot, behind a network that is slow'
}

promises_after_boot() {
	promise booted 'the service starts at boot, behind the network and its socket'
	promise removed 'a removal stops the service, and keeps configuration and state'
	promise returned 'an installation after it goes on'
	promise purged 'a purge removes the state, and leaves the configuration'
	promise restored 'a backup is restored before the first start, and runs'
}

# promise runs a check in a process of its own, and shows what it did where it
# fails.
promise() {
	local began=$SECONDS code=0 word
	systemctl reset-failed rosterd.service rosterd.socket 2>/dev/null
	timeout 300 bash -eux "$0" "$1" >output 2>&1 || code=$?
	case $code in
	0) word=kept ;;
	"$unchecked") word=unchecked ;;
	*) word=BROKEN ;;
	esac
	echo "$word" >>results
	printf '%-9s %s (%d s)\n' "$word" "$2" $((SECONDS - began))
	case $word in
	unchecked) tail -n 1 output | sed 's/^/          /' ;;
	BROKEN)
		{
			tail -n 40 output
			journalctl -u rosterd -n 20 --no-pager
		} | sed 's/^/          /'
		;;
	esac
}

# skip ends a check that this machine does not allow.
skip() {
	echo "$*"
	exit "$unchecked"
}
unchecked=42

# as runs a command as another user, as sudo -u does.
as() { setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"; }

# exits wants an exit code, and keeps what was printed in the file said.
exits() {
	local want=$1 got=0
	shift
	"$@" >said 2>&1 || got=$?
	cat said
	[ "$got" = "$want" ]
}

# await tries a command for some seconds.
await() {
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.5
	done
}

property() { systemctl show --property="$1" --value "${2:-rosterd.service}"; }

is() { [ "$(property "$1")" = "$2" ]; }

processes() { cat /sys/fs/cgroup/system.slice/rosterd.service/cgroup.procs; }

# adapter is the process of an adapter.
adapter() {
	local pid
	for pid in $(processes); do
		if grep -qz "plugins/$1\$" "/proc/$pid/cmdline"; then echo "$pid"; fi
	done
}

# drop_in gives the service a drop-in with what is on standard input.
drop_in() {
	mkdir -p /etc/systemd/system/rosterd.service.d
	cat >"/etc/systemd/system/rosterd.service.d/$1.conf"
	systemctl daemon-reload
}

imports() { curl -s http://127.0.0.1:9090/sandbox/imports | grep -o '"session_id"' | wc -l; }

# begin_import starts a run, and waits until some of its pages are served.
begin_import() {
	imports >imports-before
	rosterd job run acme/launch | tee said
	awk '{ print $2 }' said >run
	await 120 served_some
}

import_row() { rosterd runs | awk -v run="$(cat run)" '$1 == run { print $3, $NF }'; }

served_some() { import_row | grep -q '^delivering [1-9]'; }

served_all() { import_row | grep -q '^partial 957$'; }

# import_goes_on wants the run to end with everything served, and announced once.
import_goes_on() {
	await 150 served_all
	[ "$(imports)" = $(($(cat imports-before) + 1)) ]
}

installed() {
	apt-get install -y ./old.deb
	systemctl is-enabled rosterd.service
	exits 1 systemctl is-enabled rosterd.socket
	is ActiveState inactive
	is ConditionResult no
	[ "$(stat -c '%U:%G %a' /var/lib/rosterd)" = 'rosterd:rosterd 700' ]
	getent passwd rosterd | grep ':/usr/sbin/nologin$'
	bash -n /usr/share/bash-completion/completions/rosterd
}

configured() {
	cp -r /usr/share/doc/rosterd/examples/* /etc/rosterd/
	sed -i 's|lock: plugins.lock|lock: /usr/lib/rosterd/plugins.lock|
		s|^public_url: .*|public_url: http://127.0.0.1:8080|
		s|app_code_name: acmeimport|&, api_url: "http://127.0.0.1:9090"|' /etc/rosterd/rosterd.yaml
	install -D -m 644 members.csv /srv/acme/members.csv
	rosterd validate
	# Without its secret it says what is missing.
	exits 1 systemctl start rosterd
	is ExecMainStatus 78
	[ -z "$(ls -A /var/lib/rosterd)" ]
	journalctl -u rosterd | grep 'LoadCredential=intandem:PATH'
	install -d -m 700 /etc/rosterd/credentials
	(umask 077 && echo sandbox-token >/etc/rosterd/credentials/intandem)
	# Asking for what is not there begins nothing.
	exits 69 rosterd status
	exits 69 as rosterd rosterd runs
	printf '[Service]\nLoadCredential=intandem:/etc/rosterd/credentials/intandem\n' | drop_in credentials
	systemctl start rosterd
	is Type notify
	is ActiveState active
	property StatusText | grep '^1 job, 0 running'
	rosterd status
	curl -s -o /dev/null http://127.0.0.1:8080/
}

imported() {
	cat >/etc/systemd/system/intandem.service <<-UNIT
		[Service]
		DynamicUser=yes
		ExecStart=rosterd sandbox intandem --listen 127.0.0.1:9090 --app acmeimport --token sandbox-token \
			--pause 1s --retry-for 10m --api-uri $(rosterd connections | sed -n 's/.*api_uri: //p')
	UNIT
	systemctl start intandem
	exits 3 rosterd job run acme/launch --watch
	grep '^  served  *957 ' said
	awk '/^run / { print $2 }' said >run
}

journaled() {
	journalctl -u rosterd ROSTERD_JOB=acme/launch -o cat | grep 'run ended'
	journalctl -u rosterd "ROSTERD_RUN=$(cat run)" -o cat | grep 'import is over'
	journalctl -u rosterd -o export >journal
	exits 1 grep -i -a -e '@example\.' -e sandbox-token journal
}

reached() {
	useradd -m ann
	usermod -aG rosterd ann
	useradd -m bob
	rosterd status
	as ann rosterd status
	exits 77 as bob rosterd status
	grep 'adduser' said
	[ "$(stat -c '%U:%G %a' /run/rosterd)" = 'rosterd:rosterd 750' ]
}

shut_in() {
	processes
	[ "$(processes | wc -l)" -ge 3 ]
	local pid
	for pid in $(processes); do
		grep -P '^Uid:(\t'"$(id -u rosterd)"'){4}$' "/proc/$pid/status"
		grep -P '^CapBnd:\t0+$' "/proc/$pid/status"
		grep -P '^NoNewPrivs:\t1$' "/proc/$pid/status"
		grep -P '^Seccomp:\t2$' "/proc/$pid/status"
	done
}

diagnosed() {
	exits 0 systemd-run --pipe --wait --quiet --property=User=rosterd \
		--property=LoadCredential=intandem:/etc/rosterd/credentials/intandem rosterd doctor
	grep '^ok .*credentials  *acme/intandem' said
	grep 'adapters are confined by Landlock' said
}

# ask counts the answers of the public listener until the file asking is gone.
ask() {
	while [ -e asking ]; do
		curl -s -o /dev/null -w '%{http_code} %{errormsg}\n' http://127.0.0.1:8080/nothing || true
	done
}

handed_over() {
	systemctl stop rosterd
	systemctl enable --now rosterd.socket
	systemctl start rosterd
	touch asking
	for _ in 1 2 3 4; do ask >>answers & done
	for _ in 1 2 3 4 5 6 7 8; do systemctl restart rosterd; done
	rm asking
	wait
	sort answers | uniq -c
	[ "$(sort -u answers)" = '404 ' ]
	[ "$(wc -l <answers)" -ge 20 ]
}

woken() {
	systemctl stop rosterd
	is ActiveState inactive
	[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/nothing)" = 404 ]
	is ActiveState active
}

killed() {
	systemctl restart rosterd
	begin_import
	systemctl kill -s KILL rosterd
	await 60 is NRestarts 1
	import_goes_on
	rosterd state check
}

hung() {
	systemctl restart rosterd
	begin_import
	kill -STOP "$(property MainPID)"
	await 120 is NRestarts 1
	journalctl -u rosterd -n 2000 | grep 'Watchdog timeout'
	await 60 is ActiveState active
	import_goes_on
	rosterd state check
}

stopped() {
	begin_import
	systemctl stop rosterd.socket rosterd
	is Result success
	[ ! -e /sys/fs/cgroup/system.slice/rosterd.service ]
	[ ! -e /run/rosterd ]
	local left
	left=$(grep -ls "^Uid:.$(id -u rosterd)" /proc/[0-9]*/status || true)
	[ -z "$left" ]
	systemctl start rosterd.socket rosterd
	import_goes_on
}

upgraded() {
	begin_import
	apt-get install -y ./new.deb
	is ActiveState active
	rosterd status | grep '^rosterd 1.0.1,'
	import_goes_on
	systemctl is-active rosterd.socket
}

beta() {
	cat <<-'YAML'
		accounts:
		  beta:
		    name: Beta
		    country: CA
		    timezone: America/Toronto
		    clubs: {main: {name: Main}}
		    connections:
		      people: {adapter: ndjson, settings: {path: /srv/acme/people.ndjson, id: no}}
		      file: {adapter: ndjson, settings: {write: /srv/acme/out/people.ndjson}}
		    jobs:
		      people: {type: sync, from: people, to: file, kinds: [member], read: all, mapping: people.lua, schedule: manual}
	YAML
}

reloaded() {
	for i in {1..400}; do echo "{\"no\":$i,\"first\":\"First$i\",\"last\":\"Last$i\"}"; done >/srv/acme/people.ndjson
	install -d -o rosterd /srv/acme/out
	echo 'return mapping{first_name = source.first, last_name = source.last, status = "active", type = "member"}' >/etc/rosterd/scripts/people.lua
	# A customer whose file is not filled in stops a reload, and no start.
	rosterd account add delta --name Delta --country CA --timezone America/Toronto --connection people=ndjson
	exits 1 systemctl reload rosterd
	systemctl restart rosterd
	rm /etc/rosterd/accounts.d/delta.yaml
	local before
	before=$(property MainPID)
	beta | sed 's/timezone: .*/timezone: Mars/' >/etc/rosterd/accounts.d/beta.yaml
	exits 1 systemctl reload rosterd
	is ActiveState active
	journalctl -u rosterd -n 20 | grep 'beta.yaml:5:.*Mars'
	rosterd status | grep 'has 1 fault, and the daemon goes on with what it has'
	beta >/etc/rosterd/accounts.d/beta.yaml
	systemctl reload rosterd
	is MainPID "$before"
	property StatusText | grep '^2 jobs, '
}

housed() {
	useradd -m acme
	install -d -o acme -g acme -m 750 /home/acme/export
	install -o acme -g acme -m 640 members.csv /home/acme/export/members.csv
	sed -i 's|/srv/acme/members.csv|/home/acme/export/members.csv|' /etc/rosterd/rosterd.yaml
	systemctl reload rosterd
	exits 78 rosterd job run acme/launch --watch
	printf '[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths=/home/acme/export\nSupplementaryGroups=acme\n' | drop_in home
	systemctl restart rosterd
	exits 3 rosterd job run acme/launch --watch
	grep '^  served  *957 ' said
}

extended() {
	# A server that has one member, whatever it is asked.
	cat >/etc/systemd/system/members.socket <<-'UNIT'
		[Socket]
		ListenStream=127.0.0.1:9191
		Accept=yes
	UNIT
	cat >/etc/systemd/system/members@.service <<-'UNIT'
		[Service]
		StandardInput=socket
		ExecStart=bash /root/members.sh
	UNIT
	cat >members.sh <<-'SH'
		while read -r line && [ "$line" != $'\r' ]; do :; done
		body='{"members":[{"id":1,"first_name":"Ann","last_name":"Lee","email":null,"active":true}]}'
		printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' ${#body} "$body"
	SH
	systemctl daemon-reload
	systemctl start members.socket
	cat >>/etc/rosterd/accounts.d/beta.yaml <<-'YAML'
		  gamma:
		    name: Gamma
		    country: CA
		    timezone: America/Toronto
		    connections:
		      book: {adapter: greenbook, settings: {base_url: "http://127.0.0.1:9191", token: {credential: intandem}}}
		      file: {adapter: ndjson, settings: {write: /srv/acme/out/book.ndjson}}
		    jobs:
		      book: {type: sync, from: book, to: file, kinds: [member], read: all, mapping: book.lua, schedule: manual}
	YAML
	echo 'return mapping{first_name = source.first_name, last_name = source.last_name, status = "active", type = "member"}' >/etc/rosterd/scripts/book.lua
	install -m 755 greenbook /usr/lib/rosterd/plugins/greenbook
	sed -i 's|lock: /usr/lib/rosterd/plugins.lock|lock: plugins.lock|' /etc/rosterd/rosterd.yaml
	rosterd adapter lock
	rosterd validate
	systemctl restart rosterd
	rosterd plan gamma/book | grep '1'
}

written() {
	exits 78 rosterd job run beta/people --watch
	grep 'ReadWritePaths=' said
	printf '[Service]\nReadWritePaths=/srv/acme/out\n' | drop_in write
	systemctl restart rosterd
	rosterd job run beta/people --watch
	rosterd job run gamma/book --watch
	[ "$(wc -l </srv/acme/out/people.ndjson)" = 400 ]
	[ "$(wc -l </srv/acme/out/book.ndjson)" = 1 ]
	rosterd job run beta/people --watch | grep 'unchanged 400'
	[ "$(wc -l </srv/acme/out/people.ndjson)" = 400 ]
}

managed() { cat /run/rosterd/adapters/*/*/managed; }

confined() {
	rosterd job run gamma/book --watch
	kill -USR2 "$(adapter greenbook)"
	await 20 managed
	[ "$(managed)" = 'read /etc/nsswitch.conf' ]
}

gone() { [ ! -e "/proc/$1" ]; }

bounded() {
	grep -qw memory /sys/fs/cgroup/cgroup.controllers || { set +x && skip 'the machine that boots this one bounds memory in a hierarchy of its own'; }
	rosterd job run gamma/book --watch
	local before hungry
	before=$(property MainPID) hungry=$(adapter greenbook)
	systemctl set-property --runtime rosterd MemoryMax=400M
	kill -USR1 "$hungry"
	await 120 gone "$hungry"
	journalctl -u rosterd -n 20 | grep 'killed by the OOM killer'
	is MainPID "$before"
	rosterd job run gamma/book --watch
	systemctl set-property --runtime rosterd MemoryMax=2G
}

backed_up() {
	install -d -o rosterd -g rosterd -m 700 /backups
	as rosterd rosterd state backup /backups
	rosterd state check /backups/rosterd-*.tar.gz
	install -m 600 /var/lib/rosterd/master.key /var/lib/rosterd/export.secret /backups
}

owned() {
	systemctl stop rosterd.socket rosterd
	exits 77 rosterd status
	grep 'sudo -u ' said
	exits 77 rosterd state compact
	as rosterd rosterd state compact
	as rosterd rosterd status
	[ -z "$(find /var/lib/rosterd ! -user rosterd)" ]
	systemctl start rosterd.socket rosterd
}

faulty() {
	cp /etc/rosterd/rosterd.yaml good.yaml
	echo 'nonsense: 1' >>/etc/rosterd/rosterd.yaml
	exits 1 systemctl restart rosterd
	is ExecMainStatus 78
	sleep 8
	is NRestarts 0
	is ActiveState failed
	# A caller tries it again through the socket, until systemd has enough.
	curl -s -m 20 http://127.0.0.1:8080/ || true
	await 60 socket_failed
	cp good.yaml /etc/rosterd/rosterd.yaml
	rosterd validate
	systemctl reset-failed rosterd.service
	systemctl start rosterd.socket rosterd.service
	rosterd status
}

socket_failed() { systemctl is-failed rosterd.socket; }

given_up() {
	systemctl stop rosterd.socket rosterd
	printf '[Service]\nExecStart=\nExecStart=/bin/false\n' | drop_in false
	exits 1 systemctl start rosterd
	await 200 is ActiveState failed
	is NRestarts 10
	rm /etc/systemd/system/rosterd.service.d/false.conf
	systemctl daemon-reload
	systemctl reset-failed rosterd
	systemctl start rosterd.socket rosterd
}

on_time() {
	cat >/etc/systemd/system/slow-network.service <<-'UNIT'
		[Unit]
		Before=network-online.target
		[Service]
		Type=oneshot
		ExecStart=sleep 10
		[Install]
		WantedBy=network-online.target
	UNIT
	systemctl enable slow-network.service
	systemctl is-enabled rosterd.service rosterd.socket
}

booted() {
	is ActiveState active
	local network service socket
	network=$(property ActiveEnterTimestampMonotonic network-online.target)
	socket=$(property ActiveEnterTimestampMonotonic rosterd.socket)
	service=$(property ExecMainStartTimestampMonotonic)
	[ "$socket" -gt 0 ]
	[ "$service" -gt "$socket" ]
	[ "$service" -gt "$network" ]
	[ "$network" -gt 10000000 ]
	rosterd job run beta/people --watch
}

removed() {
	apt-get remove -y rosterd
	is ActiveState inactive
	[ ! -e /usr/bin/rosterd ]
	[ ! -e /run/rosterd ]
	[ -e /var/lib/rosterd/rosterd.db ]
	[ -e /etc/rosterd/rosterd.yaml ]
	exits 7 curl -s http://127.0.0.1:8080/
}

returned() {
	apt-get install -y ./new.deb
	is ActiveState active
	systemctl is-active rosterd.socket
	rosterd adapter lock --update
	rosterd job run beta/people --watch | grep 'unchanged 400'
}

purged() {
	apt-get purge -y rosterd
	[ ! -e /var/lib/rosterd ]
	[ -e /etc/rosterd/rosterd.yaml ]
	getent passwd rosterd
	[ -z "$(find /etc/systemd/system -name 'rosterd.s*' -type l)" ]
}

restored() {
	mv /etc/rosterd/rosterd.yaml good.yaml
	apt-get install -y ./new.deb
	mv good.yaml /etc/rosterd/rosterd.yaml
	as rosterd rosterd state restore /backups/rosterd-*.tar.gz
	# The master key, which was a file of the state, is a credential from here on.
	install -o rosterd -g rosterd -m 600 /backups/export.secret /var/lib/rosterd
	systemd-creds encrypt --name=master.key /backups/master.key /etc/rosterd/credentials/master.key.cred
	printf '[Service]\nLoadCredentialEncrypted=master.key:/etc/rosterd/credentials/master.key.cred\n' | drop_in key
	sed -i 's|^#keys:|keys:|; s|^#  master:|  master:|' /etc/rosterd/rosterd.yaml
	systemctl start rosterd
	rosterd status | grep 'restored'
	rosterd runs | grep 'gamma/book'
	rosterd job run beta/people --watch | grep 'unchanged 400'
}

if [ $# -gt 0 ]; then
	"$@"
	exit
fi
if [ ! -e rebooted ]; then
	promises
	touch rebooted
	systemctl reboot
	exit
fi
promises_after_boot
echo "$(grep -c kept results) promises kept, $(grep -c BROKEN results) broken, $(grep -c unchecked results) not checked"
systemctl poweroff
