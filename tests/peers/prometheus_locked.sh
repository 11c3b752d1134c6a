#!/usr/bin/env bash
# prometheus_locked.sh DIRECTORY: behind TLS with a certificate of its own authority, and a password.
# The authority's certificate is in DIRECTORY/ca.pem; the user is `bot`, the password `correct horse`.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1
mkdir -p "$directory"
cd "$directory"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=test authority' \
  -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=127.0.0.1' \
  -keyout server.key -out server.csr 2>/dev/null
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem \
  -extfile <(printf 'subjectAltName=IP:127.0.0.1') 2>/dev/null
# `correct horse`, by bcrypt with cost 4: it protects nothing.
cat >web.yml <<'YAML'
tls_server_config: {cert_file: server.pem, key_file: server.key}
basic_auth_users:
  bot: $2b$04$USnSPxN0pbpl3Rndzn..DeDh0pOgOFu1cUQE8fDv2WpW/P1R9GGpG
YAML
cat >prometheus.yml <<'YAML'
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: ["127.0.0.1:9"]}]
YAML
# shellcheck disable=SC2034  # read by `serve`
scheme=https curl_options=(--cacert ca.pem --user 'bot:correct horse')
serve "$directory" /-/ready prometheus --config.file=prometheus.yml --web.config.file=web.yml \
  --storage.tsdb.path=data --web.listen-address='127.0.0.1:{port}' --log.level=warn
