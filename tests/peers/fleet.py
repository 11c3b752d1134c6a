#!/usr/bin/env python3
"""Writes a week of metrics of a made-up fleet: 20 hosts, one sample a minute, as node_exporter names them.

    fleet.py [--seed N] [--now EPOCH] [--days N] [--ahead SECONDS] DIRECTORY

The directory gets OpenMetrics files, one per storage block of Prometheus (so that promtool reads every
line twice and not once per block of the week), each complete with its `# EOF`. The same seed and `--now`
give the same numbers. Samples reach `--ahead` seconds into the future, so that a question asked "now",
while the tests run, finds a fresh point.

What is special about single hosts, for tests to ask about:

    web-1     the root file system is flat: it never fills
    web-2     processor busy for 20 minutes, 3 hours ago
    web-3     rebooted 3 days ago: every counter starts again at zero
    db-1      /data fills by 5 points a day and is full in 5 days
    worker-2  reported nothing for 30 minutes, 26 hours ago
    worker-6  stopped reporting 2 hours ago: `up` is 0, every other series ends
    web-*, cache-*  have no swap at all

Hosts with an even number have an address as `instance`, and their name only in `node_uname_info`.
Only the standard library is used: the script runs where nothing but Python is installed.
"""

import argparse
import math
import os
import random
import sys
import time
from itertools import accumulate

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# promtool makes blocks of 2 hours, or of 2 × 3ⁿ hours when it is allowed longer ones.
BLOCK = 18 * HOUR
# Series that hold still need fewer samples; 2 minutes are well inside Prometheus' look-back of 5.
STILL = 2
GIB = 1 << 30

# role: (hosts, third octet, processors' usual load, memory, swap, daily swing)
ROLES = {
    "web": (8, 1, 0.30, 8 * GIB, 0, 0.25),
    "db": (4, 2, 0.40, 64 * GIB, 8 * GIB, 0.15),
    "worker": (6, 3, 0.55, 16 * GIB, 4 * GIB, 0.10),
    "cache": (2, 4, 0.15, 32 * GIB, 0, 0.10),
}
# The last host of a role (the last two of `web`) is in staging.
STAGING = {"web-7", "web-8", "db-4", "worker-6", "cache-2"}


