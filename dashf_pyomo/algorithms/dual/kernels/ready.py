"""Compile every kernel at once: later calls, in this process and in others on this machine, find them compiled."""

from __future__ import annotations

import numpy as np

__all__ = ["compile_all", "seem_compiled"]


#: What Python calls, as the files in numba's cache begin.
_ENTRIES = ("energy._least_energy", "shadow._slopes", "tree.price", "tree.prove")


def seem_compiled() -> bool:
    """Return whether the cache has something of every kernel that Python calls."""
    from .compiling import CACHE

    return all(any(CACHE.glob(f"{entry}-*.nbi")) for entry in _ENTRIES)


def compile_all() -> None:
    """Price a tiny pair in every way; that compiles what there is, unless it is in the cache."""
    from .energy import least_energy
    from .pricing import price_pairs, prove_pair, search_pairs
    from .shadow import shadow_prices

    pairs, shares = np.ones((1, 9)), np.full((1, 3), 0.5)
    problem = 1.0, np.ones((1, 3)), 1.0, (1.0, 5.0)
    least_energy(pairs, shares, 5.0)
    shadow_prices(pairs, 1.0, 1.0, shares, 5.0)
    search_pairs(pairs, *problem, 0.1)
    price_pairs(pairs, *problem, 0.1)
    prove_pair(pairs[0], *problem, 0.1)
