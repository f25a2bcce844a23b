"""Where the kernels run: as machine code if the package was installed with a C compiler, on several threads.

The machine code is one module, `machine`, built from the sources beside it when the package is installed. It carries
their digest: code of other sources is refused, as its proofs would be proofs of something else. Without machine code
the same sources run as Python, slowly.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from types import ModuleType, SimpleNamespace

from ....cores import available_cores
from ...interrupts import held_back
from .sources import digest

__all__ = ["at_most_threads", "for_all_pairs", "is_compiled", "kernels"]

#: Parts that each thread gets in the mean: proofs of some pairs take far longer than those of others.
PARTS = 8

_threads: ContextVar[int | None] = ContextVar("threads of the kernels", default=None)
_pool: ThreadPoolExecutor | None = None


@cache
def kernels() -> ModuleType | SimpleNamespace:
    """Return what holds `price`, `least_energy_of` and `shadow_prices_of`: the machine code, else the sources.

    Raises
    ------
    BackendError
        If the machine code is of other sources than those beside it, or does not load.
    """
    from ....backends import BackendError

    try:
        machine = importlib.import_module(f"{__package__}.machine")
    except ModuleNotFoundError:
        from . import energy, proof, shadow

        return SimpleNamespace(
            price=proof.price, least_energy_of=energy.least_energy_of, shadow_prices_of=shadow.shadow_prices_of
        )
    except ImportError as error:
        raise BackendError(f"the compiled kernels do not load: {error}; install the package again") from error
    if digest() != machine.SOURCES:
        raise BackendError(
            "the compiled kernels are of other sources than those beside them; install the package again "
            "(in its folder: make, or pip install --editable .)"
        )
    return machine


def is_compiled() -> bool:
    """Return whether the kernels run as machine code."""
    return isinstance(kernels(), ModuleType)


@contextlib.contextmanager
def at_most_threads(threads: int | None) -> Iterator[None]:
    """Run the kernels of a block on so many threads at most; None means as many as there are cores."""
    token = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(token)


def for_all_pairs(work: Callable[[int, int], None], count: int, grain: int = 1) -> None:
    """Have all pairs worked on, on several threads; Ctrl-C waits until that is done.

    Parameters
    ----------
    work
        Is called with ranges of pairs, the first and the one after the last; it lets go of the interpreter's lock.
    count
        Number of pairs.
    grain
        Fewer pairs than this are not worth a thread.
    """
    if not is_compiled():
        for k in range(count):
            # Python raises where a number leaves its range, machine code goes on with infinity: here the results of
            # the pair stay as they were, at "nothing is proven".
            with contextlib.suppress(ArithmeticError, ValueError):
                work(k, k + 1)
        return
    allowed = available_cores()
    threads = max(1, min(_threads.get() or allowed, allowed, count // grain))
    parts = min(count, PARTS * threads if threads > 1 else 1)
    edges = [count * part // parts for part in range(parts + 1)] if parts else [0]
    left = deque(pairwise(edges))

    def take() -> None:
        with contextlib.suppress(IndexError):
            while True:
                work(*left.popleft())

    with held_back():
        others = [_shared_pool().submit(take) for _ in range(threads - 1)]
        take()
        for other in others:
            if not other.cancel():  # one that another run's work has kept waiting has nothing left to take
                other.result()


def _shared_pool() -> ThreadPoolExecutor:
    """Return the threads that all runs of this process share; a process that was forked starts its own."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="kernels")
    return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
