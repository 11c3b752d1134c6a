#!/usr/bin/env bash
# node_exporter.sh DIRECTORY: the metrics of this very machine.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1
mkdir -p "$directory"
# Debian's name, then everybody else's.
binary=$(command -v prometheus-node-exporter || command -v node_exporter)
# By default it hides overlay file systems, and in a container the root is one: it would have no disk.
# systemd is asked for over a bus that containers do not have, once a second, with an error each.
serve "$directory" /metrics "$binary" --web.listen-address='127.0.0.1:{port}' --log.level=warn --no-collector.systemd \
  --collector.filesystem.fs-types-exclude='^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|mqueue|nsfs|proc|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs)$'
