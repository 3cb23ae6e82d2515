"""tests/bench/disks.py - a disk's requests: the storage worker against qemu-storage-daemon and io_uring alone.

Part of tests/bench/run, which calls measure().
"""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import threading
import time

CASES = [  # what, bytes, depth, sequential
    ("read", 4096, 1, 0),
    ("write", 4096, 1, 0),
    ("read", 4096, 32, 0),
    ("write", 4096, 32, 0),
    ("read", 131072, 8, 1),
    ("write", 131072, 8, 1),
]
HALT_POLL_NS = 200_000  # KVM's default; it does so only where nothing else can run on the CPU
PLACEMENTS = {  # client's CPU, server's, how long a halted vCPU looks for its interrupt
    "same": ("0", "0", 0),
    "other": ("0", "1", HALT_POLL_NS),
    "free": (None, None, HALT_POLL_NS),
}
DISK_MIB = 64  # hot: it fits into the page cache
RUN_MS = 700
WARM_UP_MS = 100
SERVER = "bulkhead-storag"  # what the kernel keeps of a program's name


def cpu_ns(pids):
    """Time that all threads of processes have run."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # it has gone, or one of them
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total


def named(name):
    found = []
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name:
                found.append(int(comm.parent.name))
        except OSError:
            pass
    return found


class Named:
    """The processes of a name; seldom looked for, as that keeps a CPU from what is measured for milliseconds."""

    EVERY_S = 0.25

    def __init__(self, name):
        self.name, self.found, self.looked_s = name, [], 0

    def __call__(self):
        if not self.found or time.monotonic() > self.looked_s + self.EVERY_S:
            self.found, self.looked_s = named(self.name), time.monotonic()
        return self.found


class Watch(threading.Thread):
    """Looks now and then how long the server has run, until told to stop."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.over = pids, threading.Event()
        self.first = self.last = None

    def run(self):
        while not self.over.wait(0.02):
            value = cpu_ns(self.pids())
            self.first = value if self.first is None else self.first
            self.last = max(value, self.last or 0)

    def used_ns(self):
        self.over.set()
        self.join()
        return (self.last or 0) - (self.first or 0)


def place(pids, cpu):
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            os.sched_setaffinity(int(task.name), {int(cpu)})


class Mover(threading.Thread):
    """Puts the storage workers on a CPU as soon as they are there, spares too."""

    def __init__(self, cpu):
        super().__init__(daemon=True)
        self.pids, self.cpu, self.over = Named(SERVER), cpu, threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            try:
                place(self.pids(), self.cpu)
            except OSError:
                pass


def make_image(path):
    """
    A disk that 4k requests have made hot. When it is written in large pieces each write of 4k takes several times as long,
    io_uring's own too (the kernel then keeps large folios), and the peers are not told apart.
    """
    with open(path, "wb", buffering=0) as image:
        for _ in range(DISK_MIB << 8):
            image.write(os.urandom(4096))


class Disks:
    def __init__(self, bench, folder):
        self.bench = bench
        self.image = folder / "disk.img"
        self.socket = folder / "qsd.sock"
        make_image(self.image)

    def arguments(self, case, placement):
        what, size, depth, sequential = case
        return (f"{what} {placement} bytes={size} depth={depth} sequential={sequential} disk_mib={DISK_MIB} "
                f"run_ms={RUN_MS} warm_up_ms={WARM_UP_MS} halt_poll_ns={PLACEMENTS[placement][2]}")

    def trial(self, number, words, cpu, pids):
        def watched(run):
            watch = Watch(pids)
            watch.start()
            lines, text = run()
            used = watch.used_ns() * RUN_MS / (RUN_MS + WARM_UP_MS)
            for line in lines:
                line["server_ns_per_request"] = round(used / max(1, line["requests"]))
            return lines, text

        self.bench.trial("disk", number, words, cpu, watched)

    def io_uring(self, number, case):
        self.trial(number, [self.bench.program("uring_floor"), self.image, self.arguments(case, "free")], None,
                   lambda: [])

    def bulkhead(self, number, case, placement):
        client, server, _ = PLACEMENTS[placement]
        words = self.bench.simulator("sim_disk_bench") + self.arguments(case, placement).split()
        words[1:1] = ["--disk", self.image]
        mover = Mover(server) if server is not None else None
        if mover:
            mover.start()
        self.trial(number, words, client, Named(SERVER))
        if mover:
            mover.over.set()
            mover.join()

    def qemu(self, number, case, placement):
        client, server, _ = PLACEMENTS[placement]
        words = ["qemu-storage-daemon", "--blockdev",
                 f"driver=file,node-name=f,filename={self.image},aio=io_uring", "--export",
                 f"type=vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path={self.socket},writable=on"]
        words = (["taskset", "-c", server] if server is not None else []) + words
        with subprocess.Popen(words) as daemon:
            try:
                while not self.socket.exists():
                    time.sleep(0.01)
                    if daemon.poll() is not None:
                        raise RuntimeError("qemu-storage-daemon has ended")
                self.trial(number, [self.bench.program("vhost_blk"), self.socket, self.arguments(case, placement)],
                           client, lambda: [daemon.pid])
            finally:
                daemon.kill()
        self.socket.unlink(missing_ok=True)

    def rounds(self):
        for number in range(1, self.bench.rounds + 1):
            for case in CASES:
                self.image.read_bytes()  # hot again, whatever the kernel has thrown out
                self.io_uring(number, case)
                for placement in PLACEMENTS:
                    self.bulkhead(number, case, placement)
                    self.qemu(number, case, placement)


