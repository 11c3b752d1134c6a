#!/usr/bin/env python3
"""How long a question takes through the whole program and a double of Slack, beyond what Prometheus takes.

    benches/answer_time.py PROMETHEUS [PROGRAM [QUESTIONS]]

PROMETHEUS is the address of one that knows the fleet (`tests/run --keep` prints one); PROGRAM is
target/release/smartcloudops, built with `--features slack`. Each question is asked when the one before it is answered,
and the query that its answer names is then asked of Prometheus directly.
"""

import subprocess
import sys
import time
import urllib.parse
import urllib.request

from chat_load import PROGRAM, running

SIGNALS = ("cpu", "memory", "disk", "load", "network in")
HOSTS = ("web-1", "web-2", "web-3", "db-1", "db-2", "worker-1", "worker-2", "worker-3")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def query_of(message: dict) -> str:
    """What an answer says that it asked: the last part of its small print."""
    notes = [it["text"] for block in message["blocks"] if block["type"] == "context" for it in block["elements"]]
    return notes[-1].split(" · ", 2)[2]


def main(prometheus: str, program: str = str(PROGRAM), questions: str = "300") -> None:
    with running(program, f'[metrics.prometheus]\nurl = "{prometheus}"\n') as (ask, _, config):
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


if __name__ == "__main__":
    main(*sys.argv[1:])
