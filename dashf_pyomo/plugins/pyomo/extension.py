"""What is to become of a model that was extended: which changes a method takes in, and which it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario

from .recognition import Change, Difference, Recognised, UnsupportedModelError

__all__ = ["allowed_pairs", "closed_pairs", "refusal", "respects", "split"]

#: What the gain of a forbidden pair is multiplied by: its times then exceed all others, so no good allocation uses it.
CLOSING = 1e-12


def split(recognised: Recognised) -> tuple[list[Difference], list[Difference]]:
    """Return the differences that the data of a scenario can express (fixed associations), and all others."""
    inside = [difference for difference in recognised.of(Change.FIXED) if _pair(difference) and difference.restricts]
    return inside, [difference for difference in recognised.differences if difference not in inside]


def _pair(difference: Difference) -> bool:
    return difference.component.startswith("x[")


def allowed_pairs(recognised: Recognised, fixed: Sequence[Difference]) -> NDArray[np.bool_]:
    """Return the pairs that fixed associations leave, shape (N, M).

    Raises
    ------
    UnsupportedModelError
        If a fixed association is neither 0 nor 1, or leaves a user without a server.
    """
    s = recognised.info.scenario
    allowed = np.ones((s.n_users, s.n_servers), dtype=bool)
    for difference in fixed:
        user, server = difference.data.index()
        value = difference.data.value
        if value not in (0, 1):
            raise UnsupportedModelError(f"variable {difference.component} is fixed at {value:g}; expected 0 or 1")
        if value:
            allowed[user, np.arange(s.n_servers) != server] = False
        else:
            allowed[user, server] = False
    for user in np.flatnonzero(~allowed.any(axis=1)):
        raise UnsupportedModelError(
            f"no server is left for user {user}: all of x[{user},:] are fixed at 0 or exclude each other"
        )
    return allowed


def closed_pairs(scenario: Scenario, allowed: NDArray[np.bool_]) -> Scenario:
    """Return the scenario with the gains of forbidden pairs so small that they are useless.

    An allocation without these pairs has the same SCR in both, so a bound on the one bounds the restricted other.
    """
    return replace(scenario, channel_gain=np.where(allowed, scenario.channel_gain, scenario.channel_gain * CLOSING))


def respects(allocation: Allocation, allowed: NDArray[np.bool_]) -> bool:
    """Whether an allocation uses allowed pairs only."""
    return bool(allowed[np.arange(allocation.n_users), allocation.server].all())


def refusal(method: str, recognised: Recognised, what: Sequence[Difference], exact: bool) -> UnsupportedModelError:
    """Return the error that says what a method cannot honour, and what can be done."""
    shown = [str(difference) for difference in what[:5]]
    if len(what) > 5:
        shown.append(f"{len(what) - 5} more")
    way = "" if exact else "dashf_minlp hands the model to a global solver as it is, and "
    return UnsupportedModelError(
        f"method {method} cannot honour what was changed in model {recognised.model.name!r}: {'; '.join(shown)}; "
        f"{way}on_extension='report' solves Problem (3) and reports what the solution violates"
    )
