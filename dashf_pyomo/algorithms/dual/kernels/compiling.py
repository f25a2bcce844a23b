"""How the kernels are compiled, and that no stale machine code is ever run.

numba caches machine code per function and notices when that function's own file changes, but not when a function that
it calls does: after an edit, a proven bound could come from old code. So the cache of this package is dropped whenever
any of its files has changed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

# Threads that wait by spinning wait long for one whose core is busy with something else: eight times slower was seen.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numba
from numba import njit

from ...interrupts import held_back

__all__ = ["CACHE", "at_most_threads", "compiled", "compiled_parallel"]

#: Where numba keeps the machine code of this package.
CACHE = Path(__file__).parent / "__pycache__"

P = ParamSpec("P")
R = TypeVar("R")


def _drop_stale_cache(cache: Path) -> None:
    """Delete cached machine code if the sources beside it are not those that it was made from."""
    digest = hashlib.sha256()
    for source in sorted(cache.parent.glob("*.py")):
        digest.update(source.read_bytes())
    stamp = cache / "kernels.sha256"
    with contextlib.suppress(OSError):  # a folder that cannot be written to holds no cache of ours
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        cache.mkdir(exist_ok=True)
        for file in (*cache.glob("*.nbi"), *cache.glob("*.nbc")):
            file.unlink(missing_ok=True)
        stamp.write_text(digest.hexdigest())


_drop_stale_cache(CACHE)

#: How all kernels are compiled: nothing is reordered, and 1/0 is infinite as in NumPy.
compiled = njit(cache=True, fastmath=False, error_model="numpy")
_compiled_parallel = njit(cache=True, fastmath=False, error_model="numpy", parallel=True)


def compiled_parallel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that Python calls and that runs on several threads; Ctrl-C waits until it is done."""
    kernel: Callable[P, R] = _compiled_parallel(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with held_back():
            return kernel(*args, **kwargs)

    return call


@contextlib.contextmanager
def at_most_threads(threads: int | None) -> Iterator[None]:
    """Run the kernels of a block on so many threads at most; None leaves it to numba."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if threads is None else min(threads, before))
    try:
        yield
    finally:
        numba.set_num_threads(before)
