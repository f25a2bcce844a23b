"""Number of cores that this process may use: the least that system, affinity mask and control group allow.

A container or a batch job often has a share of a large machine. A process that starts a thread for each core of the
host is throttled there, and slower than with one thread for each core that it may use.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["available_cores", "cores_of_quota", "default_threads", "limit_native_threads"]

#: What native libraries read their number of threads from, when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available_cores() -> int:
    """Return the number of cores that this process may keep busy, at least 1; parts of a core are rounded up."""
    counts = [_visible_cores()]
    quota = cores_of_quota()
    if quota is not None:
        counts.append(math.ceil(quota))
    return max(1, min(counts))


def default_threads() -> int | None:
    """Return how many threads a library gets that would count cores itself; None where its own count is right."""
    cores = available_cores()
    return None if cores >= (os.cpu_count() or 1) else cores


def limit_native_threads() -> None:
    """Set what native libraries of this process, and of those that it starts, take for their number of threads.

    Only where a quota allows fewer than they would count, and only what the user has not set. What is loaded already
    keeps its number.
    """
    cores = available_cores()
    if cores < _visible_cores():
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, str(cores))


def _visible_cores() -> int:
    """Return how many cores the system shows to this process; libraries count these."""
    counts = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    return min(counts)


def cores_of_quota(root: Path = Path("/")) -> float | None:
    """Return the least CPU quota of the control group of this process and of those above it, in cores.

    Parameters
    ----------
    root
        Root of the file system.

    Returns
    -------
    float or None
        None where there is no quota, or none can be read.
    """
    if sys.platform != "linux":
        return None
    try:
        groups = _lines(root / "proc/self/cgroup")
        mounts = _lines(root / "proc/self/mountinfo")
    except OSError:
        return None
    quotas = [quota for folder in _folders(root, groups, mounts) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _folders(root: Path, groups: list[str], mounts: list[str]) -> Iterator[Path]:
    """Yield the folders of our control groups that may hold a quota, of both versions, up to where they are mounted."""
    ours: dict[str, str] = {}  # path by controller; version 2 has no name
    for line in groups:
        _, controllers, group = line.split(":", 2)
        ours.update(dict.fromkeys(controllers.split(","), group))
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            name = ""
        elif kind == "cgroup" and "cpu" in options.split(","):
            name = "cpu"
        else:
            continue
        if name not in ours:
            continue
        _, _, _, origin, place, *_ = before.split(" ")
        mounted = root / _unescaped(place).lstrip("/")
        try:
            below = PurePosixPath(ours[name]).relative_to(_unescaped(origin))
        except ValueError:  # a container may see its group from outside, and have it mounted as the top
            below = PurePosixPath()
        if ".." in below.parts:
            below = PurePosixPath()
        yield from (mounted / part for part in (below, *below.parents))


def _unescaped(text: str) -> str:
    for code, letter in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, letter)
    return text


def _quota(folder: Path) -> float | None:
    """Return the quota of one control group in cores, None without one."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        if quota in ("max", "-1"):
            return None
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None
