"""The measurements of load.sh: load.py PROGRAM QUESTIONS"""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

STARTS = 10
# The program keeps a day of samples, one every five seconds.
SAMPLES = 17_280
NUMBERS = 16
IDLE_SECONDS = 30
TARGET_START = 0.250
TARGET_MEMORY = 50 * 1024
# Questions asked before the bare commits are measured again: the disk is never the same for long.
ROUND = 250

QUESTIONS = [
    "what's the cpu?",
    "memory on localhost",
    "status",
    "which mount is the fullest?",
    "meomry usage, please",
    "what's the weather like in Paris?",
    "load",
    "whoami",
    "help",
    "restart nginx on web-99",
]
# Each looks at many samples and draws them.
PICTURES = ["cpu over the last 24 hours as a chart", "average disk over the last day", "max load 6h"]
WARM_UP = (QUESTIONS + PICTURES) * 2


class Installation:
    """A directory with the program's configuration and all that it keeps."""

    def __init__(self, program, directory):
        self.program = program
        self.directory = pathlib.Path(directory)
        self.database = self.directory / "bot.db"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.directory / "smartcloudops.toml").write_text(
            f'[bot]\ntimezone = "UTC"\n[log]\ndirectory = "{directory}/logs"\n'
            f'[store]\nurl = "sqlite:{self.database}"\n[http]\nlisten = "127.0.0.1:{self.port}"\n'
        )

    @contextlib.contextmanager
    def running(self, command, **pipes):
        """The program, until the block is left; then it must stop by itself when told to."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SMARTCLOUDOPS_", "XDG_"))
        }
        environment["HOME"] = str(self.directory)
        environment["SMARTCLOUDOPS_CONFIG"] = str(self.directory / "smartcloudops.toml")
        process = subprocess.Popen(
            [self.program, command],
            env=environment,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **pipes},
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
            if process.stdin:
                process.stdin.close()
            elif process.poll() is None:
                process.send_signal(signal.SIGTERM)
            if process.wait(timeout=30) != 0:
                sys.exit(f"`{command}` ended with {process.returncode}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def get(self, path):
        """The first line of an answer over HTTP; nothing when there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                return connection.recv(65536).split(b"\r\n", 1)[0]
        except OSError:
            return b""

    def until_ready(self, process):
        """Seconds until it says that it is ready."""
        begun = time.perf_counter()
        while b" 200 " not in self.get("/readyz"):
            if process.poll() is not None or time.perf_counter() - begun > 30:
                sys.exit("it did not become ready")
            time.sleep(0.001)
        return time.perf_counter() - begun

    def start(self):
        """Seconds from the start of the process until it is ready."""
        begun = time.perf_counter()
        with self.running("serve") as process:
            self.until_ready(process)
            return time.perf_counter() - begun

    def fill(self):
        """Stores a day of samples like the ones it stored by itself."""
        database = sqlite3.connect(self.database)
        host, readings = database.execute("SELECT host, readings FROM samples LIMIT 1").fetchone()
        values = json.loads(readings)["v"]
        # As many numbers as a server with some more file systems has.
        values |= {f"disk /srv/data-{i}": 10.0 * i + 5 for i in range(NUMBERS - len(values))}
        now = int(time.time() * 1000)
        rng = random.Random(1)

        def row(i):
            at = now - (i + 1) * 5000
            jitter = {name: round(value * rng.uniform(0.8, 1.2), 4) for name, value in values.items()}
            return host, at, json.dumps({"at": at, "v": jitter}, separators=(",", ":"))

        with database:
            database.execute("DELETE FROM samples")
            database.executemany(
                "INSERT INTO samples (host, at, readings) VALUES (?, ?, ?)", map(row, range(SAMPLES))
            )
        database.close()

    def finished(self):
        """How many questions were answered so far."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM inbox WHERE state = 'done'").fetchone()[0]

    def ask(self, process, questions):
        """Asks one after the other through the pipe. Seconds until all are answered."""
        wanted = self.finished() + len(questions)
        begun = time.perf_counter()
        for first in range(0, len(questions), 100):
            process.stdin.write("".join(f"{text}\n" for text in questions[first : first + 100]).encode())
        process.stdin.flush()
        while self.finished() < wanted:
            if process.poll() is not None or time.perf_counter() - begun > 900:
                sys.exit("the questions were not answered")
            time.sleep(0.05)
        return time.perf_counter() - begun


def memory(process, field="VmRSS"):
    """Kilobytes."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    sys.exit(f"no {field} of a running process")


