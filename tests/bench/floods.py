"""tests/bench/floods.py - what a flood at the operators' address costs the guest's disk: its p99 with one and without, in turns.

Part of tests/bench/run, which calls measure(). The VM and those who flood it are in network namespaces of their own. Here, unlike
elsewhere in the benches, the VM is as urgent as a VM is (nice 0): how urgent diag is beside it is what counts.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

import disks

HOST, NEAR, PORT = "10.99.8.2", "10.99.8.1", 7443
RUN_MS = 5000
WARM_UP_MS = 2500  # a flood is one by then
LIMIT = 1.05
AWAKE = ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"]
FLOOD = pathlib.Path(__file__).with_name("flood_client")


def run(*words):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout


def command(words):
    """What it printed in JSON, one object a line."""
    return [json.loads(line) for line in run(*words).splitlines() if line.startswith("{")]


@contextlib.contextmanager
def two_networks():
    """One for the VM, one for the others, and a cable between them; their names."""
    vm, far = (f"bulkhead-{os.getpid()}-{n}" for n in ("vm", "far"))
    with contextlib.ExitStack() as stack:
        for name in (vm, far):
            run("ip", "netns", "add", name)
            stack.callback(lambda name=name: run("ip", "netns", "del", name))
        run("ip", "link", "add", "operators", "netns", vm, "type", "veth", "peer", "name", "operators", "netns", far)
        for name, address in ((vm, HOST), (far, NEAR)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "operators")
            run("ip", "-n", name, "link", "set", "operators", "up")
        yield vm, far


def make_pki(bench, folder):
    bulkhead = bench.build / "cli/bulkhead"
    run(bulkhead, "pki", "init", "--dir", folder, "--host", HOST)
    run(bulkhead, "pki", "issue", "--dir", folder, "--role", "viewer", "viewer")


@contextlib.contextmanager
def running(*commands):
    """Programs that run until then, and what they print, in the end."""
    told, started = [], []
    try:
        for words in commands:
            started.append(subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, text=True))
        yield told
    finally:
        for process in started:
            process.terminate()
        told += [process.communicate()[0] for process in started]


class Floods:
    def __init__(self, bench, vm, far, folder):
        self.bench, self.pki, self.image = bench, folder / "pki", folder / "disk.img"
        make_pki(bench, self.pki)
        disks.make_image(self.image)
        simulator = bench.simulator("sim_disk_bench")
        # What a process's priority is now counts for its children: as a VM's, for this one.
        self.words = ["nice", "-n", "20", "ip", "netns", "exec", vm, simulator[0], "--disk", f"{self.image},format=raw",
                      "--operators", f"{HOST}:{PORT}", "--pki", self.pki, *simulator[1:], "read", "free", "bytes=4096",
                      "depth=1", "sequential=0", f"disk_mib={disks.DISK_MIB}", f"run_ms={RUN_MS}",
                      f"warm_up_ms={WARM_UP_MS}"]
        self.flood = ["ip", "netns", "exec", far, FLOOD, self.pki, HOST, PORT]

    def once(self, flooded):
        """Of both series no CPU sleeps: to wake one may take longer than all else here."""
        with running(*[AWAKE] * os.cpu_count(), *[self.flood] * flooded) as told:
            lines = command(self.words)
        return [dict(line, flooded=flooded) for line in lines] + [json.loads(text) for text in told if text]

    def series(self, number, flooded):
        lines, busy = self.bench.patience.quietly(lambda: self.once(flooded))
        self.bench.busy.append(busy)
        self.bench.lines += [dict(line, part="flood", round=number, busy=round(busy, 2)) for line in lines]


def measure(bench):
    with tempfile.TemporaryDirectory() as folder, two_networks() as (vm, far):
        floods = Floods(bench, vm, far, pathlib.Path(folder))
        for number in range(1, bench.rounds + 1):
            floods.series(number, False)
            floods.series(number, True)
    calm, flooded = (bench.median("p99_ns", part="flood", flooded=f) for f in (False, True))
    half = {f: bench.median("p50_ns", part="flood", flooded=f) for f in (False, True)}
    connections = bench.median("connections", part="flood", who="flood")
    bench.row("p99 of a 4k read, depth 1, while operators' address is flooded", f"at most {LIMIT} x without",
              f"{flooded / 1000:.1f} us = {flooded / calm:.2f} x {calm / 1000:.1f} us (p50 {half[True] / half[False]:.2f} x), "
              f"{connections:.0f} connections in {(RUN_MS + WARM_UP_MS) / 1000:.0f} s", flooded <= LIMIT * calm,
              "flood_p99_ratio", round(flooded / calm, 3))
