"""Searches over joint models that lie, die or hang, for child processes to import."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pyomo.environ as pyo

from dashf_pyomo.backends.backend import OutcomeStatus
from dashf_pyomo.backends.search import Report, Task, Verdict
from formulations.joint import info


def _start(model: Any) -> list[tuple[Any, float]]:
    """The values of the start where it has some, and zero elsewhere."""
    return [(v, 0.0 if v.value is None else float(v.value)) for v in model.component_data_objects(pyo.Var)]


def bound_below_the_truth(model: Any, task: Task, report: Report) -> Verdict:
    low = 0.9 * info(model).data.least_ratio
    report.incumbent(_start(model), low, low)
    return Verdict(OutcomeStatus.SOLVED, "", low, low, 1)


def point_worth_less_than_claimed(model: Any, task: Task, report: Report) -> Verdict:
    high = 3.0 * info(model).data.least_ratio
    report.incumbent(_start(model), high, high)
    return Verdict(OutcomeStatus.SOLVED, "", high, high, 1)


def infeasible(model: Any, task: Task, report: Report) -> Verdict:
    return Verdict(OutcomeStatus.INFEASIBLE)


def _report_and_go_on(model: Any, report: Report) -> None:
    y = info(model).data.least_ratio
    report.incumbent(_start(model), y, 2.0 * y, 7)


def killed(model: Any, task: Task, report: Report) -> Verdict:
    _report_and_go_on(model, report)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hanging(model: Any, task: Task, report: Report) -> Verdict:
    _report_and_go_on(model, report)
    time.sleep(600)
    raise AssertionError


def no_numbers(model: Any, task: Task, report: Report) -> Verdict:
    report.incumbent([(v, float("nan")) for v, _ in _start(model)], float("nan"), float("nan"))
    return Verdict(OutcomeStatus.SOLVED, "", float("inf"), float("-inf"), -1)
