"""A trace file read by PAVER's rules says what the study says: the same bounds, the same gap, nothing optimal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from dashf_pyomo.result_data import relative_gap
from dashf_pyomo.study import Study
from dashf_pyomo.study.export import export, table
from dashf_pyomo.study.paver import solu, trace
from dashf_pyomo.study.store import Store

#: What PAVER takes model statuses for; these rules are those of its reader of GAMS trace files.
OPTIMAL, INFEASIBLE, NO_SOLUTION = {1, 15, 16, 17}, {4, 10, 19}, {6, 9, 11, 12, 13, 14}


def number(text: str) -> float | None:
    if text in ("NA", "UNDF", ""):
        return None
    value = float(text)
    return math.copysign(math.inf, value) if abs(value) >= 1e20 else value


def bounds(record: dict[str, str]) -> tuple[float, float]:
    """Primal and dual bound as PAVER sets them."""
    direction = 1 - 2 * int(record["Direction"])  # -1 is a maximisation
    primal, dual = number(record["ObjectiveValue"]), number(record["ObjectiveValueEstimate"])
    primal = direction * math.inf if primal is None else primal
    dual = -direction * math.inf if dual is None else dual
    status = int(record["ModelStatus"])
    if status in INFEASIBLE:
        return direction * math.inf, direction * math.inf
    if status in OPTIMAL:
        return primal, primal
    return (direction * math.inf if status in NO_SOLUTION else primal), dual


def paver_gap(primal: float, dual: float) -> float:
    """PAVER's gap: relative to the smaller of the two bounds."""
    upper, lower = -primal, -dual  # it minimises
    if abs(upper - lower) <= 1e-9 or upper == lower:
        return 0.0
    if min(abs(upper), abs(lower)) <= 1e-9 or math.isinf(upper) or math.isinf(lower):
        return math.inf
    return (upper - lower) / min(abs(upper), abs(lower))


def read(text: str) -> list[dict[str, str]]:
    lines = text.splitlines()
    columns = lines[2].removeprefix("* ").split(",")
    return [dict(zip(columns, line.split(","), strict=True)) for line in lines if not line.startswith("*")]


def row(status: str, scr: float | None, bound: float | None, **more: Any) -> dict[str, Any]:
    found = {
        "variant": "method", "key": f"{status}/{scr}/{bound}", "scenario": f"{scr}/{bound}", "name": "s", "repeat": 0,
        "users": 3, "servers": 2, "outcome": "done", "status": status, "scr": scr, "upper_bound": bound, "started": "",
        "wall_time": 1.0, "iterations": None, "objective": "scr", "value": scr, "bound": bound, "score": scr, **more,
    }  # fmt: skip
    return found


def test_a_minimised_objective_has_the_other_direction_and_its_bound_below() -> None:
    entry = {**row("certified", 7.0, None), "objective": "cost", "value": 10.0, "bound": 9.5}
    worse = {**entry, "key": "worse", "variant": "other", "value": 12.0, "bound": 10.5}  # beyond the ten
    for record, reached, bound in zip(read(trace([entry, worse])), (10.0, 12.0), (9.5, -math.inf), strict=True):
        assert record["Direction"] == "0" and bounds(record) == (reached, bound)
    assert solu([entry, worse]).splitlines() == ["=best= s-7.0/None 10", "=bestdual= s-7.0/None 9.5"]


@pytest.mark.parametrize(
    ("status", "scr", "bound"),
    [
        ("certified", 1073.4987654321988, 1074.2345678901233),
        ("certified", 1073.4987654321988, 1073.498765432199),
        ("certified", 0.1, 0.10000000000000003),
        ("feasible", 500.0, 1000.0),
        ("time_limit", 500.0, 1000.0),
        ("interrupted", 500.0, 1000.0),
        ("error", 500.0, 1000.0),
    ],
)
def test_the_gap_is_the_one_of_the_study_to_the_last_digit(status: str, scr: float, bound: float) -> None:
    (record,) = read(trace([row(status, scr, bound)]))
    assert bounds(record) == (scr, bound)
    gap = relative_gap(*bounds(record))
    assert gap == relative_gap(scr, bound) and gap is not None
    assert paver_gap(*bounds(record)) == pytest.approx(gap / (1.0 - gap), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (row("feasible", 500.0, None), (500.0, math.inf)),
        (row("certified", 1000.0, 1000.0 * (1 - 1e-7)), (1000.0, 1000.0)),  # within the tolerance
        (row("certified", 1000.0, 990.0), (1000.0, math.inf)),  # refuted
        (row("time_limit", None, 1000.0), (-math.inf, 1000.0)),
        (row("unknown", None, None), (-math.inf, math.inf)),
        (row("infeasible", None, None), (-math.inf, -math.inf)),
        (row("", None, None, outcome="crash"), (-math.inf, math.inf)),
        (row("", None, None, outcome="overdue"), (-math.inf, math.inf)),
    ],
)
def test_bounds_that_are_missing_refuted_or_nearly_reached(
    entry: dict[str, Any], expected: tuple[float, float]
) -> None:
    (record,) = read(trace([entry]))
    assert bounds(record) == expected and int(record["ModelStatus"]) not in OPTIMAL


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (row("certified", 1000.0, 1000.0), ("8", "1")),
        (row("time_limit", 500.0, None), ("8", "3")),
        (row("time_limit", None, None), ("14", "3")),
        (row("interrupted", 500.0, None), ("8", "8")),
        (row("infeasible", None, None), ("19", "1")),
        (row("unknown", None, None), ("14", "1")),
        (row("error", 500.0, None), ("8", "10")),
        (row("", None, None, outcome="memory"), ("14", "10")),
    ],
)
def test_the_statuses_of_model_and_solver_follow_from_claim_and_termination(
    entry: dict[str, Any], expected: tuple[str, str]
) -> None:
    (record,) = read(trace([entry]))
    assert (record["ModelStatus"], record["SolverStatus"]) == expected


def test_known_values_have_all_their_digits() -> None:
    assert solu([row("certified", 1073.4987654321988, 1074.2345678901233)]).splitlines() == [
        "=best= s-1073.498 1073.4987654321988",
        "=bestdual= s-1073.498 1074.2345678901233",
    ]


def test_a_real_study_has_the_same_gaps_in_its_trace(tmp_path: Path) -> None:
    study = Study([{"users": 2, "servers": 2, "seeds": [0, 1]}], ["nearest", "dual"], tmp_path / "out")
    assert study.run(workers=1).failed == 0
    with Store(study.folder) as store:
        rows = table(store)
        export(store, tmp_path / "x.trc")
    records = read((tmp_path / "x.trc").read_text())
    assert [row["method"] for row in rows] == [record["SolverName"] for record in records]
    for cell, record in zip(rows, records, strict=True):
        primal, dual = bounds(record)
        gap = relative_gap(primal, None if math.isinf(dual) else dual)
        assert gap == (None if cell["own_gap"] is None else max(cell["own_gap"], 0.0))
    assert sum(cell["own_gap"] is not None for cell in rows) == 2