def commits(directory, number):
    """Seconds of one durable commit of SQLite itself, on average."""
    path = pathlib.Path(directory) / "bare.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, at INTEGER)")
    begun = time.perf_counter()
    for _ in range(number):
        database.execute("INSERT INTO rows (at) VALUES (1)")
    took = time.perf_counter() - begun
    database.close()
    return took / number


class Table:
    missed = False

    def line(self, what, figure, target="", met=True):
        self.missed |= not met
        verdict = ("met" if met else "MISSED") if target else ""
        print(f"{what:<52} {figure:>16}  {target:<14} {verdict}", flush=True)


def main(program, questions):
    table = Table()
    mb = lambda kilobytes: f"{kilobytes / 1024:.1f} MB"
    ms = lambda seconds: f"{seconds * 1000:.1f} ms"
    with tempfile.TemporaryDirectory(prefix="load-", dir=os.path.dirname(program)) as directory:
        bot = Installation(program, directory)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        table.line("first start to ready, with new tables", ms(bot.start()))
        with bot.running("serve") as process:
            bot.until_ready(process)
            time.sleep(6)
        bot.fill()
        print(f"a day of samples stored: {SAMPLES} of {NUMBERS} numbers")

        starts = sorted(bot.start() for _ in range(STARTS))
        middle = statistics.median(starts)
        table.line(f"start to ready, median of {STARTS}", ms(middle), "<= 250 ms", middle <= TARGET_START)
        table.line("start to ready, slowest", ms(starts[-1]), "<= 250 ms", starts[-1] <= TARGET_START)

        with bot.running("serve") as process:
            bot.until_ready(process)
            for _ in range(20):
                bot.get("/readyz")
                bot.get("/metrics")
            time.sleep(IDLE_SECONDS)
            idle = memory(process)
            table.line("memory, serving and idle", mb(idle), "<= 50 MB", idle <= TARGET_MEMORY)
            table.line("  at its most", mb(memory(process, "VmHWM")))

        with bot.running("chat", stdin=subprocess.PIPE) as process:
            bot.ask(process, WARM_UP)
            time.sleep(IDLE_SECONDS)
            idle = memory(process)
            what = f"memory, idle after {len(WARM_UP)} questions and pictures"
            table.line(what, mb(idle), "<= 50 MB", idle <= TARGET_MEMORY)
            table.line("  at its most", mb(memory(process, "VmHWM")))
            took = bot.ask(process, PICTURES * 10)
            table.line("a question with a picture", ms(took / len(PICTURES) / 10))
            rounds = []
            for first in range(0, questions, ROUND):
                texts = [QUESTIONS[i % len(QUESTIONS)] for i in range(first, min(first + ROUND, questions))]
                rounds.append((bot.ask(process, texts) / len(texts), commits(directory, 50)))
            after = memory(process)
            each, commit = (statistics.median(column) for column in zip(*rounds))
            table.line(f"questions per second, of {questions} through a pipe", f"{1 / each:.0f}")
            table.line("  one question, recorded, finished and posted", f"{each * 1000:.2f} ms")
            table.line("  one durable commit of SQLite itself", f"{commit * 1000:.2f} ms")
            table.line(f"memory after {questions} questions", mb(after), "<= 50 MB", after <= TARGET_MEMORY)
            table.line("  at its most", mb(memory(process, "VmHWM")))
    return int(table.missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
