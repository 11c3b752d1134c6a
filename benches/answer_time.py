#!/usr/bin/env python3
"""How long a question takes through the whole program and a double of Slack, beyond what Prometheus takes.

    benches/answer_time.py PROMETHEUS [PROGRAM [QUESTIONS]]

PROMETHEUS is the address of one that knows the fleet (`tests/run --keep` prints one); PROGRAM is
target/release/smartcloudops, built with `--features slack`. Each question is asked when the one before it is answered,
and the query that its answer names is then asked of Prometheus directly.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from chat_load import CONFIG, ROOT

SIGNALS = ("cpu", "memory", "disk", "load", "network in")
HOSTS = ("web-1", "web-2", "web-3", "db-1", "db-2", "worker-1", "worker-2", "worker-3")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def query_of(message: dict) -> str:
    """What an answer says that it asked: the last part of its small print."""
    notes = [it["text"] for block in message["blocks"] if block["type"] == "context" for it in block["elements"]]
    return notes[-1].split(" · ", 2)[2]


def main(prometheus: str, program: str = str(ROOT / "target/release/smartcloudops"), questions: str = "300") -> None:
    with tempfile.TemporaryDirectory() as folder:
        double = subprocess.run([ROOT / "tests/peers/slack.sh", f"{folder}/slack"], check=True, capture_output=True,
                                text=True).stdout.strip()
        pid = int(Path(folder, "slack/pid").read_text())

        def ask(path: str, body: object = None) -> dict:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{double}/_double/load/{path}", data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)

        config = Path(folder, "load.toml")
        metrics = f'[metrics.prometheus]\nurl = "{prometheus}"\n'
        config.write_text(CONFIG.format(folder=folder, double=double) + metrics)
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            bot = subprocess.Popen([program, "serve", "--config", config], stdout=log, stderr=log)
        try:
            ask("wait?connections=1&timeout=60")
            subprocess.run([program, "--config", config, "roles", "grant", "viewer", "slack:TLOAD:U1"], check=True,
                           capture_output=True)
            whole, beyond = [], []
            for number in range(int(questions)):
                # No two are the same, so that none is answered from what is known.
                signal, host = SIGNALS[number % len(SIGNALS)], HOSTS[number % len(HOSTS)]
                text = f"{signal} of {host} over the last {10 + number}m"
                begun = time.perf_counter()
                ask("message", {"channel": "D1", "user": "U1", "text": text})
                state = ask(f"wait?messages={number + 1}&channel=D1&timeout=30")
                took = time.perf_counter() - begun
                query = query_of(state["messages"]["D1"][-1])
                begun = time.perf_counter()
                address = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
                with urllib.request.urlopen(address, timeout=30) as answer:
                    answer.read()
                whole.append(took)
                beyond.append(took - (time.perf_counter() - begun))
            print(f"{questions} questions answered after {percentile(whole, 0.5) * 1000:.0f} ms at the median and "
                  f"{percentile(whole, 0.99) * 1000:.0f} ms for 99 of 100;")
            print(f"beyond what Prometheus took {percentile(beyond, 0.5) * 1000:.0f} ms and "
                  f"{percentile(beyond, 0.99) * 1000:.0f} ms")
        finally:
            bot.terminate()
            bot.wait()
            os.kill(pid, 15)


if __name__ == "__main__":
    main(*sys.argv[1:])
