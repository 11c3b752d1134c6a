"""Runs each small bot against a Slack that floods it, and prints how much it costs. `run --help` tells more."""

import json
import os
import subprocess
import sys
import time
import urllib.request

# All at once: what is measured is how many a bot manages, and not how long it waits.
EVENTS, WARM, ROUNDS = 6000, 200, 3
TARGET_EVENTS, TARGET_MEMORY = 10, 1 / 5
TICKS = os.sysconf("SC_CLK_TCK")


def ask(url: str, data: bytes | None = None) -> dict:
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=90) as answer:
        return json.load(answer)


def until(slack: str, name: str, count: int) -> None:
    """Waits until it counts so many."""
    while (state := ask(f"{slack}/state"))[name] < count:
        assert state["wrong"] == 0, state
        time.sleep(0.05)


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


def measure(flood: str, command: list[str]) -> dict:
    with subprocess.Popen([flood, "serve"], stdout=subprocess.PIPE, text=True) as double:
        slack = double.stdout.readline().strip()
        bot = subprocess.Popen([*command, f"{slack}/api", "xoxb-bench", "xapp-bench"], stdout=subprocess.DEVNULL)
        try:
            until(slack, "connections", 1)
            # What is compiled or read with the first events is no part of it.
            ask(f"{slack}/flood?events={WARM}", b"")
            until(slack, "answered", WARM)
            before, begun = cpu(bot.pid), time.monotonic()
            ask(f"{slack}/flood?events={EVENTS}", b"")
            until(slack, "acknowledged", WARM + EVENTS)
            acknowledged = time.monotonic() - begun
            until(slack, "answered", WARM + EVENTS)
            spent, seconds = cpu(bot.pid) - before, time.monotonic() - begun
            return {"events_per_cpu_second": EVENTS / spent, "megabytes": memory(bot.pid),
                    "acknowledged": acknowledged, "seconds": seconds}
        finally:
            bot.terminate()
            bot.wait()
            double.terminate()


def main() -> None:
    flood, ours, python, node = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    bots = {"ours": [ours], "Bolt for Python": [python, f"{here}/bolt.py"], "Bolt for JavaScript": [node, f"{here}/bolt.mjs"]}
    results = {}
    print(f"{EVENTS} events at once, each answered with one message; the middle one of {ROUNDS} rounds\n")
    print(f"{'':22}{'events per CPU second':>24}{'memory':>12}{'all acknowledged':>20}{'all answered':>16}")
    for name, command in bots.items():
        rounds = sorted((measure(flood, command) for _ in range(ROUNDS)), key=lambda it: it["events_per_cpu_second"])
        result = results[name] = rounds[ROUNDS // 2]
        print(f"{name:22}{result['events_per_cpu_second']:>24.0f}{result['megabytes']:>9.0f} MB"
              f"{result['acknowledged']:>18.1f} s{result['seconds']:>14.1f} s")
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
