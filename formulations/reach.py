"""Scenarios that no allocation can serve within their extra constraints, or that have no best one, from data alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .allocation import FEASIBILITY_TOLERANCE
from .attributes import PARTS, Factor
from .constraints import Over
from .documents import InputError
from .scenario import Scenario
from .terms import Rows, Sites, Terms, upper_rows

__all__ = ["require_bounded_delay", "unreachable"]

Array = NDArray[np.float64]

_TIMES = ("time_local", "time_uplink", "time_server", "time_downlink")

#: Parts that are what they are whatever the resources, and those that are the less, the more resources a user has.
_LEAST_AT_WHOLE = frozenset({"served", "own", "left", *_TIMES})


def require_bounded_delay(scenario: Scenario) -> None:
    """Refuse a scenario without weight of delay where a user's delay has no limit: it is the cheaper the longer.

    A limit is a row that counts all four times of the user, at whatever server it may be.

    Raises
    ------
    InputError
        If there is such a user.
    """
    if scenario.weight_time > 0.0:
        return
    limited = np.zeros(scenario.n_users, dtype=np.bool_)
    for rows in upper_rows(scenario):
        if any(part not in rows.weights for part in _TIMES):
            continue
        counted = np.all([rows.weights[part] > 0.0 for part in _TIMES], axis=0)
        limiting = np.isfinite(rows.bound)
        if rows.limit.over is Over.USER:
            counted = counted & limiting[:, np.newaxis]
        elif rows.limit.over is Over.SERVER:
            counted = counted & limiting
        limited |= np.all(counted | ~scenario.allowed, axis=1)
    free = np.flatnonzero(~limited)
    if free.size:
        raise InputError(
            f"weight_time = 0: user {free[0]} has no limit of its delay; expected one for every user, as energy is "
            "saved without end by taking longer"
        )


def unreachable(scenario: Scenario) -> str:
    """Return why no allocation meets the extra constraints, or an empty text where the data do not tell.

    A user alone with all resources of a server has its highest rates and least delay there (delay is linear in phi).
    Where every server that is allowed misses a limit of the user by more than `FEASIBILITY_TOLERANCE`, the scenario is
    infeasible; so it is where users who are all alone miss a row together. Other users who can be served alone but not
    together are not found.
    """
    s, extra = scenario, scenario.constraints
    if extra is None:
        return ""
    sites, column = Sites(s), np.newaxis
    most = sites.terms(
        s.bandwidth_max,
        sites.user("user_power_max"),
        s.server_power_max,
        sites.user("user_speed_max"),
        s.server_speed_max,
    )
    slack = 1.0 + FEASIBILITY_TOLERANCE
    good = (most.rate_up * slack >= extra.uplink_rate[:, column]) & (
        most.rate_down * slack >= extra.downlink_rate[:, column]
    )
    good &= extra.allowed
    joint = []
    for rows in upper_rows(s):
        least = _least_taken(s, rows, most)
        if rows.limit.over is Over.USER:
            good &= least <= (rows.bound + FEASIBILITY_TOLERANCE * rows.unit)[:, column]
        else:
            joint.append((rows, least))
    lost = np.flatnonzero(~good.any(axis=1))
    if lost.size:
        return f"user {lost[0]} meets its limits at no server that is allowed, even alone with all resources"
    for rows, least in joint:
        said = _missed_together(s, rows, least, good)
        if said:
            return said
    return ""


def _least_taken(s: Scenario, rows: Rows, most: Terms) -> Array:
    """Return a lower bound of what every pair takes of a row, whatever its resources, shape (N, M)."""
    low, high = s.offload_range
    # An evaluator lets phi be this far out of its range.
    ends = [np.clip(low - FEASIBILITY_TOLERANCE, 0.0, 1.0), np.clip(high + FEASIBILITY_TOLERANCE, 0.0, 1.0)]
    found = np.full(s.channel_gain.shape, np.inf)
    for phi in (end[:, np.newaxis] for end in ends):
        total = np.zeros(s.channel_gain.shape)
        for part, weight in rows.weights.items():
            factor = {Factor.SERVED: np.ones_like(phi), Factor.LEFT: 1.0 - phi}.get(PARTS[part], phi)
            # A negative weight counts what there is at most: the whole; energies and shares may be next to nothing.
            counted = weight if part in _LEAST_AT_WHOLE else np.minimum(weight, 0.0)
            with np.errstate(over="ignore", invalid="ignore"):
                total = total + np.where(
                    (counted == 0.0) | (factor == 0.0), 0.0, counted * factor * getattr(most, part)
                )
        found = np.minimum(found, total)
    return found


def _missed_together(s: Scenario, rows: Rows, least: Array, good: NDArray[np.bool_]) -> str:
    """Return why all users together miss a row over a server or over all, or an empty text."""
    slack = FEASIBILITY_TOLERANCE * rows.unit
    if rows.limit.over is Over.ALL:
        total = float(np.where(good, least, np.inf).min(axis=1).sum())
        if total > rows.bound[0] + slack[0]:
            return f"{rows.limit.label} cannot be met, even with all resources for every user"
        return ""
    if tuple(rows.weights) == ("served",) and np.all(rows.weights["served"] == 1.0):
        places = float(np.floor(np.minimum(rows.bound + slack, s.n_users)).sum())
        if places < s.n_users:
            return f"{rows.limit.label} leaves {places:g} places; expected at least {s.n_users} for all users"
    elsewhere = good.sum(axis=1, keepdims=True) > good
    forced = np.where(good, np.where(elsewhere, np.minimum(least, 0.0), least), 0.0).sum(axis=0)
    missed = np.flatnonzero(forced > rows.bound + slack)
    return (
        f"{rows.limit.label} of server {missed[0]} cannot be met by the users that it must serve" if missed.size else ""
    )
