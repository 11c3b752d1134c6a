#!/usr/bin/env bash
# prometheus_live.sh DIRECTORY NODE_EXPORTER_URL: scrapes that node_exporter and itself every second.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1 node=${2#http://}
mkdir -p "$directory"
# Its own address is known only when the port is: the file is a template until then.
cat >"$directory/template.yml" <<YAML
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ["$node"]
        labels: {environment: test, role: runner}
  - job_name: prometheus
    static_configs:
      - targets: ["127.0.0.1:{port}"]
        labels: {environment: test, role: monitoring}
YAML
# shellcheck disable=SC2016  # expanded by the inner shell
url=$(serve "$directory" /-/ready bash -c '
  sed "s/{por[t]}/$1/" "$2/template.yml" >"$2/prometheus.yml"
  exec prometheus --config.file="$2/prometheus.yml" --storage.tsdb.path="$2/data" \
    --web.listen-address="127.0.0.1:$1" --log.level=warn' prometheus '{port}' "$directory")
# Both targets scraped, often enough for a rate.
if ! until_true 30 answers "$url" 'count(up == 1 and on (instance) count_over_time(up[1m]) >= 3)' 2; then
  echo "Prometheus did not reach both of its targets within 30 s" >&2
  exit 1
fi
echo "$url"
