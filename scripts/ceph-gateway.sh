#!/bin/bash
# A real S3 server on loopback for tests: one-node Ceph (monitor, one disk in a file, RADOS gateway).
#
#   ceph-gateway.sh up    DIR PORT        starts it in about 15 s; DIR is emptied first
#   ceph-gateway.sh down  DIR             stops it, by the pids that it wrote
#   ceph-gateway.sh quota DIR BYTES|off   quota of the whole user: uploads past it get 403 QuotaExceeded
#
# Needs the Debian packages radosgw ceph-mon ceph-osd ceph-common. Uses PORT and the two after it.
set -eu
readonly ACCESS_KEY=CEPHACCESSKEY SECRET_KEY=CEPHSECRETKEY0123456789 USER_ID=spillway

fail() {
  echo "ceph-gateway: $1" >&2
  exit 1
}

admin() {
  # Without its own admin socket: the name belongs to the gateway that runs.
  radosgw-admin -c "$dir/ceph.conf" -n client.rgw --admin-socket="$dir/admin.asok" "$@"
}

write_config() {
  # The gateway asks its monitor for an encrypted session, which "auth none" cannot give: without
  # ms_mon_client_mode=crc it waits for ever. One disk, one copy of everything.
  cat > "$dir/ceph.conf" <<CONFIG
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_objectstore = bluestore
bluestore_block_size = 10737418240
mon_data = $dir/mon
osd_data = $dir/osd
run_dir = $dir
log_file = $dir/log/\$name.log
admin_socket = $dir/\$name.asok
pid_file = $dir/\$name.pid
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
[client.rgw]
ms_mon_client_mode = crc
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_data = $dir
CONFIG
}

start() {
  rm -rf "$dir"
  mkdir -p "$dir/mon" "$dir/osd" "$dir/log"
  fsid=$(cat /proc/sys/kernel/random/uuid)
  write_config
  local config=$dir/ceph.conf
  monmaptool --create --fsid "$fsid" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" "$dir/monmap" > "$dir/log/start"
  ceph-mon -c "$config" --mkfs -i a --monmap "$dir/monmap"
  ceph-mon -c "$config" -i a
  local osd
  osd=$(cat /proc/sys/kernel/random/uuid)
  ceph -c "$config" osd new "$osd" >> "$dir/log/start"
  ceph-osd -c "$config" -i 0 --mkfs --osd-uuid "$osd" >> "$dir/log/start" 2>&1
  ceph-osd -c "$config" -i 0 >> "$dir/log/start" 2>&1
  start_gateway
  admin user create --uid=$USER_ID --display-name=$USER_ID \
    --access-key=$ACCESS_KEY --secret-key=$SECRET_KEY > "$dir/log/user"
  echo "{\"endpoint\":\"http://127.0.0.1:$port\",\"region\":\"us-east-1\",\"accessKey\":\"$ACCESS_KEY\",\"secretKey\":\"$SECRET_KEY\"}"
}

start_gateway() {
  local address
  address=$(sed -n 's/^rgw_frontends = beast endpoint=//p' "$dir/ceph.conf")
  radosgw -c "$dir/ceph.conf" -n client.rgw >> "$dir/log/start" 2>&1
  for _ in $(seq 90); do
    if curl -fs "http://$address" > /dev/null; then return; fi
    sleep 1
  done
  fail "no answer on $address after 90 s; see $dir/log"
}

stop() {
  local name pid
  for name in "$@"; do
    [ -s "$dir/$name.pid" ] || continue
    pid=$(cat "$dir/$name.pid")
    kill "$pid" 2> /dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
  done
}

set_quota() {
  # The gateway sums up what a user has only now and then, and keeps the sum for minutes: without these
  # two steps it would let uploads pass that its quota forbids.
  admin user stats --uid=$USER_ID --sync-stats > /dev/null
  admin quota set --quota-scope=user --uid=$USER_ID --max-size="$1"
  admin quota enable --quota-scope=user --uid=$USER_ID
  stop client.rgw
  start_gateway
}

command=${1:-help}
dir=${2:-}
[ "$command" = help ] || [ -n "$dir" ] || fail "which folder?"
case $command in
  up)
    port=${3:?which port?}
    start
    ;;
  down) stop client.rgw osd.0 mon.a ;;
  quota)
    if [ "${3:?how many bytes?}" = off ]; then
      admin quota disable --quota-scope=user --uid=$USER_ID
    else
      set_quota "$3"
    fi
    ;;
  *)
    sed -n '2,8p' "$0"
    exit 2
    ;;
esac
