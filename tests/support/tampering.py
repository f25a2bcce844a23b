"""Shared by the tests of the check: results, and ways to change them.

A *signed* document carries a digest that was computed again after the change, so only the facts can tell.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import dashf_pyomo
from dashf_pyomo.check import check
from formulations import InputError, Scenario
from formulations.documents import digest

SCENARIO = Scenario.random(users=4, servers=2, seed=0)
CLAIMS = ("scr", "score", "delay", "energy")
Path = tuple[str | int, ...]


@cache
def _original(method: str) -> dict[str, Any]:
    # minlp does not close four users; the others end by themselves.
    return dashf_pyomo.solve(SCENARIO, method, time_limit=2.0 if method == "minlp" else 60.0).to_dict()


def original(method: str = "dashf") -> dict[str, Any]:
    return copy.deepcopy(_original(method))


def signed(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "digest": digest(document)}


def wrong(document: dict[str, Any], scenario: Scenario = SCENARIO) -> set[str]:
    """The claims that do not hold; ``form`` where it is no result at all."""
    try:
        with np.errstate(all="ignore"):  # what numpy says of hostile numbers has its own test
            return {finding.claim for finding in check(scenario, document) if not finding.holds}
    except InputError as error:
        assert "\n" not in str(error)
        return {"form"}


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all numbers, texts, truth values and nulls."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
    else:
        for key, item in items:
            yield from leaves(item, (*path, key))


def get(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def put(document: Any, path: Path, value: Any) -> None:
    get(document, path[:-1])[path[-1]] = value


def tampered(path: Path, value: Any, method: str = "dashf") -> dict[str, Any]:
    document = original(method)
    put(document, path, value)
    return document
