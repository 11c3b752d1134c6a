#!/usr/bin/env bash
# prometheus_fleet.sh DIRECTORY FLEET: a Prometheus that scrapes nothing and knows the fleet of fleet.py.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1 fleet=$2
mkdir -p "$directory/data"

# Long blocks, because promtool reads its input once for each; the flag is hidden, so it may go away.
longer=--max-block-duration=18h
promtool tsdb create-blocks-from "$longer" openmetrics --help >/dev/null 2>&1 || longer=--quiet
find "$fleet" -name '*.om' -print0 |
  xargs -0 -P "$(nproc)" -I '{}' \
    promtool tsdb create-blocks-from openmetrics --quiet "$longer" '{}' "$directory/data" >"$directory/blocks.log" 2>&1 ||
  { tail -n 20 "$directory/blocks.log" >&2; exit 1; }

echo 'scrape_configs: []' >"$directory/prometheus.yml"
# Blocks of one length are never compacted: nothing works in the background while tests measure.
url=$(serve "$directory" /-/ready prometheus --config.file="$directory/prometheus.yml" \
  --storage.tsdb.path="$directory/data" --storage.tsdb.retention.time=10y \
  --storage.tsdb.min-block-duration=2h --storage.tsdb.max-block-duration=2h \
  --web.listen-address='127.0.0.1:{port}' --log.level=warn)
if ! until_true 15 answers "$url" 'count(up)' 20; then
  echo "Prometheus does not show the 20 hosts of the fleet" >&2
  exit 1
fi
echo "$url"
