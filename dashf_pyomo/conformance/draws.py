"""Random scenarios of the whole class, of wide magnitudes: objectives, limits, pairs, ranges of phi, and rows.

What is limited is so around an allocation that is known, a random one or where a local search ends, mostly with room
for it: so most scenarios are feasible, and many of the limits bind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.attributes import ATTRIBUTES
from formulations.constraints import LIMITS
from formulations.linear_rows import ROW_ATTRIBUTES
from formulations.objective import DelayKind, ObjectiveKind
from formulations.score import SCORES
from formulations.terms import Sites, Terms

from .reference import climb
from .soundness import wide_scenario

__all__ = ["declared_scenario"]

Array = NDArray[np.float64]

#: Attributes of which a row may ask for more.
_EITHER_SIGN = ("served", "offload", "bandwidth", "server_power", "server_speed")


def declared_scenario(seed: int, most_users: int = 3, most_servers: int = 2) -> Scenario:
    """Return a small scenario of wide magnitudes with an objective, and with up to three kinds of limits and rows.

    Parameters
    ----------
    seed
        Of every draw.
    most_users, most_servers
        Largest N and M.
    """
    rng = np.random.default_rng((seed, 1))
    base = wide_scenario(seed, most_users, most_servers).replace(name=f"declared-{seed}")
    server = rng.integers(base.n_servers, size=base.n_users)
    split = equal_split(base, server, np.full(base.n_users, 0.5))
    timeless = bool(rng.uniform() < 0.05) and base.weight_energy > 0.0
    without = base.replace(objective=_objective(rng, base, evaluate(base, split).scr))
    witness = _witness(rng, without, server)
    declared = _limits(rng, without, witness, timed=timeless)
    changes = {"weight_time": 0.0} if timeless else {}
    return without.replace(constraints=declared or None, **changes)


def _objective(rng: np.random.Generator, base: Scenario, ratio: float) -> dict[str, Any]:
    kind = ObjectiveKind(rng.choice(list(ObjectiveKind)))
    found: dict[str, Any] = {"kind": str(kind)}
    if not kind.by_user:
        found["delay"] = str(rng.choice(list(DelayKind)))
    if kind is ObjectiveKind.UTILITY:
        # At the ratio of some allocation its utility is zero: score and cost matter alike around it.
        found["price"] = float(ratio * 10.0 ** rng.uniform(-1.0, 1.5))
    if rng.uniform() < 0.3:
        found["user_weight"] = (10.0 ** rng.uniform(-1.0, 1.0, base.n_users)).tolist()
    if rng.uniform() < 0.25:
        found["score"] = str(rng.choice(list(SCORES)))
    return found


def _witness(rng: np.random.Generator, scenario: Scenario, server: NDArray[np.int64]) -> Allocation:
    """Return an allocation that what is declared mostly leaves room for."""
    n = scenario.n_users
    ranges = np.tile((0.0, 1.0), (n, 1))
    if rng.uniform() < 0.5:
        ranges = np.repeat(rng.choice([0.0, 1.0], (n, 1)), 2, axis=1)
    found = climb(scenario, iter([(server, ranges)]), starts=2).allocation if rng.uniform() < 0.6 else None
    if found is not None:
        return found
    middle = rng.uniform(0.1, 0.9, n) if ranges[0, 0] < ranges[0, 1] else ranges[:, 0]
    split = equal_split(scenario, server, middle)
    held = {"bandwidth", "server_power", "server_speed", "user_power", "user_speed"}
    shrunk = {name: (getattr(split, name) * 10.0 ** rng.uniform(-0.7, 0.0, n)).tolist() for name in sorted(held)}
    return Allocation.from_dict({**split.to_dict(), **shrunk})


def _limits(rng: np.random.Generator, s: Scenario, a: Allocation, timed: bool) -> dict[str, Any]:
    """Return what is declared around an allocation; with `timed` a delay limit of every user is among it."""
    terms = Sites(s, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )
    kinds = [*LIMITS, "offload", "binary_offload", "forbidden", "rows", "rows", "rows"]
    chosen = set(rng.choice(kinds, int(rng.integers(0, 4)), replace=False).tolist())
    found: dict[str, Any] = {}
    for key in sorted(chosen | ({"delay_limit"} if timed else set())):
        if key in LIMITS:
            bounds = _bounds(rng, s, a, terms, key)
            some = rng.uniform(size=len(bounds)) < 0.7
            some[int(rng.integers(len(bounds)))] = True
            usable = (some | (timed and key == "delay_limit")) & np.isfinite(bounds) & (bounds > 0.0)
            if usable.any():
                found[key] = [float(bound) if use else None for bound, use in zip(bounds, usable, strict=True)]
        elif key == "offload":
            low, high = a.offload * rng.uniform(0.3, 1.0, s.n_users), 1.0 - a.offload
            high = np.minimum(1.0, a.offload + high * rng.uniform(0.0, 0.7, s.n_users))
            found[key] = np.stack([low, high], axis=1).tolist()
        elif key == "binary_offload":
            found[key] = True
        elif key == "forbidden":
            pairs = [(n, m) for n in range(s.n_users) for m in range(s.n_servers) if m != a.server[n]]
            if pairs:
                found[key] = [list(pairs[index]) for index in rng.choice(len(pairs), size=1)]
        else:
            found[key] = [_row(rng, s, a, terms, name) for name in ("first", "second")[: int(rng.integers(1, 3))]]
    if found.get("binary_offload"):
        found.pop("offload", None)  # a range around a phi that is not whole may hold neither end
    return found


def _room(rng: np.random.Generator, size: int | None = None) -> Any:
    """Return factors on what there is at the allocation that is known: mostly room, at times a little too tight."""
    return 10.0 ** rng.uniform(-0.05, 0.4, size)


def _taken(s: Scenario, a: Allocation, terms: Terms, attribute: str) -> Array:
    """Return an attribute of every user at its server, shape (N,), SI."""
    at = np.arange(s.n_users), a.server
    weights: Mapping[str, Array] = ATTRIBUTES[attribute].weights(s)
    return np.broadcast_to(terms.weighted({part: weight[at] for part, weight in weights.items()}), (s.n_users,))


def _bounds(rng: np.random.Generator, s: Scenario, a: Allocation, terms: Terms, key: str) -> Array:
    limit = LIMITS[key]
    taken = _taken(s, a, terms, limit.attribute)
    size = limit.rows(s.n_users, s.n_servers)
    if limit.over == "server":
        taken = np.bincount(a.server, taken, minlength=size).astype(np.float64)
    elif limit.over == "all":
        taken = np.atleast_1d(taken.sum())
    room = _room(rng, size)
    if limit.attribute == "served":
        return np.maximum(taken, 1.0)
    return taken / room if limit.at_least else taken * room


def _row(rng: np.random.Generator, s: Scenario, a: Allocation, terms: Terms, name: str) -> dict[str, Any]:
    """Return a row of up to three terms; each comes to about one at the allocation that is known."""
    parts, total, size = [], 0.0, 0.0
    for attribute in rng.choice(ROW_ATTRIBUTES, int(rng.integers(1, 4)), replace=False).tolist():
        users = sorted(rng.choice(s.n_users, int(rng.integers(1, s.n_users + 1)), replace=False).tolist())
        servers = sorted(rng.choice(s.n_servers, int(rng.integers(1, s.n_servers + 1)), replace=False).tolist())
        here = np.isin(np.arange(s.n_users), users) & np.isin(a.server, servers)
        taken = float(np.where(here, _taken(s, a, terms, attribute), 0.0).sum())
        sign = -1.0 if attribute in _EITHER_SIGN and rng.uniform() < 0.35 else 1.0
        scale = taken if np.isfinite(taken) and taken > 0.0 else 1.0
        coefficient = sign * 10.0 ** rng.uniform(-0.5, 0.5) / scale
        total, size = total + coefficient * taken, size + abs(coefficient * taken)
        parts.append({"attribute": attribute, "users": users, "servers": servers, "coefficient": coefficient})
    slack = (float(_room(rng)) - 1.0) * (size if size > 0.0 else 1.0)
    return {"name": name, "at_most": total + slack, "terms": parts}
