# shellcheck shell=bash
# What the peer scripts share. A peer is a real program that the tests talk to: it listens on a free
# loopback port, keeps everything in the directory it is given, writes its process id to DIRECTORY/pid and
# its output to DIRECTORY/log, and prints its URL once it is ready.

free_port() {
  python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# until_true SECONDS COMMAND...: polls until the command succeeds, at most this long.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# stop_pid PID [SIGNAL]: asks it to stop, waits at most 10 seconds, then insists.
stop_pid() {
  kill -s "${2:-TERM}" "$1" 2>/dev/null || return 0
  until_true 10 is_gone "$1" || kill -s KILL "$1" 2>/dev/null || true
}

is_gone() {
  # A zombie answers signals too, but it is gone.
  ! kill -0 "$1" 2>/dev/null || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# How a peer is asked whether it is ready; a script may set both before `serve`.
scheme=http
curl_options=()

is_ready() {
  curl "${curl_options[@]}" --silent --fail --max-time 2 --output /dev/null "$1"
}

ready_or_gone() {
  is_ready "$1" || is_gone "$2"
}

# in_background COMMAND...: detached, so that it outlives this shell and a Ctrl-C meant for it.
in_background() {
  if command -v setsid >/dev/null; then
    exec setsid "$@"
  else
    exec "$@"
  fi
}

# serve DIRECTORY READY_PATH COMMAND...: starts the command with `{port}` in its arguments replaced by a
# free port, waits until READY_PATH answers (asked as `scheme` and `curl_options` say), prints the URL. A port that somebody else took in between
# is a new try.
serve() {
  local directory=$1 path=$2 port pid
  shift 2
  for _ in 1 2 3; do
    port=$(free_port)
    in_background "${@//\{port\}/$port}" </dev/null >"$directory/log" 2>&1 &
    pid=$!
    echo "$pid" >"$directory/pid"
    if until_true 30 ready_or_gone "$scheme://127.0.0.1:$port$path" "$pid" && ! is_gone "$pid"; then
      echo "$scheme://127.0.0.1:$port"
      return
    fi
    stop_pid "$pid"
  done
  echo "$(basename "$1") did not start; the end of its log:" >&2
  tail -n 20 "$directory/log" >&2
  return 1
}

# python_with NAME REQUIREMENT...: prints a Python that has these packages, of an environment that is made
# once and kept.
python_with() {
  local name=$1 folder
  shift
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/smartcloudops/python/$name-$(sha256sum <<<"$*" | cut -c 1-12)
  if [[ ! -e $folder/complete ]]; then
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    touch "$folder/complete"
  fi
  echo "$folder/bin/python"
}

# query URL PROMQL: the first number of the answer, or nothing.
query() {
  curl --silent --max-time 5 --get --data-urlencode "query=$2" "$1/api/v1/query" |
    python3 -c 'import json, sys
try:
    print(json.load(sys.stdin)["data"]["result"][0]["value"][1])
except (ValueError, LookupError):
    pass'
}

# answers URL PROMQL NUMBER
answers() {
  [[ $(query "$1" "$2") == "$3" ]]
}

# find_postgresql: the folder of its programs. Debian keeps them out of the PATH, one folder per version.
find_postgresql() {
  local binaries
  binaries=$(find /usr/lib/postgresql -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1) || true
  echo "${binaries:-$(dirname "$(command -v initdb)")}"
}
