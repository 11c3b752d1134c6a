#!/usr/bin/env bash
# slack.sh DIRECTORY: a double of Slack (slack.py), whose messages are judged by Slack's own SDK.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/peers/common.sh
source "$here/common.sh"

mkdir -p "$1"
python=$(python_with slack aiohttp==3.14.5 slack_sdk==3.48.0)
serve "$1" /_double/ready/state "$python" "$here/slack.py" --port '{port}' --ready "$1/ready"