class Timeline:
    """The minutes of the whole stretch, and where the files are cut."""

    def __init__(self, now, days, ahead):
        self.now = now - now % MINUTE
        # An hour more than asked about: a rate is too small where its series has only just begun.
        self.start = self.now - days * DAY - HOUR
        self.length = (self.now + ahead - self.start) // MINUTE + 1
        self.stamps = [str(self.start + i * MINUTE) for i in range(self.length)]
        # Where in the day each sample is: 0 at 04:00, when least happens, 1 at 16:00.
        day = [0.5 - 0.5 * math.cos(2 * math.pi * (m - 240) / 1440) for m in range(1440)]
        offset = self.start // MINUTE % 1440
        self.daily = [day[(offset + i) % 1440] for i in range(self.length)]
        # (number of the block, first index, index after the last)
        self.cuts = []
        first = 0
        while first < self.length:
            block = (self.start + first * MINUTE) // BLOCK
            after = min(-(-((block + 1) * BLOCK - self.start) // MINUTE), self.length)
            self.cuts.append((block, first, after))
            first = after

    def at(self, seconds_ago):
        """The index of the sample this long before now."""
        return self.length - 1 - (self.start + (self.length - 1) * MINUTE - self.now + seconds_ago) // MINUTE


class Host:
    """One machine: its labels, its noise and what it reports."""

    def __init__(self, role, number, seed, timeline):
        self.name = f"{role}-{number}"
        self.role = role
        self.timeline = timeline
        self.random = random.Random(f"{seed}/{self.name}")
        _, octet, self.busy, self.memory, self.swap, self.swing = ROLES[role]
        by_name = number % 2 == 1
        instance = f"{self.name}:9100" if by_name else f"10.0.{octet}.{number}:9100"
        environment = "staging" if self.name in STAGING else "prod"
        self.labels = f'instance="{instance}",job="node",environment="{environment}",role="{role}"'
        self.gap = (0, 0)
        self.end = timeline.length
        self.reboot = None
        if self.name == "worker-2":
            self.gap = (timeline.at(26 * HOUR), timeline.at(26 * HOUR - 30 * MINUTE))
        if self.name == "worker-6":
            self.end = max(timeline.at(2 * HOUR), 0)
        if self.name == "web-3":
            self.reboot = max(timeline.at(3 * DAY), 0)
        self.boot = timeline.start - self.random.randrange(5 * DAY, 90 * DAY)

    def noise(self, width):
        """Noise around zero: a walk that returns, not white, as real load is."""
        uniform = self.random.random
        walk = accumulate(
            (uniform() for _ in range(self.timeline.length)), lambda last, u: last * 0.9 + u - 0.5
        )
        return [width * step for step in walk]

    def level(self, base, swing, noise, low=0.0, high=1.0):
        """A daily pattern with noise, kept within its bounds."""
        daily = self.timeline.daily
        return [
            min(max(base + swing * d + n, low), high) for d, n in zip(daily, self.noise(noise))
        ]

    def counter(self, increments, start=0.0):
        """The running total; it starts again at zero where the host was restarted."""
        if self.reboot is None:
            return list(accumulate(increments, initial=start))[1:]
        before = list(accumulate(increments[: self.reboot], initial=start))[1:]
        return before + list(accumulate(increments[self.reboot :], initial=0.0))[1:]

    def series(self):
        """Every series as (name and labels, one text per minute, minutes between samples)."""
        length = self.timeline.length
        labels = self.labels
        age = float(self.timeline.start - self.boot)

        def still(name, value, more=""):
            return f"{name}{{{more}{labels}}}", [str(value)] * length, STILL

        def gauge(name, values, more=""):
            return f"{name}{{{more}{labels}}}", [str(round(v, 3)) for v in values], 1

        def count(name, values, more="", every=1):
            return f"{name}{{{more}{labels}}}", ["%.2f" % v for v in values], every

        uname = f'nodename="{self.name}",sysname="Linux",release="6.1.0-18-amd64",machine="x86_64",domainname="(none)",'
        yield still("node_uname_info", 1, uname)

        load = self.level(self.busy, self.swing, 0.03, 0.01, 0.99)
        if self.name == "web-2":
            first = self.timeline.at(3 * HOUR)
            load[first : first + 20] = [0.97] * 20
        for cpu in range(2):
            busy = [min(max(b + n, 0.005), 0.995) for b, n in zip(load, self.noise(0.01))]
            for mode, share in (
                ("idle", [MINUTE * (1 - b) for b in busy]),
                ("user", [MINUTE * b * 0.75 for b in busy]),
                ("system", [MINUTE * b * 0.25 for b in busy]),
            ):
                usual = {"idle": 1 - self.busy, "user": self.busy * 0.75, "system": self.busy * 0.25}
                total = self.counter(share, age * usual[mode])
                yield count("node_cpu_seconds_total", total, f'cpu="{cpu}",mode="{mode}",')
        yield gauge("node_load1", [2 * b * b + b for b in load])

        yield still("node_memory_MemTotal_bytes", self.memory)
        used = self.level(0.45, 0.2, 0.01, 0.05, 0.97)
        free = [int(self.memory * (1 - u)) & ~4095 for u in used]
        yield gauge("node_memory_MemAvailable_bytes", free)
        yield still("node_memory_SwapTotal_bytes", self.swap)
        if self.swap:
            swapped = self.level(0.05, 0.1, 0.005)
            free = [int(self.swap * (1 - u)) & ~4095 for u in swapped]
            yield gauge("node_memory_SwapFree_bytes", free)
        else:
            yield still("node_memory_SwapFree_bytes", 0)

        yield from self.file_system(gauge, still, "/", "/dev/nvme0n1p1", 80 * GIB)
        if self.role == "db":
            yield from self.file_system(gauge, still, "/data", "/dev/nvme1n1", 500 * GIB)
        run = 'device="tmpfs",fstype="tmpfs",mountpoint="/run",'
        yield still("node_filesystem_size_bytes", GIB, run)
        yield still("node_filesystem_avail_bytes", GIB - (1 << 20), run)

        disk = 'device="nvme0n1",'
        read = [MINUTE * 4e6 * b * b for b in load]
        yield count("node_disk_read_bytes_total", self.counter(map_int(read), age * 1e5), disk)
        written = [MINUTE * (2e5 + 6e6 * b) for b in self.level(self.busy, self.swing, 0.03)]
        yield count("node_disk_written_bytes_total", self.counter(map_int(written), age * 2e5), disk)

        for way, scale in (("receive", 3e6), ("transmit", 9e6)):
            name = f"node_network_{way}_bytes_total"
            flow = [MINUTE * scale * b for b in self.level(self.busy, self.swing, 0.02)]
            yield count(name, self.counter(map_int(flow), age * scale / 9), 'device="eth0",')
            for device, rate in (("lo", 1000), ("docker0", 400)):
                total = self.counter([MINUTE * rate] * length, age * rate)
                yield count(name, total, f'device="{device}",', STILL)

        start = self.timeline.start
        now = [start + i * MINUTE + 0.5 for i in range(length)]
        yield gauge("node_time_seconds", now)
        boot = [str(self.boot)] * length
        if self.reboot is not None:
            again = str(start + self.reboot * MINUTE - 45)
            boot[self.reboot :] = [again] * (length - self.reboot)
        yield f"node_boot_time_seconds{{{labels}}}", boot, 1

    def file_system(self, gauge, still, mount, device, size):
        labels = f'device="{device}",fstype="ext4",mountpoint="{mount}",'
        yield still("node_filesystem_size_bytes", size, labels)
        minutes = range(self.timeline.length)
        if (self.name, mount) == ("db-1", "/data"):
            a_day, at_now = 0.05, 0.75
        elif (self.name, mount) == ("web-1", "/"):
            a_day, at_now = 0.0, 0.42
        else:
            a_day, at_now = self.random.uniform(0.0005, 0.004), self.random.uniform(0.3, 0.6)
        today = self.timeline.at(0)
        noise = self.noise(0.0002)
        used = [at_now + a_day * (i - today) / 1440 + n for i, n in zip(minutes, noise)]
        free = [int(size * (1 - u)) & ~4095 for u in used]
        yield gauge("node_filesystem_avail_bytes", free, labels)

    def up(self):
        values = ["1"] * self.end + ["0"] * (self.timeline.length - self.end)
        return f"up{{{self.labels}}}", values, 1

    def write(self, files):
        """Appends every series to the file of each block, one write per block."""
        stamps = self.timeline.stamps
        blocks = [[] for _ in self.timeline.cuts]
        for reported, series in [(self.timeline.length, [self.up()]), (self.end, self.series())]:
            for name, values, every in series:
                for lines, (_, first, after) in zip(blocks, self.timeline.cuts):
                    for low, high in self.pieces(first, min(after, reported)):
                        low += -low % every
                        lines += [
                            f"{name} {value} {stamp}"
                            for value, stamp in zip(values[low:high:every], stamps[low:high:every])
                        ]
        for lines, file in zip(blocks, files):
            if lines:
                write_all(file, ("\n".join(lines) + "\n").encode())

    def pieces(self, first, after):
        """The stretch without the gap in it."""
        gap_first, gap_after = self.gap
        for low, high in ((first, min(after, gap_first)), (max(first, gap_after), after)):
            if low < high:
                yield low, high


def map_int(values):
    return [int(v) for v in values]


def write_all(file, data):
    # One call appends the whole of it, so that the writers never cut each other's lines.
    if os.write(file, data) != len(data):
        raise OSError("the disk is full")


def main():
    parser = argparse.ArgumentParser(description="Writes a week of metrics of a made-up fleet.")
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--now", type=int, default=int(time.time()))
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--ahead", type=int, default=2 * HOUR)
    options = parser.parse_args()

    timeline = Timeline(options.now, options.days, options.ahead)
    os.makedirs(options.directory, exist_ok=True)
    paths = [os.path.join(options.directory, f"{block}.om") for block, _, _ in timeline.cuts]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [os.open(path, flags, 0o644) for path in paths]
    names = [(role, n + 1) for role, facts in ROLES.items() for n in range(facts[0])]

    # Processes, not threads: formatting numbers is all this does.
    workers = min(os.cpu_count() or 1, 4)
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for role, number in names[worker::workers]:
                    Host(role, number, options.seed, timeline).write(files)
                code = 0
            except Exception as error:  # the child must never return into the parent's code
                print(f"fleet.py: {error!r}", file=sys.stderr)
            finally:
                os._exit(code)
        children.append(child)
    # Every child is waited for, also after one of them failed.
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    if failed:
        sys.exit(1)
    for file in files:
        write_all(file, b"# EOF\n")
        os.close(file)
    print("\n".join(paths))


if __name__ == "__main__":
    main()
