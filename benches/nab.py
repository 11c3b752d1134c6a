#!/usr/bin/env python3
"""The AWS part of the Numenta Anomaly Benchmark, each series alone, by its published rules.

    nab.py PROGRAM DATA [RESULTS] [--budgets B...]

PROGRAM is a `smartcloudops`; DATA a folder with `realAWSCloudwatch` (or `data/realAWSCloudwatch`) and
`labels/combined_windows.json`, as in https://github.com/numenta/NAB; RESULTS that repository's folder
`results`, for the same table of the detectors whose scores are published.

A model learns from the probation of a series (its first 15 %), looks at the rest in order, and knows no
other series. `evaluate --nab` scores all of them together: with the best threshold, which is what the
benchmark's own scoreboard does, and by the alarms as they were raised, of which only the beginning counts:
that is when people are told. The published detectors have no alarms. Several budgets are tried: the first
is what people have who set nothing.
"""

import argparse
import csv
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

PROBATION = 0.15
PART = "realAWSCloudwatch"
PROFILES = ["standard", "low_FP", "low_FN"]


def seconds(text):
    moment = datetime.datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def series_of(data):
    folder = next(it for it in [data / PART, data / "data" / PART] if it.is_dir())
    windows = json.loads((data / "labels" / "combined_windows.json").read_text())
    for file in sorted(folder.glob("*.csv")):
        with open(file, newline="") as lines:
            rows = [(seconds(row["timestamp"]), row["value"]) for row in csv.DictReader(lines)]
        yield file.stem, rows, windows[f"{PART}/{file.name}"]


def write(file, header, rows):
    with open(file, "w", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def scored(program, folder, name, rows, budget):
    """A score and the beginning of an alarm for each row; zeros in the probation."""
    cut = int(PROBATION * len(rows))
    past, now, scores = folder / "past.csv", folder / "now.csv", folder / "scores.csv"
    for file, part in [(past, rows[:cut]), (now, rows[cut:])]:
        write(file, ["host", "timestamp", "value"], ([name, at, value] for at, value in part))
    model = folder / f"{name}.model"
    run(program, "train", "--csv", past, "--model", model, "--budget", budget)
    run(program, "detect", "--model", model, "--csv", now, "--scores", scores)
    yield from ([name, at, 0, 0] for at, _ in rows[:cut])
    before = "0"
    with open(scores, newline="") as lines:
        for row in csv.DictReader(lines):
            yield [name, row["timestamp"], row["score"], int(before == "0" and row["alarm"] == "1")]
            before = row["alarm"]


def judged(program, folder, rows, labels):
    scores, truth = folder / "all.csv", folder / "labels.csv"
    write(scores, ["entity", "timestamp", "score", "alarm"], rows)
    write(truth, ["entity", "start", "end"], labels)
    said = run(program, "evaluate", "--scores", scores, "--labels", truth, "--nab", "--json")
    return json.loads(said)


def line(name, nab):
    print(f"| {name} | " + " | ".join(f"{nab[profile]:.1f}" for profile in PROFILES) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path, nargs="?")
    parser.add_argument("--budgets", nargs="+", default="0.1 0.02 0.05 0.2 0.4 0.8 1.6".split())
    asked = parser.parse_args()
    program = asked.program.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        all_series = list(series_of(asked.data))
        labels = [
            [name, seconds(start), seconds(end)]
            for name, _, windows in all_series
            for start, end in windows
        ]
        print(f"{len(all_series)} series, {len(labels)} windows\n")
        print("| detector | standard | low false positives | low false negatives |\n|---|---|---|---|")
        for budget in asked.budgets:
            rows = [
                row
                for name, series, _ in all_series
                for row in scored(program, folder, name, series, budget)
            ]
            ours = judged(program, folder, rows, labels)
            if budget == asked.budgets[0]:
                line("our scores, best threshold", ours["nab"])
            line(f"our alarms, budget {budget}", ours["nab_given_alarms"])
        for detector in sorted(asked.results.iterdir()) if asked.results else []:
            files = sorted((detector / PART).glob("*.csv")) if detector.is_dir() else []
            if not files:
                continue
            rows = []
            for file in files:
                name = file.stem.removeprefix(f"{detector.name}_")
                with open(file, newline="") as lines:
                    rows += [
                        [name, seconds(row["timestamp"]), row["anomaly_score"], 0]
                        for row in csv.DictReader(lines)
                    ]
            line(detector.name, judged(program, folder, rows, labels)["nab"])


if __name__ == "__main__":
    main()
