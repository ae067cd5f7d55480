"""A sweep of 24 jobs on a Ray cluster of this machine, one of whose workers is killed: `python scripts/ray_cluster.py`.

The cluster is started for the sweep. Printed, and held: the sweep ends with exit code 0 and all jobs complete, a worker that is
killed as it trains goes on in another, every job's curves and test errors are those of the same sweep one by one, and in the
end no process of the cluster is left, /dev/shm holds no more than before, and nothing listens on the store's socket. Linux.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOBS = ["model=ae,sparse", "model.latent_dim=2,8", "seed=range(6)"]
NET = ["dataset=wine", "trainer.max_epochs=30", "trainer.progress=false", "pictures=[]", "evaluate=[]"]
COUNT = 24


def aerun(place: Path, *words: str) -> "subprocess.Popen[str]":
    """Type a sweep in a folder; return its process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "aerun", "-m", "sweep=k", *JOBS, *NET, *words]
    place.mkdir()
    return subprocess.Popen(command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def stat(pid: int) -> tuple[int, str]:
    """Return the parent of a process and when it started, which tells it from a later one of its number; (0, "") of none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, ""
    return (0, "") if fields[0] == "Z" else (int(fields[1]), fields[19])


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, and when each started."""
    every = {int(p.name): stat(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    found, new = dict[int, str](), {pid}
    while new:
        new = {child for child, (parent, _) in every.items() if parent in new and child not in found}
        found |= {child: every[child][1] for child in new}
    return found


def workers(pids: Sequence[int]) -> list[int]:
    """Return those of the processes that are at work on a job."""
    names = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
    return [pid for pid, path in names.items() if path.exists() and path.read_bytes().startswith(b"ray::_run_job")]


def watched(process: "subprocess.Popen[str]", place: Path) -> tuple[dict[int, str], int]:
    """Kill a worker as soon as jobs have trained; return all processes that the sweep had, and the one that was killed."""
    seen, killed = dict[int, str](), 0
    while process.poll() is None:
        seen |= descendants(process.pid)
        busy = workers(list(seen)) if not killed else []
        begun = len(list(place.glob("outputs/sweeps/k/*/metrics.csv")))
        if busy and begun >= 4:
            killed = busy[0]
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.05)
    return seen, killed


def curves(place: Path) -> dict[str, list[list[str]]]:
    """Return the curves of each job, without the one column that is a speed."""
    found = {}
    for path in sorted(place.glob("outputs/sweeps/k/*/metrics.csv")):
        rows = list(csv.DictReader(path.read_text().splitlines()))
        found[path.parent.name] = [[v for k, v in row.items() if k != "samples_per_second"] for row in rows]
    return found


def errors(place: Path) -> list[bytes]:
    """Return the test errors of each job."""
    return [p.read_bytes() for p in sorted(place.glob("outputs/sweeps/k/*/test_errors.npy"))]


def in_memory() -> float:
    """Return the megabytes that /dev/shm holds, files without a name included, as object stores have them."""
    found = os.statvfs("/dev/shm")
    return (found.f_blocks - found.f_bfree) * found.f_frsize / 1e6


def answers(path: Path) -> bool:
    """Return whether something listens on a socket."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


def main() -> None:
    """Run both sweeps and print what is held."""
    with tempfile.TemporaryDirectory(prefix="ray") as work:
        home, shared = Path(work), in_memory()
        temporary = home / "t"
        cluster = [
            "hydra/launcher=ray",
            "+hydra.launcher.ray.init.num_cpus=2",
            f"+hydra.launcher.ray.init._temp_dir={temporary}",
        ]
        began = time.perf_counter()
        process = aerun(home / "ray", *cluster)
        seen, killed = watched(process, home / "ray")
        seconds = time.perf_counter() - began
        said = process.stdout.read() if process.stdout else ""
        time.sleep(2)
        left = [pid for pid, started in seen.items() if stat(pid)[1] == started]
        sockets = [p for p in temporary.rglob("plasma_store*") if p.is_socket() and answers(p)]
        alone = aerun(home / "alone")
        alone.communicate()
        held = {
            "exit code 0": process.returncode == 0,
            f"{COUNT} of {COUNT} jobs completed": f"{COUNT} of {COUNT} jobs completed" in said,
            f"a worker was killed (process {killed})": killed > 0,
            "curves of every job are those of the sweep one by one": curves(home / "ray") == curves(home / "alone"),
            f"test errors too, of {len(errors(home / 'ray'))} jobs": errors(home / "ray") == errors(home / "alone") != [],
            f"of {len(seen)} processes none is left": not left,
            f"/dev/shm holds {in_memory():.0f} MB, as before ({shared:.0f})": in_memory() < shared + 10,
            "nothing listens on the object store's socket": not sockets,
        }
        print(f"{COUNT} jobs on Ray, two at once: {seconds:.0f} s")
        for words, holds in held.items():
            print(f"{'yes' if holds else 'NO ':4}{words}")
        if not all(held.values()):
            print(said[-4000:])
            sys.exit(1)


if __name__ == "__main__":
    main()
