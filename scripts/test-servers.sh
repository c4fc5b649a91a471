#!/bin/bash
# The tests that need real servers: installs what is missing of Debian's packages; runs the databases, which
# their tests start themselves, promtool on the metrics, and Chromium on the page; then starts a Ceph gateway on
# loopback and runs the rest against it. First of all come the faults that take long: every step of a run, every
# system call; then a simulated quarter of a year.
#
# What cannot run here is said loudly, and SPILLWAY_TEST_SERVERS=required makes it a failure.
set -eu
cd "$(dirname "$0")/.."
readonly PORT=${SPILLWAY_CEPH_PORT:-17480}
readonly LOG=/tmp/spillway-test-servers-apt.log

skip() {
  echo "test-servers: SKIPPED: $1" >&2
  if [ "${SPILLWAY_TEST_SERVERS:-}" = required ]; then exit 1; fi
}

have() {
  command -v "$1" > /dev/null
}

# install PACKAGE... : 1 and a word about it where that cannot be.
install() {
  [ $# -gt 0 ] || return 0
  have apt-get || { skip "no apt-get here to install $*"; return 1; }
  [ "$(id -u)" = 0 ] || { skip "not root, and these packages are missing: $*"; return 1; }
  echo "test-servers: installing $*"
  apt-get update -qq || { skip "apt-get update failed"; return 1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > "$LOG" 2>&1 ||
    { skip "apt-get could not install $*; see $LOG"; return 1; }
}

databases() {
  local missing=()
  compgen -G '/usr/lib/postgresql/*/bin/postgres' > /dev/null || missing+=(postgresql)
  [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
  have mariadb-dump || missing+=(mariadb-client)
  have zstd || missing+=(zstd)
  install ${missing[@]+"${missing[@]}"} || return 0
  npx vitest run --config test/servers/vitest.config.ts postgres.test.ts mariadb.test.ts
}

monitoring() {
  if ! have promtool; then
    install prometheus || return 0
    # Only its tool is wanted.
    if have systemctl; then systemctl disable --now prometheus > /dev/null 2>&1 || true; fi
  fi
  npx vitest run --config test/servers/vitest.config.ts metrics.test.ts
}

# On model servers, and here because they take their time.
faults() {
  have strace || install strace || true
  npx vitest run --config test/servers/vitest.config.ts \
    crash-points.test.ts system-calls.test.ts servers/power-cut.test.ts faults-in-a-run.test.ts \
    extract-race.test.ts many-files.test.ts servers/kills.test.ts
}

soak() {
  npx vitest run --config test/servers/vitest.config.ts servers/soak.test.ts
}

page() {
  [ -x "${SPILLWAY_CHROMIUM:-/usr/bin/chromium}" ] || install chromium fonts-dejavu-core || return 0
  npx vitest run --config test/servers/vitest.config.ts page.test.ts page-troubles.test.ts
}

finish() {
  bash scripts/ceph-gateway.sh down "$dir/ceph"
  rm -rf "$dir"
}

gateway() {
  local missing=()
  have radosgw || missing+=(radosgw)
  have ceph-mon || missing+=(ceph-mon)
  have ceph-osd || missing+=(ceph-osd)
  have ceph || missing+=(ceph-common)
  have redis-server || missing+=(redis-server)
  have bsdtar || missing+=(libarchive-tools)
  have zstd || missing+=(zstd)
  have getfattr || missing+=(attr)
  have getfacl || missing+=(acl)
  have setcap || missing+=(libcap2-bin)
  install ${missing[@]+"${missing[@]}"} || return 0
  dir=$(mktemp -d /tmp/spillway-ceph.XXXXXX)
  trap finish EXIT
  echo "test-servers: starting Ceph on port $PORT"
  if ! SPILLWAY_CEPH=$(bash scripts/ceph-gateway.sh up "$dir/ceph" "$PORT"); then
    skip "Ceph did not start"
    return 0
  fi
  export SPILLWAY_CEPH
  export SPILLWAY_CEPH_DIR="$dir/ceph"
  npx vitest run --config test/servers/vitest.config.ts \
    --exclude '**/*postgres.test.ts' --exclude '**/*mariadb.test.ts' --exclude '**/metrics.test.ts' \
    --exclude '**/crash-points.test.ts' --exclude '**/system-calls.test.ts' \
    --exclude '**/power-cut.test.ts' \
    --exclude '**/faults-in-a-run.test.ts' --exclude '**/extract-race.test.ts' \
    --exclude '**/many-files.test.ts' --exclude '**/kills.test.ts' \
    --exclude '**/*page*.test.ts' --exclude '**/soak.test.ts'
}

# Each is run whatever becomes of the others.
failed=0
(faults) || failed=1
(soak) || failed=1
(databases) || failed=1
(monitoring) || failed=1
(page) || failed=1
(gateway) || failed=1
exit $failed
