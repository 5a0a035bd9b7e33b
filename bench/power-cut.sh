#!/usr/bin/env bash
# Cuts the power again and again while senders stream, and looks for every message that was
# acknowledged before the cut.
#
#   bench/power-cut.sh [CUTS] [CONNECT-CARE] [CARE-BENCH]
#
# The data lies on ext4 in an image on XFS. At a cut the image is cloned (reflink) in one instant: the
# clone holds what the disk had, and not what the kernel had still to write. Needs root, loop mounts
# and xfsprogs. Seen to fail with a build made for it:
#
#   cargo build --release -p care-web --features negative-control --target-dir target/negative
#   bench/power-cut.sh 20 target/negative/release/connect-care
#
# Ends with 0 when nothing was lost, 1 when something was.
set -euo pipefail

cuts=${1:-20}
care=$(realpath "${2:-target/release/connect-care}")
bench=$(realpath "${3:-target/release/care-bench}")
work=$(mktemp -d)
loop='' server='' stream=''

clean() {
  for process in $stream $server; do kill -9 "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; done
  for place in "$work/clone" "$work/disk"; do mountpoint -q "$place" && umount "$place"; done
  [ -z "$loop" ] || losetup -d "$loop"
  if mountpoint -q "$work/outer"; then umount "$work/outer"; fi
  rm -rf "$work"
}
trap clean EXIT

mkdir "$work/outer" "$work/disk" "$work/clone"
truncate -s 3G "$work/outer.img"
mkfs.xfs -q -m reflink=1 "$work/outer.img"
mount -o loop "$work/outer.img" "$work/outer"
fallocate -l 1G "$work/outer/disk.img"
mkfs.ext4 -q -F "$work/outer/disk.img"
loop=$(losetup -f --show "$work/outer/disk.img")
mount "$loop" "$work/disk"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(free_port) mllp=$(free_port)
"$care" --version
"$care" demo --people 0 --data "$work/disk/data" --port "$http" --mllp-port "$mllp" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 200); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$mllp") 2>/dev/null; then break; fi
  sleep 0.05
done
sync
ledger="$work/ledger"
: >"$ledger"
"$bench" stream --mllp-port "$mllp" --messages 100000 --connections 8 --ledger "$ledger" >"$work/stream.log" 2>&1 &
stream=$!
for _ in $(seq 600); do
  [ -s "$ledger" ] && break
  sleep 0.1
done

lost=0
for cut in $(seq "$cuts"); do
  sleep "0.$((RANDOM % 700 + 200))"
  if ! kill -0 "$stream" 2>/dev/null; then echo "the senders ended early:"; cat "$work/stream.log" "$work/server.log"; exit 1; fi
  acknowledged=$(wc -l <"$ledger")
  if [ "$acknowledged" -eq 0 ]; then echo "nothing was acknowledged before the cut, so nothing was shown"; exit 1; fi
  cp --reflink=always "$work/outer/disk.img" "$work/outer/clone.img"
  head -n "$acknowledged" "$ledger" >"$work/ledger-at-cut"
  mount -o loop "$work/outer/clone.img" "$work/clone"
  printf 'cut %2d: ' "$cut"
  found=$("$bench" reconcile "$work/clone/data" "$work/ledger-at-cut" 2>&1) || lost=$((lost + 1))
  echo "${found%%$'\n'*}"
  umount "$work/clone"
  rm "$work/outer/clone.img"
done
if [ "$lost" -gt 0 ]; then
  echo "RED: $lost of $cuts cuts lost or doubled an acknowledged message"
  exit 1
fi
echo "green: $cuts cuts, 0 acknowledged lost, 0 doubled"
