"""What a command costs: wall clock until it is durable, CPU, memory, disk.

Nothing is sampled in a round that counts; memory and disk are looked at in a
round of their own, because looking costs CPU.
"""
import dataclasses
import mmap
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

MIB = 1 << 20


@dataclasses.dataclass
class Cost:
    status: int
    wall: float
    cpu: float
    rss: int  # of the largest process, bytes
    pss: int = 0  # of all at once, at most; 0: not sampled
    disk: int = 0  # blocks of the target, at most
    output: str = ""
    errors: str = ""


def process_group(pgid):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getpgid(int(name)) == pgid:
                    yield int(name)
            except ProcessLookupError:
                pass


def pss_of(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) << 10 for line in f if line.startswith("Pss:"))
    except OSError:
        return 0


def disk_of(directory):
    total, todo = 0, [directory]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    total += stat.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except OSError:
            pass
    return total


class Sampler(threading.Thread):
    """Looks at a process group and a directory until the group's leader was waited for."""

    def __init__(self, pgid, directory):
        super().__init__(daemon=True)
        self.pgid, self.directory = pgid, directory
        self.pss, self.disk = 0, 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            self.pss = max(self.pss, sum(map(pss_of, process_group(self.pgid))))
            self.disk = max(self.disk, disk_of(self.directory))


def run(command, target=None, sample=False, env=None):
    """@command, a list, or a text for bash with pipefail; then the target's file system is synced, and that counts."""
    if isinstance(command, list):
        argv = command
    else:
        argv = ["bash", "-c", "set -eo pipefail\n" + command + (f'\nsync -f "{target}"' if target else "")]
    with open(os.devnull) as nothing, temporary() as out, temporary() as err:
        began = time.monotonic()
        child = subprocess.Popen(argv, stdin=nothing, stdout=out, stderr=err, start_new_session=True, env=env)
        sampler = Sampler(child.pid, target) if sample and target else None
        if sampler:
            sampler.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        if isinstance(command, list) and target:
            subprocess.run(["sync", "-f", target], check=True)
        cost = Cost(os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime,
                    used.ru_maxrss << 10)
        child.returncode = cost.status
        if sampler:
            sampler.over.set()
            sampler.join()
            cost.pss, cost.disk = sampler.pss, max(sampler.disk, disk_of(target))
        for f, name in (out, "output"), (err, "errors"):
            f.seek(0)
            setattr(cost, name, f.read().decode(errors="replace"))
    return cost


def temporary():
    return os.fdopen(os.memfd_create("output"), "r+b")


def empty(directory):
    """An empty directory whose former content costs nobody anything any more."""
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    subprocess.run(["sync", "-f", directory], check=True)


def warm(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(4 * MIB):
            pass


def touch_memory(most):
    """Pages that the hypervisor has not given to this machine yet cost 0.3 to 1 GiB/s once."""
    with open("/proc/meminfo") as f:
        available = next(int(line.split()[1]) << 10 for line in f if line.startswith("MemAvailable"))
    size = min(most, available * 3 // 4)
    child = os.fork()
    if child == 0:
        area = mmap.mmap(-1, size)
        for at in range(0, size, 4096):
            area[at] = 1
        os._exit(0)
    os.waitpid(child, 0)
    return size


def direct_write(path, size):
    """Seconds for @size bytes, by one thread with O_DIRECT in blocks of 4 MiB, until durable."""
    block = mmap.mmap(-1, 4 * MIB)
    block.write(os.urandom(4 * MIB))
    began = time.monotonic()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
    for _ in range(0, size, 4 * MIB):
        os.write(fd, block)
    os.fsync(fd)
    os.close(fd)
    took = time.monotonic() - began
    os.unlink(path)
    return took


def median(numbers):
    return statistics.median(numbers) if numbers else None


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(": ")[1].strip() for line in f if line.startswith("model name")), "")
    with open("/proc/loadavg") as f:
        load = " ".join(f.read().split()[:3])
    return f"{model}, {os.cpu_count()} cores, kernel {os.uname().release}; load {load}"
