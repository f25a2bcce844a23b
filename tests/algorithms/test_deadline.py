"""The deadline of a run: what is left of it, of its parts, and who is told that it is over."""

from __future__ import annotations

import pytest

from dashf_pyomo.algorithms.relaxed import RelaxedRun
from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.deadline import Deadline, OutOfTimeError
from formulations import Scenario


def test_without_a_limit_there_is_always_time() -> None:
    deadline = Deadline.after(None)
    assert deadline.left() is None and not deadline.passed and deadline.share(0.1).left() is None
    deadline.check()


def test_what_is_left_is_never_below_zero_and_is_over_then() -> None:
    deadline = Deadline.after(-1.0)
    assert deadline.left() == 0.0 and deadline.passed
    with pytest.raises(OutOfTimeError):
        deadline.check()


def test_a_share_ends_before_the_whole() -> None:
    deadline = Deadline.after(100.0)
    left = deadline.share(0.25).left()
    assert left is not None and 24.0 < left <= 25.0
    deadline.check()


def test_an_interruption_is_told_before_anything_else() -> None:
    for seconds in (None, 100.0, -1.0):
        with pytest.raises(KeyboardInterrupt):
            Deadline.after(seconds, lambda: True).share(0.5).check()


def test_a_run_on_a_relaxation_has_the_deadline_of_the_whole_run_and_of_its_parts() -> None:
    scenario = Scenario.random(2, 1, seed=0)
    run = Run(scenario, Limits(time_limit=100.0))
    relaxed = RelaxedRun(run, scenario)
    assert relaxed.deadline is run.deadline
    with relaxed.part(0.5):
        assert relaxed.deadline is run.deadline
        left = relaxed.deadline.left()
        assert left is not None and 45.0 < left <= 50.0
