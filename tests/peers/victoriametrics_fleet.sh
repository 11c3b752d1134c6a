#!/usr/bin/env bash
# victoriametrics_fleet.sh DIRECTORY FLEET: VictoriaMetrics with the fleet of fleet.py.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1 fleet=$2
mkdir -p "$directory"
# By default answers leave out the newest 30 s, and memory for 60 % of the machine is reserved.
url=$(serve "$directory" /health victoria-metrics -storageDataPath="$directory/data" -retentionPeriod=12 \
  -search.latencyOffset=0s -search.disableCache -memory.allowedBytes=512MB \
  -httpListenAddr='127.0.0.1:{port}' -loggerLevel=WARN)
for file in "$fleet"/*.om; do
  # OpenMetrics counts seconds, VictoriaMetrics milliseconds.
  sed -e '/^#/d' -e 's/$/000/' "$file" |
    curl --silent --show-error --fail --max-time 60 --request POST --upload-file - "$url/api/v1/import/prometheus"
done
curl --silent --show-error --fail --max-time 30 --output /dev/null "$url/internal/force_flush"
if ! until_true 15 answers "$url" 'count(up)' 20; then
  echo "VictoriaMetrics does not show the 20 hosts of the fleet" >&2
  exit 1
fi
echo "$url"
