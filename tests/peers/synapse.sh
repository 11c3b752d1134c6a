#!/usr/bin/env bash
# synapse.sh DIRECTORY: a Matrix homeserver, `localhost`, without federation and without rate limits. Who knows
# the shared secret `registers` makes accounts. Nothing is synced to disk: a test's server need not survive.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/peers/common.sh
source "$here/common.sh"

mkdir -p "$1"
directory=$(realpath "$1")
python=$(python_with matrix matrix-synapse==1.163.0 'matrix-nio[e2e]==0.26.0' aiohttp==3.14.5)

cat >"$directory/logging.yaml" <<'YAML'
version: 1
formatters: {plain: {format: "%(asctime)s %(levelname)s %(name)s: %(message)s"}}
handlers: {console: {class: logging.StreamHandler, formatter: plain}}
root: {level: WARNING, handlers: [console]}
YAML
cat >"$directory/template.yaml" <<YAML
server_name: localhost
public_baseurl: http://127.0.0.1:PORT/
listeners:
  - {port: PORT, bind_addresses: [127.0.0.1], tls: false, type: http, resources: [{names: [client], compress: false}]}
database: {name: sqlite3, args: {database: $directory/homeserver.db}}
log_config: $directory/logging.yaml
media_store_path: $directory/media
signing_key_path: $directory/signing.key
registration_shared_secret: registers
macaroon_secret_key: macaroon
form_secret: form
report_stats: false
trusted_key_servers: []
federation_domain_whitelist: []
suppress_key_server_warning: true
presence: {enabled: false}
url_preview_enabled: false
# Argon2 and bcrypt are for real passwords.
bcrypt_rounds: 4
rc_message: &unlimited {per_second: 10000, burst_count: 10000}
rc_registration: *unlimited
rc_login: {address: *unlimited, account: *unlimited, failed_attempts: *unlimited}
rc_admin_redaction: *unlimited
rc_joins: {local: *unlimited, remote: *unlimited}
rc_joins_per_room: *unlimited
rc_invites: {per_room: *unlimited, per_user: *unlimited, per_issuer: *unlimited}
rc_media_create: *unlimited
rc_key_requests: *unlimited
rc_room_creation: *unlimited
YAML

# The port is known only when it is tried.
# shellcheck disable=SC2016
serve "$directory" /_matrix/client/versions bash -c '
  sed "s/PORT/$1/g" "$2/template.yaml" >"$2/homeserver.yaml"
  "$3" -m synapse.app.homeserver --config-path "$2/homeserver.yaml" --generate-keys
  exec "$3" -m synapse.app.homeserver --config-path "$2/homeserver.yaml"
' synapse '{port}' "$directory" "$python"
