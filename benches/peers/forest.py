"""Makes the data set, measures the peers and ours on it, and prints all beside the targets."""

import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

ROWS, METRICS, UNUSUAL = 24_000, 38, 480
ROUNDS, LIVE_ROUNDS = 3, 20


def data_set():
    """Metrics that follow six hidden loads; in the unusual rows three of them went astray."""
    random = numpy.random.default_rng(38)
    loads = random.normal(size=(ROWS, 6))
    rows = loads @ random.normal(size=(6, METRICS)) + random.normal(size=(ROWS, METRICS))
    unusual = random.choice(ROWS, UNUSUAL, replace=False)
    spread = rows.std(axis=0)
    for row in unusual:
        metrics = random.choice(METRICS, 3, replace=False)
        rows[row, metrics] += random.choice([-1, 1], 3) * random.uniform(3, 6, 3) * spread[metrics]
    labels = numpy.zeros(ROWS, dtype=bool)
    labels[unusual] = True
    return rows.astype("<f4"), labels


def milliseconds(work, rounds):
    """The middle one of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def peer(new, score, rows, labels):
    """Fit, batch and live times of a Python model, and its AUC. `score` gives more to the unusual."""
    model = new()
    fit = milliseconds(lambda: new().fit(rows), ROUNDS)
    model.fit(rows)
    return {
        "fit": fit,
        "batch": milliseconds(lambda: score(model, rows), ROUNDS),
        "live": milliseconds(lambda: score(model, rows[:1]), LIVE_ROUNDS),
        "auc": roc_auc_score(labels, score(model, rows)),
    }


def ours(directory, rows, labels):
    data, scores = directory / "rows.f32", directory / "scores.f32"
    rows.tofile(data)
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "forest_peer", "--"]
    command += [str(data), str(METRICS), str(scores)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    figures["auc"] = roc_auc_score(labels, numpy.fromfile(scores, dtype="<f4"))
    return figures


def main():
    warnings.filterwarnings("ignore")
    rows, labels = data_set()
    settings = {"n_estimators": 100, "max_samples": 256, "n_jobs": 1, "random_state": 0}
    found = {
        "smartcloudops": ours(Path(sys.argv[1]), rows, labels),
        "scikit-learn IsolationForest": peer(
            lambda: IsolationForest(**settings), lambda model, rows: -model.score_samples(rows), rows, labels
        ),
        "PyOD IForest": peer(
            lambda: IForest(**settings), lambda model, rows: model.decision_function(rows), rows, labels
        ),
        "PyOD ECOD": peer(ECOD, lambda model, rows: model.decision_function(rows), rows, labels),
    }
    our = found["smartcloudops"]
    print(f"{ROWS} rows of {METRICS} metrics, {UNUSUAL} unusual; milliseconds, and times as long as ours")
    print(f"{'':<30} {'fit':>16} {'all rows':>18} {'one row':>20} {'AUC':>7}")
    for name, figures in found.items():
        cells = [f"{figures[what]:.4g} ({figures[what] / our[what]:,.1f})" for what in ("fit", "batch", "live")]
        print(f"{name:<30} {cells[0]:>16} {cells[1]:>18} {cells[2]:>20} {figures['auc']:>7.4f}")

    scikit = found["scikit-learn IsolationForest"]
    verdicts = [
        ("fit", f"{our['fit']:.2f} ms", "<= 5 ms", our["fit"] <= 5),
        ("rows per second", f"{ROWS / our['batch'] * 1000:,.0f}", ">= 1,500,000", ROWS / our["batch"] >= 1500),
        ("one row", f"{our['live'] * 1000:.2f} us", "<= 3 us", our["live"] <= 0.003),
        ("all rows, as scikit-learn", f"{scikit['batch'] / our['batch']:,.1f} x", ">= 2.5 x", scikit["batch"] >= 2.5 * our["batch"]),
        ("one row, as scikit-learn", f"{scikit['live'] / our['live']:,.0f} x", ">= 1,000 x", scikit["live"] >= 1000 * our["live"]),
        ("AUC beside scikit-learn's", f"{our['auc'] - scikit['auc']:+.4f}", ">= -0.01", our["auc"] >= scikit["auc"] - 0.01),
    ]
    for what, figure, target, met in verdicts:
        print(f"{what:<30} {figure:>14}  {target:<14} {'met' if met else 'MISSED'}")
    sys.exit(0 if all(met for *_, met in verdicts) else 1)


main()
