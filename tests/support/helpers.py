"""What several test files share: small inputs, the limits of an allocation, and the check of an error message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from formulations import Allocation, InputError, Scenario

#: Where the limit of each resource stands in the scenario, and which constraint of the paper holds it there.
LIMITS = {
    "bandwidth": ("bandwidth_max", "(3d)"),
    "user_power": ("user_power_max", "(3e)"),
    "server_power": ("server_power_max", "(3f)"),
    "user_speed": ("user_speed_max", "(3g)"),
    "server_speed": ("server_speed_max", "(3h)"),
}
RESOURCES = tuple(LIMITS)
PER_USER = {"user_power", "user_speed"}


def scenario_document() -> dict[str, Any]:
    """Two users, three servers, so that no two shapes are the same."""
    return Scenario.random(users=2, servers=3, seed=5).to_dict()


def scenario_values() -> dict[str, Any]:
    """The same as arguments of ``Scenario``."""
    values = scenario_document()
    del values["format"], values["version"]
    return values


def write(path: Path, document: object) -> Path:
    """Write JSON as another program might: with NaN, Infinity and all."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def nested(depth: int) -> list[Any]:
    """A list in a list in a list ..."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def refusal(action: Callable[[], object]) -> BaseException | None:
    """The error with which deeply nested input is refused; pytest would take minutes to print a RecursionError."""
    try:
        action()
    except (InputError, RecursionError) as error:
        return error.with_traceback(None)
    return None


def limits(scenario: Scenario, allocation: Allocation, field: str) -> np.ndarray:
    """The cap of each user, or the budget of its server."""
    limit = getattr(scenario, LIMITS[field][0])
    return limit if field in PER_USER else limit[allocation.server]


def changed(allocation: Allocation, field: str, user: int, value: float) -> Allocation:
    """The allocation with one number replaced."""
    values = getattr(allocation, field).copy()
    values[user] = value
    return replace(allocation, **{field: values})


def equal_shares(scenario: Scenario, server: list[int]) -> Allocation:
    """Budgets split among the users of each server, users at their caps, half of the work offloaded."""
    count = np.bincount(server, minlength=scenario.n_servers)[server]
    return Allocation(
        server=server,
        offload=[0.5] * scenario.n_users,
        bandwidth=scenario.bandwidth_max[server] / count,
        user_power=scenario.user_power_max,
        server_power=scenario.server_power_max[server] / count,
        user_speed=scenario.user_speed_max,
        server_speed=scenario.server_speed_max[server] / count,
    )


def assert_clear(error: BaseException | None, *parts: object) -> None:
    """One line that holds every part: the file, the field, the value, what was expected."""
    assert isinstance(error, InputError), repr(error)
    message = str(error)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, f"{part!s} is not in: {message}"
