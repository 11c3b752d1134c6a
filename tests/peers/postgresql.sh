#!/usr/bin/env bash
# postgresql.sh DIRECTORY: an empty PostgreSQL server, durable against nothing but the death of its clients.
set -euo pipefail
# shellcheck source=tests/peers/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=$1
mkdir -p "$directory"
binaries=$(find_postgresql)

# The server refuses to run as root.
as_server=()
if ((EUID == 0)); then
  as_server=(runuser -u postgres --)
  chown postgres "$directory"
  if ! "${as_server[@]}" test -x "$directory"; then
    echo "the user postgres may not enter $directory: set TMPDIR to a folder that everybody may" >&2
    exit 1
  fi
fi
cd "$directory"
"${as_server[@]}" "$binaries/initdb" --pgdata="$directory/data" --username=postgres --auth=trust \
  --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$directory/initdb.log" 2>&1 ||
  { tail -n 20 "$directory/initdb.log" >&2; exit 1; }
# The server writes its process id itself, on the first line of this file.
ln -s data/postmaster.pid pid
for _ in 1 2 3; do
  port=$(free_port)
  # fsync is off for speed: the tests kill the bot, not the database. No socket file: its path may not be
  # longer than 107 bytes, and a temporary directory's often is. Each test makes its own pool.
  options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c max_connections=300"
  options+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  if "${as_server[@]}" "$binaries/pg_ctl" --pgdata="$directory/data" --log="$directory/log" --wait --timeout=30 \
    --options="$options" start </dev/null >/dev/null 2>&1; then
    echo "postgres://postgres@127.0.0.1:$port/postgres"
    exit
  fi
done
echo "PostgreSQL did not start; the end of its log:" >&2
tail -n 20 "$directory/log" >&2
exit 1
