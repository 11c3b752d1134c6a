"""Runs each small bot against a double of Slack and prints how much it costs. `run --help` tells more."""

import json
import os
import subprocess
import sys
import time
import urllib.request

# All at once: what is measured is how many a bot manages, and not how long it waits.
EVENTS, ROUNDS = 6000, 3
TARGET_EVENTS, TARGET_MEMORY = 10, 1 / 5
TICKS = os.sysconf("SC_CLK_TCK")


def ask(url: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)


def family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with open(f"/proc/{parent}/task/{parent}/children") as children:
            found += map(int, children.read().split())
    return found


def cpu(pid: int) -> float:
    """Seconds."""
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid: int) -> float:
    """Megabytes at most."""
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/status") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return total / 1024


def measure(double: str, name: str, command: list[str]) -> dict:
    world = f"{double}/_double/{name}"
    bot = subprocess.Popen([*command, f"{double}/api", f"xoxb-{name}", f"xapp-{name}"], stdout=subprocess.DEVNULL)
    try:
        ask(f"{world}/wait?connections=1&timeout=60")
        # What is compiled or read with the first events is no part of it.
        ask(f"{world}/flood", {"events": 200, "per_second": 200, "text": "warm"})
        ask(f"{world}/wait?messages=200&timeout=60")
        before, begun = cpu(bot.pid), time.monotonic()
        ask(f"{world}/flood", {"events": EVENTS, "per_second": 1_000_000, "text": "hello"})
        while ask(f"{world}/flood")["acked"] < EVENTS:
            time.sleep(0.2)
        ask(f"{world}/wait?messages={EVENTS + 200}&timeout=60")
        spent, flood = cpu(bot.pid) - before, ask(f"{world}/flood")
        return {"events_per_cpu_second": EVENTS / spent, "megabytes": memory(bot.pid), "p99_ms": flood["p99_ms"],
                "seconds": time.monotonic() - begun}
    finally:
        bot.terminate()
        bot.wait()


def main() -> None:
    double, ours, python, node = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    bots = {"ours": [ours], "Bolt for Python": [python, f"{here}/bolt.py"], "Bolt for JavaScript": [node, f"{here}/bolt.mjs"]}
    results = {}
    print(f"{EVENTS} events at once, each answered with one message; the middle one of {ROUNDS} rounds\n")
    print(f"{'':22}{'events per CPU second':>24}{'memory':>12}{'acknowledged, p99':>20}")
    for number, (name, command) in enumerate(bots.items()):
        rounds = [measure(double, f"bench{number}x{turn}", command) for turn in range(ROUNDS)]
        rounds.sort(key=lambda it: it["events_per_cpu_second"])
        result = results[name] = rounds[ROUNDS // 2]
        print(f"{name:22}{result['events_per_cpu_second']:>24.0f}{result['megabytes']:>9.0f} MB{result['p99_ms']:>17.1f} ms")
    missed = False
    print()
    for name in list(bots)[1:]:
        times = results["ours"]["events_per_cpu_second"] / results[name]["events_per_cpu_second"]
        share = results["ours"]["megabytes"] / results[name]["megabytes"]
        missed |= times < TARGET_EVENTS or share > TARGET_MEMORY
        print(f"beside {name}: {times:.1f} times the events (target {TARGET_EVENTS}), {share:.2f} of the memory "
              f"(target {TARGET_MEMORY:.2f})")
    sys.exit(missed)


main()
