#!/bin/bash
# The tests that need a real server: installs Ceph's gateway from Debian's packages when it is missing,
# starts one of its own on loopback, runs test/servers against it, and stops it.
#
# What cannot run here is said loudly, and SPILLWAY_TEST_SERVERS=required makes it a failure.
set -eu
cd "$(dirname "$0")/.."
readonly PORT=${SPILLWAY_CEPH_PORT:-17480}

skip() {
  echo "test-servers: SKIPPED: $1" >&2
  [ "${SPILLWAY_TEST_SERVERS:-}" = required ] && exit 1
  exit 0
}

have() {
  command -v "$1" > /dev/null
}

install_missing() {
  local missing=()
  have radosgw || missing+=(radosgw)
  have ceph-mon || missing+=(ceph-mon)
  have ceph-osd || missing+=(ceph-osd)
  have ceph || missing+=(ceph-common)
  have redis-server || missing+=(redis-server)
  have bsdtar || missing+=(libarchive-tools)
  have zstd || missing+=(zstd)
  [ ${#missing[@]} -gt 0 ] || return 0
  have apt-get || skip "no apt-get here to install ${missing[*]}"
  [ "$(id -u)" = 0 ] || skip "not root, and these packages are missing: ${missing[*]}"
  echo "test-servers: installing ${missing[*]}"
  apt-get update -qq || skip "apt-get update failed"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    > /tmp/spillway-test-servers-apt.log 2>&1 ||
    skip "apt-get could not install ${missing[*]}; see /tmp/spillway-test-servers-apt.log"
}

install_missing
dir=$(mktemp -d /tmp/spillway-ceph.XXXXXX)
finish() {
  bash scripts/ceph-gateway.sh down "$dir/ceph"
  rm -rf "$dir"
}
trap finish EXIT

echo "test-servers: starting Ceph on port $PORT"
if ! SPILLWAY_CEPH=$(bash scripts/ceph-gateway.sh up "$dir/ceph" "$PORT"); then
  skip "Ceph did not start"
fi
export SPILLWAY_CEPH
export SPILLWAY_CEPH_DIR="$dir/ceph"
npx vitest run --config test/servers/vitest.config.ts
