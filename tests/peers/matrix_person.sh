#!/usr/bin/env bash
# matrix_person.sh DIRECTORY HOMESERVER: people who use the homeserver that synapse.sh started there.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/peers/common.sh
source "$here/common.sh"

mkdir -p "$1"
# What synapse.sh has made already.
python=$(python_with matrix matrix-synapse==1.163.0 'matrix-nio[e2e]==0.26.0' aiohttp==3.14.5)
serve "$1" /ready "$python" "$here/matrix_person.py" \
  --homeserver "$2" --secret registers --port '{port}' --ready "$1/ready"
