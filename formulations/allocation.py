"""The decisions of Problem (3), and the one evaluator that judges every solution.

`evaluate` is written to be read: it follows Section II line by line and takes no number on trust. No solver scores
itself; what a method reports is what this file says about its allocation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import indexed, read_numbers, require_finite, shown
from .constraints import EXCESS_PRICE, Over
from .documents import InputError, check_keys
from .objective import SCR
from .scenario import Scenario
from .terms import Sites, Stages, Terms, rows_of

__all__ = [
    "FEASIBILITY_TOLERANCE",
    "Allocation",
    "AllocationError",
    "Evaluation",
    "Violation",
    "evaluate",
    "limit_margins",
    "merit",
]

Array = NDArray[np.float64]

_TIMES_AND_ENERGIES = tuple(
    f"{kind}_{stage}" for kind in ("time", "energy") for stage in ("local", "uplink", "server", "downlink")
)

#: Largest violation, relative to its budget, of an allocation that may be called feasible.
FEASIBILITY_TOLERANCE = 1e-6


class AllocationError(InputError):
    """An allocation that cannot be read as one for the scenario at hand."""


@dataclass(frozen=True, eq=False)
class Allocation:
    """Allocation: the server, the part of own training and the resources of each user.

    Only connected pairs carry resources, so everything is stored per user. Arrays are copied and
    read-only; all have shape (N,).

    Parameters
    ----------
    server
        Index of the serving server, counted from 0 (x_nm = 1), int.
    offload
        phi_n in [0, 1]: the share of the adapter that the *user* trains, as in the paper.
    bandwidth
        b_nm, Hz.
    user_power, server_power
        p_n and p_nm, W.
    user_speed, server_speed
        F_n and F_nm, FLOP/s.

    Raises
    ------
    AllocationError
        If shapes differ, a number is not finite or a server index is not a whole number of at least 0.
    """

    server: NDArray[np.int64]
    offload: Array
    bandwidth: Array
    user_power: Array
    server_power: Array
    user_speed: Array
    server_speed: Array

    def __post_init__(self) -> None:
        size: int | None = None
        for field in fields(self):
            value = getattr(self, field.name)
            array: NDArray[Any] = _servers(value) if field.name == "server" else _finite(field.name, value)
            if array.ndim != 1 or (size is not None and len(array) != size):
                expected = "(N,)" if size is None else f"({size},)"
                raise AllocationError(f"{field.name} has shape {array.shape}; expected {expected}")
            size = len(array)
            array.flags.writeable = False
            object.__setattr__(self, field.name, array)

    @property
    def n_users(self) -> int:
        """N, the number of users."""
        return len(self.server)

    def to_dict(self) -> dict[str, list[float] | list[int]]:
        """Return the allocation as plain lists for JSON."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_dict(cls, document: Any, where: str = "allocation") -> Allocation:
        """Build an allocation from plain lists; `where` starts every error message."""
        if not isinstance(document, Mapping):
            raise AllocationError(f"{where}: expected an object of seven lists")
        check_keys(dict(document), {field.name for field in fields(cls)}, set(), where)
        try:
            return cls(**document)
        except AllocationError as error:
            raise AllocationError(f"{where}.{error}") from None

    def with_shares(self, scenario: Scenario, shares: Array, offload: Array) -> Allocation:
        """Return the allocation at this association with resources given as shares, cut back into budgets and caps.

        Parameters
        ----------
        scenario
            The data.
        shares
            Shares of bandwidth, server power and server speed, then fractions of the user's caps of power and
            speed, shape (5, N).
        offload
            phi, shape (N,). A user that trains nothing needs no power or speed of its own and keeps its caps.
        """
        m, offload = self.server, np.clip(offload, 0.0, 1.0)
        bandwidth, power, speed, user_power, user_speed = np.maximum(shares, 0.0)
        trains = offload > 0
        return replace(
            self,
            offload=offload,
            bandwidth=bandwidth * scenario.bandwidth_max[m],
            server_power=power * scenario.server_power_max[m],
            server_speed=speed * scenario.server_speed_max[m],
            user_power=np.where(trains, user_power, 1.0) * scenario.user_power_max,
            user_speed=np.where(trains, user_speed, 1.0) * scenario.user_speed_max,
        ).within_budgets(scenario)

    def within_budgets(self, scenario: Scenario) -> Allocation:
        """Return the nearest allocation of this shape that breaks no budget and no cap.

        Negative shares become zero, users are cut at their caps, and the users of an overfilled server
        are scaled back in proportion. What fits already is returned unchanged.

        Raises
        ------
        AllocationError
            If the allocation is not one for this scenario.
        """
        _check_fits(scenario, self)
        changes: dict[str, Any] = {"offload": np.clip(self.offload, 0.0, 1.0)}
        for field, cap in (("user_power", scenario.user_power_max), ("user_speed", scenario.user_speed_max)):
            changes[field] = np.clip(getattr(self, field), 0.0, cap)
        for field, budget in (
            ("bandwidth", scenario.bandwidth_max),
            ("server_power", scenario.server_power_max),
            ("server_speed", scenario.server_speed_max),
        ):
            held = np.maximum(getattr(self, field), 0.0)
            load = np.bincount(self.server, held, minlength=scenario.n_servers)
            # A hair below one, so that rounding in the sum does not break the budget again.
            factor = np.where(load > budget, (1.0 - 4e-15) * budget / np.maximum(load, budget), 1.0)
            changes[field] = held * factor[self.server]
        return replace(self, **changes)


