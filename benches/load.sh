#!/usr/bin/env bash
# Starts the real program and measures it: start, memory, questions. `benches/load.sh --help` tells more.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/toolchain.sh
source tests/toolchain.sh

if [[ ${1-} == --help ]]; then
  cat <<'TEXT'
Builds the release and measures it on loopback, in a temporary directory, with a day of samples stored:
from start to ready, memory when idle, questions per second, memory after many questions. Prints each
figure beside its target. Needs Linux and python3, and takes about five minutes after the build.

Usage: benches/load.sh [QUESTIONS]     (10000 when not given)

Exit status: 0 when every target was met, 1 when one was missed, other when it could not be measured.
TEXT
  exit
fi

use_installed_toolchain
cargo build --release --locked --bin smartcloudops
target=${CARGO_TARGET_DIR:-target}
exec python3 benches/load.py "$target/release/smartcloudops" "${1:-10000}"