def median(bench, field, who, case, placement):
    what, size, depth, sequential = case
    return bench.median(field, part="disk", who=who, placement=placement, what=what, bytes=size, depth=depth,
                        sequential=bool(sequential))


def best(bench, who, case):
    return max(median(bench, "per_s", who, case, placement) for placement in PLACEMENTS)


def compare(bench, case, text, placement, limit):
    ours = median(bench, "per_s", "bulkhead", case, placement)
    peer = median(bench, "per_s", "qemu-storage-daemon", case, placement)
    bench.row(f"{text}, {placement} CPU", f"at least {limit} x qemu-storage-daemon",
              f"{ours / 1000:.0f}k/s = {ours / peer:.2f} x", ours >= limit * peer, f"disk {text} {placement}", ours)


def compare_best(bench, case, text, limit, floor_limit):
    ours, peer = best(bench, "bulkhead", case), best(bench, "qemu-storage-daemon", case)
    floor = median(bench, "per_s", "io_uring", case, "free")
    bench.row(f"{text}, best placement of each",
              f"at least {limit} x qemu-storage-daemon, {floor_limit} x io_uring alone",
              f"{ours / 1000:.0f}k/s = {ours / peer:.2f} x, {ours / floor:.2f} x",
              ours >= limit * peer and ours >= floor_limit * floor, f"disk {text} best", ours)


def compare_cpu(bench, case, text, limit):
    ours = median(bench, "server_ns_per_request", "bulkhead", case, "same")
    peer = median(bench, "server_ns_per_request", "qemu-storage-daemon", case, "same")
    bench.row(f"CPU of the server, {text}, same CPU", f"at most {limit} x qemu-storage-daemon",
              f"{ours / 1000:.1f} us = {ours / peer:.2f} x", ours <= limit * peer, f"disk {text} cpu_ns", ours)


def report(bench):
    read1, write1, read32, write32, read128, write128 = CASES
    for case, text in ((read1, "4k read, depth 1"), (write1, "4k write, depth 1")):
        compare(bench, case, text, "same", 1.1)
        compare(bench, case, text, "free", 3)
        compare_cpu(bench, case, text, 0.9)
    for case, text in ((read32, "4k read, depth 32"), (write32, "4k write, depth 32")):
        compare_best(bench, case, text, 1.8, 0.7)
        compare_cpu(bench, case, text, 0.6)
        interrupts = median(bench, "interrupts_per_1000", "bulkhead", case, "same") / 1000
        bench.row(f"interrupts per request, {text}", "at most 0.05", f"{interrupts:.3f}", interrupts <= 0.05)
    for case, text in ((read128, "128k sequential read"), (write128, "128k sequential write")):
        compare(bench, case, text, "same", 1)


def measure(bench):
    with tempfile.TemporaryDirectory(prefix="bench-disk.", dir=bench.disks) as folder:
        Disks(bench, pathlib.Path(folder)).rounds()
    report(bench)