@dataclass(frozen=True)
class Violation:
    """A constraint that an allocation breaks.

    Parameters
    ----------
    constraint
        The paper's number and name, for instance ``(3d) bandwidth budget``.
    where
        The user or server, for instance ``server 1``.
    value, limit
        What was found and what was allowed, SI units.
    relative
        The excess relative to the budget or cap; infinite for an infinite delay, 1 for a pair that is not allowed.
    extra
        Whether it is one of the scenario's extra constraints.
    limited_by
        For these, the array of `Constraints` and the index in it, else None.
    """

    constraint: str
    where: str
    value: float
    limit: float
    relative: float
    extra: bool = False
    limited_by: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.constraint}, {self.where}: {self.value:.9g} against {self.limit:.9g} ({self.relative:.2e} over)"


@dataclass(frozen=True)
class Evaluation(Stages):
    """Evaluation of an allocation, with all its parts; arrays have shape (N,).

    Parameters
    ----------
    value
        The objective of the scenario; `Objective.worst` where it is no finite number.
    scr, score, delay, energy
        SCR (2), total score (1), largest delay (s), total energy (J). An infinite delay has an SCR of zero. Where the
        objective is the SCR, with user weights or another delay in the cost, SCR and score are those.
    user_score
        v_n.
    time_local, time_uplink, time_server, time_downlink
        T^(t1) to T^(t4) of each user, s.
    energy_local, energy_uplink, energy_server, energy_downlink
        E^(t1) to E^(t4) of each user, J.
    violations
        Every constraint that is broken at all, largest first.
    """

    value: float
    scr: float
    score: float
    delay: float
    energy: float
    user_score: Array
    time_local: Array
    time_uplink: Array
    time_server: Array
    time_downlink: Array
    energy_local: Array
    energy_uplink: Array
    energy_server: Array
    energy_downlink: Array
    violations: tuple[Violation, ...]

    @property
    def max_violation(self) -> float:
        """Largest violation relative to its budget; zero if nothing is broken."""
        return max((violation.relative for violation in self.violations), default=0.0)

    @property
    def extra_excess(self) -> float:
        """Sum of the relative violations of extra constraints beyond `FEASIBILITY_TOLERANCE`."""
        found = (violation.relative for violation in self.violations if violation.extra)
        return sum(relative for relative in found if relative > FEASIBILITY_TOLERANCE)

    @property
    def broken_limits(self) -> frozenset[tuple[str, int]]:
        """The words of `Violation.limited_by` on extra constraints broken by more than `FEASIBILITY_TOLERANCE`."""
        broken = (violation for violation in self.violations if violation.relative > FEASIBILITY_TOLERANCE)
        return frozenset(violation.limited_by for violation in broken if violation.limited_by is not None)

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken by more than `FEASIBILITY_TOLERANCE`."""
        return self.max_violation <= FEASIBILITY_TOLERANCE


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def evaluate(scenario: Scenario, allocation: Allocation) -> Evaluation:
    """Judge an allocation: SCR, score, delay, energy with their parts, and every violation.

    Raises
    ------
    AllocationError
        If the allocation is for another number of users or names a server that does not exist.
    """
    s = scenario
    _check_fits(s, allocation)
    # The physics sees what is possible: a share that is a hair out of its range is a violation, noted below, and
    # must not buy negative times or energies.
    a = _possible(allocation)
    sites, terms = Sites(s, a.server), _terms(s, a)
    user_score = sites.score(a.bandwidth, a.server_power, a.server_speed)
    weights = np.ones(s.n_users) if s.objective.user_weight is None else np.array(s.objective.user_weight)
    delay, energy, score = (
        float(np.max(terms.user_delay)),
        float(np.sum(terms.energy_by_user)),
        float(np.sum(weights * user_score)),
    )
    totals = {"(3j) finite delay": delay, "(1) finite score": score}
    if np.isfinite(delay):  # an infinite delay comes with an infinite energy
        totals["(2) finite energy"] = energy
    violations = _violations(s, allocation, totals)
    if s.constraints is not None:
        violations += _extra_violations(s, allocation, terms)
        violations.sort(key=lambda violation: -violation.relative)
    cost = s.cost(terms.user_delay, terms.energy_by_user)
    scr = SCR.value(score, cost)
    return Evaluation(
        value=_value(s, score, cost, user_score, terms),
        scr=scr,
        score=score,
        delay=delay,
        energy=energy,
        user_score=user_score,
        **{part: getattr(terms, part) for part in _TIMES_AND_ENERGIES},
        violations=tuple(violations),
    )


def _value(s: Scenario, score: float, cost: float, user_score: Array, terms: Terms) -> float:
    if s.objective.kind.by_user:
        return s.objective.value_by_user(user_score, s.user_costs(terms.user_delay, terms.energy_by_user))
    return s.objective.value(score, cost)


def _terms(s: Scenario, a: Allocation) -> Terms:
    return Sites(s, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )


def limit_margins(scenario: Scenario, allocation: Allocation) -> list[Array]:
    """Return how far every declared limit is from being broken, relative to it, negative where it is broken."""
    terms, found = _terms(scenario, _possible(allocation)), []
    for rows in rows_of(scenario):
        found.append(-rows.excess(rows.values(terms, allocation.server))[rows.active])
    return found


def merit(scenario: Scenario, allocation: Allocation, ratio: float) -> float:
    """Return score minus y times cost, (10), less what violations of extra constraints cost at `EXCESS_PRICE`.

    Parameters
    ----------
    scenario
        The data.
    allocation
        What is to be compared with others.
    ratio
        Dinkelbach's y.
    """
    s, e = scenario, evaluate(scenario, allocation)
    value = float(s.objective.parametric(e.score, s.cost(e.user_delay, e.energy_by_user), ratio))
    if s.constraints is None or not e.extra_excess:
        return value
    # In a cost scores count nothing, and it may be far above any of them.
    unit = s.score_scale if s.objective.score_weight else max(s.score_scale, abs(value))
    return value - EXCESS_PRICE * unit * e.extra_excess


def _check_fits(s: Scenario, a: Allocation) -> None:
    if a.n_users != s.n_users:
        raise AllocationError(f"allocation is for {a.n_users} users; expected {s.n_users}")
    if np.any(a.server >= s.n_servers):
        user = int(np.argmax(a.server >= s.n_servers))
        raise AllocationError(f"server[{user}] = {a.server[user]}; expected 0 to {s.n_servers - 1}")


def _possible(a: Allocation) -> Allocation:
    """Return the allocation with the offloading within [0, 1] and nothing below zero."""
    held = ("bandwidth", "user_power", "server_power", "user_speed", "server_speed")
    return replace(
        a,
        offload=np.clip(a.offload, 0.0, 1.0),
        **{field: np.maximum(getattr(a, field), 0.0) for field in held},
    )


def _violations(s: Scenario, a: Allocation, totals: Mapping[str, float]) -> list[Violation]:
    found: list[Violation] = []

    def note(constraint: str, kind: str, value: Array, limit: Array, unit: Array) -> None:
        for i in np.flatnonzero(value > limit):
            relative = float((value[i] - limit[i]) / unit[i])
            found.append(Violation(constraint, f"{kind} {i}", float(value[i]), float(limit[i]), relative))

    def note_negative(name: str, value: Array, unit: Array) -> None:
        for i in np.flatnonzero(value < 0):
            found.append(Violation(f"(3i) {name} >= 0", f"user {i}", float(value[i]), 0.0, float(-value[i] / unit[i])))

    one = np.ones(s.n_users)
    note("(3c) offloading ratio <= 1", "user", a.offload, one, one)
    for i in np.flatnonzero(a.offload < 0):
        found.append(
            Violation("(3c) offloading ratio >= 0", f"user {i}", float(a.offload[i]), 0.0, float(-a.offload[i]))
        )
    for number, name, value, budget in (
        ("(3d)", "bandwidth", a.bandwidth, s.bandwidth_max),
        ("(3f)", "server power", a.server_power, s.server_power_max),
        ("(3h)", "server speed", a.server_speed, s.server_speed_max),
    ):
        load = np.asarray(np.bincount(a.server, np.maximum(value, 0.0), minlength=s.n_servers), dtype=np.float64)
        note(f"{number} {name} budget", "server", load, budget, budget)
        note_negative(name, value, budget[a.server])
    for number, name, value, cap in (
        ("(3e)", "user power", a.user_power, s.user_power_max),
        ("(3g)", "user speed", a.user_speed, s.user_speed_max),
    ):
        note(f"{number} {name} cap", "user", value, cap, cap)
        note_negative(name, value, cap)
    for constraint, total in totals.items():
        if not np.isfinite(total):
            found.append(Violation(constraint, "all users", total, np.inf, np.inf))
    return sorted(found, key=lambda violation: -violation.relative)


def _extra_violations(s: Scenario, a: Allocation, terms: Terms) -> Iterator[Violation]:
    """Yield the extra constraints that are broken."""
    server = a.server
    for rows in rows_of(s):
        limit, value = rows.limit, rows.values(terms, server)
        over = rows.excess(value)
        for i in np.flatnonzero(over > 0).tolist():
            where = "all users" if limit.over is Over.ALL else f"{limit.over} {i}"
            numbers = float(value[i]), float(rows.bound[i]), float(over[i])
            yield Violation(limit.label, where, *numbers, extra=True, limited_by=(limit.key, rows.index + i))
    yield from _offload_violations(s, a.offload)
    for user in np.flatnonzero(~s.allowed[np.arange(len(server)), server]).tolist():
        where, numbers = f"user {user} at server {server[user]}", (1.0, 0.0, 1.0)
        yield Violation("(X2) association not allowed", where, *numbers, extra=True, limited_by=("allowed", user))


def _offload_violations(s: Scenario, offload: Array) -> Iterator[Violation]:
    """Yield the users whose offloading is out of its range, or not whole where it is binary."""
    assert s.constraints is not None
    low, high = s.constraints.offload.T
    nearest = np.clip(offload, low, high)
    label, key = "(X7) offloading range", "offload"
    for user in np.flatnonzero(offload != nearest).tolist():
        numbers = float(offload[user]), float(nearest[user]), float(abs(offload[user] - nearest[user]))
        yield Violation(label, f"user {user}", *numbers, extra=True, limited_by=(key, user))
    if s.constraints.binary_offload:
        nearest = np.round(offload)
        for user in np.flatnonzero(offload != nearest).tolist():
            numbers = float(offload[user]), float(nearest[user]), float(abs(offload[user] - nearest[user]))
            yield Violation(
                "(X7) binary offloading", f"user {user}", *numbers, extra=True, limited_by=("binary_offload", user)
            )


def _servers(value: Any) -> NDArray[np.int64]:
    if not isinstance(value, np.ndarray):
        if not isinstance(value, (list, tuple)):
            raise AllocationError(f"server = {shown(value)}; expected a list of server indices")
        for user, item in enumerate(value):
            if isinstance(item, (bool, np.bool_)) or not isinstance(item, (int, np.integer)) or abs(int(item)) > 2**62:
                raise AllocationError(f"server[{user}] = {shown(item)}; expected a whole number of at least 0")
        value = np.array(value, dtype=np.int64)
    if not np.issubdtype(value.dtype, np.integer):
        raise AllocationError(f"server holds {value.dtype} values; expected whole numbers of at least 0")
    array = np.array(value, dtype=np.int64)
    if np.any(array < 0):
        index = tuple(int(i) for i in np.argwhere(array < 0)[0])
        raise AllocationError(f"server{indexed(index)} = {array[index]}; expected a whole number of at least 0")
    return array


def _finite(field: str, value: Any) -> Array:
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise AllocationError(f"{field} = {shown(value)}; expected a list of numbers")
    array = read_numbers(field, value, AllocationError)
    require_finite(field, array, AllocationError)
    return array
