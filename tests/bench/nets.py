"""tests/bench/nets.py - a NIC's frames: the net worker against DPDK's polled vhost pair, a loop on the tap, and datagrams.

Part of tests/bench/run, which calls measure(). The polled pair is measured where dpdk-testpmd (Debian: dpdk-dev) is.
"""
import pathlib
import re
import shutil
import statistics
import subprocess
import time

from disks import Named, Watch

WIRE, LARGE, SMALL = 1514, 65226, 64
RUN_MS = 700
WARM_UP_MS = 300
SERVER = "bulkhead-net"
TAP = "bhbench0"
PAIR_SECONDS = 3
PAIR_LIMIT_S = 40
# Of ours: what, to, bytes, what run-sim plugs in; of the floor: its words, or none.
CASES = [
    ("send", "discard", SMALL, "discard", None),
    ("send", "discard", WIRE, "discard", None),
    ("send", "tap", WIRE, f"tap={TAP}", ["tap", TAP]),
    ("send", "tap", LARGE, f"tap={TAP}", ["tap", TAP]),
    ("receive", "datagram", SMALL, f"flood={SMALL}", ["datagram"]),
    ("receive", "datagram", WIRE, f"flood={WIRE}", ["datagram"]),
]


def arguments(what, to, size):
    return f"{what} to={to} bytes={size} run_ms={RUN_MS} warm_up_ms={WARM_UP_MS}"


def bulkhead(bench, number, what, to, size, net):
    watch = Watch(Named(SERVER))
    watch.start()
    words = bench.simulator("sim_net_bench") + arguments(what, to, size).split()
    words[1:1] = ["--net", net]
    before = len(bench.lines)
    bench.trial("net", number, words)
    used = watch.used_ns() * RUN_MS / (RUN_MS + WARM_UP_MS)
    for line in bench.lines[before:]:
        line["server_ns_per_frame"] = round(used / max(1, line["frames"]))


def trips(bench, number, size):
    """One frame there and back, at a time: what a datagram socket takes, and what a NIC on it does."""
    words = f"trip to=datagram bytes={size} run_ms={RUN_MS} warm_up_ms={WARM_UP_MS}"
    simulator = bench.simulator("sim_net_bench") + words.split()
    simulator[1:1] = ["--net", "mirror"]
    bench.trial("net", number, simulator)
    bench.trial("net", number, [bench.program("net_floor"), "datagram", words])


def compare_trips(bench, size):
    def us(who, field):
        return bench.median(field, part="net", who=who, what="trip", bytes=size) / 1000

    ours, floor = us("bulkhead", "p50_ns"), us("floor", "p50_ns")
    bench.row(f"there and back, {size} bytes, over a datagram socket", "",
              f"p50 {ours:.1f} us, p99 {us('bulkhead', 'p99_ns'):.1f} us; the socket alone p50 {floor:.1f} us, "
              f"p99 {us('floor', 'p99_ns'):.1f} us: {ours / floor:.1f} x", None, f"net trip {size} p50_us", ours)


def testpmd(cpu, prefix, device, *words):
    """One end: its two threads on one CPU, the forwarding one polls."""
    return subprocess.Popen(["dpdk-testpmd", "--lcores", f"0@{cpu},1@{cpu}", "--no-huge", "-m", "512", "--no-pci",
                             "--file-prefix", f"bench-{prefix}", "--single-file-segments", "--vdev", device, "--",
                             "--total-num-mbufs=16384", "--auto-start", "--stats-period", "1", *words],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rates(end):
    """Frames a second that it received, second by second, from the first one on; what it says else is read over."""
    deadline = time.monotonic() + PAIR_LIMIT_S
    found = []
    for line in end.stdout:
        rate_now = re.search(r"Rx-pps:\s+(\d+)", line)
        if rate_now and int(rate_now[1]) > 0:
            found.append(int(rate_now[1]))
        if len(found) > PAIR_SECONDS or time.monotonic() > deadline:
            break
    return found[1:]  # the first second was not a whole one


def polled_pair(bench, number, size):
    """Frames a second that DPDK moves from a virtio driver to a vhost device, each polling on a CPU of its own."""
    socket = pathlib.Path(bench.build) / "bench-vhost.sock"
    socket.unlink(missing_ok=True)
    ends = [testpmd(0, "far", f"net_vhost0,iface={socket},queues=1", "--forward-mode=rxonly")]
    try:
        while not socket.exists() and ends[0].poll() is None:
            time.sleep(0.1)
        ends.append(testpmd(1, "near", f"net_virtio_user0,path={socket},queues=1", "--forward-mode=txonly",
                            f"--txpkts={size}"))
        found = rates(ends[0])
    finally:
        for end in ends:
            end.kill()
            end.communicate()
        socket.unlink(missing_ok=True)
    if not found:
        raise RuntimeError("dpdk-testpmd moves nothing")
    bench.lines.append({"bench": "net", "part": "net", "round": number, "busy": 0, "who": "testpmd", "what": "send",
                        "to": "discard", "bytes": size, "per_s": round(statistics.median(found))})


def rate(bench, who, what, to, size):
    return bench.median("per_s", part="net", who=who, what=what, to=to, bytes=size)


def compare(bench, what, to, size, who, peer_to, limit, text):
    ours, peer = rate(bench, "bulkhead", what, to, size), rate(bench, who, *peer_to, size)
    cpu = bench.median("server_ns_per_frame", part="net", who="bulkhead", what=what, to=to, bytes=size)
    bench.row(f"{what}, {size} bytes, to {to}" if what == "send" else f"{what}, {size} bytes, from {to}",
              f"at least {limit} x {text}" if limit else "",
              f"{ours / 1e6:.2f} M/s = {ours / peer:.2f} x {text}; CPU of the worker {cpu / 1000:.2f} us a frame",
              ours >= limit * peer if limit else None, f"net {what} {to} {size} {who}", ours)


def measure(bench):
    has_pair = shutil.which("dpdk-testpmd") is not None
    for number in range(1, bench.rounds + 1):
        for what, to, size, net, floor in CASES:
            bulkhead(bench, number, what, to, size, net)
            if floor is not None:
                bench.trial("net", number, [bench.program("net_floor"), *floor, arguments(what, to, size)])
        for size in (SMALL, WIRE):
            trips(bench, number, size)
        for size in (SMALL, WIRE) if has_pair else ():
            polled_pair(bench, number, size)
    if has_pair:
        compare(bench, "send", "discard", SMALL, "testpmd", ("send", "discard"), None, "DPDK's polled vhost pair")
        compare(bench, "send", "discard", WIRE, "testpmd", ("send", "discard"), 0.44, "DPDK's polled vhost pair")
    compare(bench, "send", "discard", SMALL, "floor", ("receive", "datagram"), 2, "a datagram socket")
    compare(bench, "send", "tap", WIRE, "floor", ("send", "tap"), 0.9, "a loop of write(2)")
    compare(bench, "send", "tap", LARGE, "floor", ("send", "tap"), 0.8, "a loop of write(2)")
    for size in (SMALL, WIRE):
        compare_trips(bench, size)
        compare(bench, "receive", "datagram", size, "floor", ("receive", "datagram"), None, "the socket alone")
