#!/usr/bin/env bash
# discord.sh DIRECTORY: a double of Discord (discord.py), whose requests are judged by Discord's own description
# of its API (discord-openapi.json.gz: specs/openapi.json of discord/discord-api-spec, MIT licence).
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/peers/common.sh
source "$here/common.sh"

mkdir -p "$1"
python=$(python_with discord aiohttp==3.14.5 jsonschema==4.26.0)
serve "$1" /_double/ready/state "$python" "$here/discord.py" --port '{port}' --ready "$1/ready" \
  --openapi "$here/discord-openapi.json.gz"
