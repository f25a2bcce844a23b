"""The check of the trace: it cannot be evaluated again, but it must not contradict the result or itself."""

from __future__ import annotations

from typing import Any

import pytest
from tampering import SCENARIO, Path, original, signed, tampered, wrong

import dashf_pyomo

TRACES: dict[str, tuple[Path, Any]] = {
    "number": ((1, "iteration"), 7),
    "time going back": ((1, "time"), 0.0),
    "longer than the wall time": ((-1, "time"), 1e9),
    "negative time": ((0, "time"), -1.0),
    "better than the result": ((0, "scr"), 1e9),
    "best above all": ((-1, "best"), 1e9),
    "accepted by whim": ((1, "accepted"), False),
    "no scr": ((0, "scr"), None),
    "bound below": ((0, "upper_bound"), 0.0),
}


@pytest.mark.parametrize("case", TRACES)
def test_rejects_a_trace_that_contradicts_itself_or_the_result(case: str) -> None:
    path, value = TRACES[case]
    assert wrong(signed(tampered(("trace", *path), value))) == {"trace"}


FORMS: dict[str, tuple[Path, Any]] = {
    "accepted is a number": ((0, "accepted"), 1),
    "scr is text": ((0, "scr"), "high"),
    "kind": ((0, "kind"), "miracle"),
    "number is text": ((1, "iteration"), "1"),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_trace_with_values_of_another_type_is_no_result(case: str) -> None:
    path, value = FORMS[case]
    assert wrong(signed(tampered(("trace", *path), value))) == {"form"}


def test_rejects_a_trace_that_hides_something_better() -> None:
    document = dashf_pyomo.solve(SCENARIO, "dashf", time_limit=1e-9).to_dict()
    [start] = document["trace"]
    hidden = {**start, "iteration": 1, "scr": 2 * start["scr"], "accepted": False}
    assert wrong(signed({**document, "trace": [start, hidden], "iterations": 1})) == {"trace"}


def test_rejects_a_trace_that_ends_with_another_value() -> None:
    document = dashf_pyomo.solve(SCENARIO, "dashf", time_limit=1e-9).to_dict()
    [start] = document["trace"]
    other = {**start, "scr": 2 * start["scr"], "best": 2 * start["scr"]}
    assert wrong(signed({**document, "trace": [other]})) == {"trace"}


def test_rejects_a_trace_with_an_entry_too_few_or_too_many() -> None:
    document = original()
    assert "trace" in wrong(signed({**document, "trace": document["trace"][:-1]}))
    assert "trace" in wrong(signed({**document, "trace": document["trace"] + document["trace"][-1:]}))
    assert "trace" in wrong(signed({**document, "iterations": document["iterations"] + 1}))
