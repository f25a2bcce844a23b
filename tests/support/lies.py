"""Searches over joint models that lie, die or hang, for child processes to import."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pyomo.environ as pyo

from dashf_pyomo.backends.backend import OutcomeStatus
from dashf_pyomo.backends.model_search import Report, SearchEnd, SearchLimits
from formulations.joint import info


def _start(model: Any) -> list[tuple[Any, float]]:
    """The values of the start where it has some, and zero elsewhere."""
    return [(v, 0.0 if v.value is None else float(v.value)) for v in model.component_data_objects(pyo.Var)]


def bound_below_the_truth(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    low = 0.9 * info(model).data.least_ratio
    report.incumbent(_start(model), low, low)
    return SearchEnd(OutcomeStatus.SOLVED, "", low, low, 1)


def bound_beyond_the_truth(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    """Bound the objective by what is worse than the known allocation reaches, in the sense of the model."""
    data = info(model).data
    reached = data.value / data.objective_unit
    worse = reached + 0.1 * abs(reached) * (1.0 if model.objective.sense == pyo.minimize else -1.0)
    report.incumbent(_start(model), worse, worse)
    return SearchEnd(OutcomeStatus.SOLVED, "", worse, worse, 1)


def point_worth_less_than_claimed(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    high = 3.0 * info(model).data.least_ratio
    report.incumbent(_start(model), high, high)
    return SearchEnd(OutcomeStatus.SOLVED, "", high, high, 1)


def infeasible(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    return SearchEnd(OutcomeStatus.INFEASIBLE)


def _report_and_go_on(model: Any, report: Report) -> None:
    y = info(model).data.least_ratio
    report.incumbent(_start(model), y, 2.0 * y, 7)


def killed(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    _report_and_go_on(model, report)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hanging(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    _report_and_go_on(model, report)
    time.sleep(600)
    raise AssertionError


def no_numbers(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    report.incumbent([(v, float("nan")) for v, _ in _start(model)], float("nan"), float("nan"))
    return SearchEnd(OutcomeStatus.SOLVED, "", float("inf"), float("-inf"), -1)


def bound_that_falls_through_the_gap(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    y = info(model).data.least_ratio
    for factor in (1.5, 1.0005, 0.9):
        report.incumbent(_start(model), y, factor * y)
    return SearchEnd(OutcomeStatus.SOLVED, "", y, 0.9 * y, 1)


def close_and_then_infeasible(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    y = info(model).data.least_ratio
    report.incumbent(_start(model), y, 1.0005 * y)
    return SearchEnd(OutcomeStatus.INFEASIBLE)


def close_and_then_unbounded(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    y = info(model).data.least_ratio
    report.incumbent(_start(model), y, 1.0005 * y)
    return SearchEnd(OutcomeStatus.UNBOUNDED)


def negative_parametric(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    report.incumbent(_start(model), 0.0, -1.0)
    return SearchEnd(OutcomeStatus.SOLVED, "", 0.0, -1.0, 1)
