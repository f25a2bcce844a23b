"""Pictures of proofs: bound and incumbent over time, the bound over the deadline, and only what the trace says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from dashf_pyomo import Claim, Result, Termination
from dashf_pyomo.pictures import draw_result, picture_of_result
from dashf_pyomo.pictures.bounds import draw_bound_over_deadlines, draw_bound_over_time, profile_of, proves
from dashf_pyomo.trace import TraceEntry
from formulations import Allocation, Evaluation, Scenario, evaluate
from formulations.association.pair_resources import equal_split

pytestmark = pytest.mark.filterwarnings("error")

SCENARIO = Scenario.random(4, 2, seed=0)
ALLOCATION: Allocation = equal_split(SCENARIO, np.arange(4) % 2, np.full(4, 0.5))
EVALUATION: Evaluation = evaluate(SCENARIO, ALLOCATION)
SCR, DELAY = EVALUATION.scr, EVALUATION.delay


def entry(
    time: float, best: float, bound: float | None, scr: float | None = None, delay: float | None = None, **facts: Any
) -> TraceEntry:
    return TraceEntry(0, time, scr=scr, delay=delay, best=best, bound=bound, facts=facts)


EDGES, BOUNDS = [0.5 * DELAY, 0.8 * DELAY, 1.2 * DELAY, 2.0 * DELAY], [0.0, 1.2 * SCR, 1.1 * SCR]
TRACE = (
    entry(0.1, 0.01 * SCR, None, scr=0.01 * SCR, delay=DELAY),
    entry(0.5, 0.9 * SCR, None, scr=0.9 * SCR, delay=1.1 * DELAY),
    entry(1.0, 0.9 * SCR, 2.0 * SCR),
    entry(2.0, SCR, 2.0 * SCR, scr=SCR, delay=DELAY),
    entry(3.0, SCR, 1.2 * SCR),
    entry(3.0, SCR, 1.2 * SCR, profile_deadlines=EDGES, profile_bounds=BOUNDS),
)


def result(trace: tuple[TraceEntry, ...] = TRACE, **facts: Any) -> Result:
    return Result(
        scenario_sha256=SCENARIO.sha256, method="made-up", options={}, readings={}, allocation=ALLOCATION,
        termination=Termination.CONVERGED, claim=Claim.FEASIBLE, trace=trace,
        **Result.claims(EVALUATION), wall_time=4.0, **facts,
    )  # fmt: skip


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def line(axes: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    (found,) = (line for line in axes.lines if str(line.get_label()).startswith(label))
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def labels(axes: Axes) -> set[str]:
    legend = axes.get_legend()
    return set() if legend is None else {text.get_text() for text in legend.get_texts()}


# -- over time ----------------------------------------------------------------------------------


def test_bound_and_incumbent_are_drawn_to_the_end_of_the_run(axes: Axes) -> None:
    draw_bound_over_time(axes, result())
    time, bound = line(axes, "bound")
    assert list(time) == [0.1, 0.5, 1.0, 2.0, 3.0, 3.0, 4.0]
    assert np.isnan(bound[:2]).all() and list(bound[2:]) == [2 * SCR] * 2 + [1.2 * SCR] * 3
    assert list(line(axes, "incumbent")[1]) == pytest.approx([0.01 * SCR, 0.9 * SCR, 0.9 * SCR] + [SCR] * 4)
    assert labels(axes) == {f"bound {1.2 * SCR:.6g}", f"incumbent {SCR:.6g}", "gap 16.667%"}


def test_what_lies_far_below_the_bound_leaves_the_gap_readable(axes: Axes) -> None:
    draw_bound_over_time(axes, result())
    low, high = axes.get_ylim()
    assert 0.01 * SCR < low < 0.9 * SCR and 2 * SCR < high < 2.5 * SCR
    assert axes.get_yscale() == "linear" and "one earlier incumbent lies below" in axes.get_xlabel()


def test_bounds_far_from_the_incumbent_need_a_logarithmic_axis(axes: Axes) -> None:
    draw_bound_over_time(axes, result((entry(0.1, SCR, 1e3 * SCR), *TRACE[2:])))
    assert axes.get_yscale() == "log" and "log scale" in axes.get_ylabel()


def test_a_closed_gap_still_has_a_height(axes: Axes) -> None:
    draw_bound_over_time(axes, result((entry(0.1, SCR, SCR), entry(0.2, SCR, SCR))))
    low, high = axes.get_ylim()
    assert low < SCR < high and "gap 0.000%" in labels(axes)


def test_a_bound_that_was_refuted_ends_where_it_was_dropped(axes: Axes) -> None:
    draw_bound_over_time(axes, result((entry(0.1, SCR, 1.1 * SCR), entry(0.2, 1.2 * SCR, None))))
    assert np.isnan(line(axes, "bound")[1][1:]).all()
    assert not any(label.startswith("gap") for label in labels(axes))


# -- over deadlines -----------------------------------------------------------------------------


def test_the_bound_of_every_interval_is_drawn_with_the_incumbent(axes: Axes) -> None:
    draw_bound_over_deadlines(axes, result(), EVALUATION)
    (steps,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    assert np.isnan(steps.get_data().values[0]) and list(steps.get_data().values[1:]) == BOUNDS[1:]
    assert list(steps.get_data().edges) == EDGES
    assert line(axes, "incumbent") == ([DELAY], [SCR])
    assert axes.get_xlim() == (EDGES[0], EDGES[-1]) and axes.get_ylim()[0] > 0.5 * SCR
    expected = {"bound, by interval of T", "no allocation here", f"incumbent: SCR {SCR:.6g}, T = {DELAY:.4g} s"}
    assert expected <= labels(axes)


def test_allocations_that_were_found_are_marked_at_their_delay(axes: Axes) -> None:
    trace = (*TRACE, entry(3.1, SCR, 1.2 * SCR, scr=0.999 * SCR, delay=1.5 * DELAY))
    draw_bound_over_deadlines(axes, result(trace), EVALUATION)
    delay, scr = line(axes, "allocations found")
    assert list(delay) == [DELAY, 1.5 * DELAY] and list(scr) == [SCR, 0.999 * SCR]  # the others lie far below


def test_without_an_allocation_the_bound_stands_alone(axes: Axes) -> None:
    draw_bound_over_deadlines(axes, result(), None)
    assert not any("incumbent" in label for label in labels(axes))
    assert "bound, by interval of T" in labels(axes)


def test_an_allocation_that_never_ends_is_no_point_of_the_picture(tmp_path: Path) -> None:
    silent = replace(ALLOCATION, bandwidth=np.zeros(4))
    assert np.isinf(evaluate(SCENARIO, silent).delay)
    claims = Result.claims(evaluate(SCENARIO, silent))
    draw_result(SCENARIO, replace(result(), allocation=silent, **claims), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_deadlines_where_nothing_is_possible_leave_no_bound_to_draw(axes: Axes) -> None:
    nothing = entry(3.0, SCR, 1.2 * SCR, profile_deadlines=EDGES, profile_bounds=[0.0, 0.0, 0.0])
    draw_bound_over_deadlines(axes, result((*TRACE[:3], nothing)), None)
    assert "no allocation here" in labels(axes)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"profile_deadlines": [1.0, 2.0]},
        {"profile_deadlines": [1.0, 2.0], "profile_bounds": [1.0, 2.0]},
        {"profile_deadlines": [1.0], "profile_bounds": []},
        {"profile_deadlines": [2.0, 1.0], "profile_bounds": [5.0]},
        {"profile_deadlines": [1.0, 2.0], "profile_bounds": ["high"]},
        {"profile_deadlines": 1.0, "profile_bounds": 2.0},
        {"profile_deadlines": [1.0, None], "profile_bounds": [5.0]},
    ],
    ids=str,
)
def test_a_profile_that_makes_no_sense_is_not_drawn(axes: Axes, facts: dict[str, Any]) -> None:
    trace = (*TRACE[:5], entry(3.0, SCR, 1.2 * SCR, **facts))
    assert profile_of(trace) is None
    draw_bound_over_deadlines(axes, result(trace), EVALUATION)
    assert [text.get_text() for text in axes.texts] == ["no bound over deadlines"]


# -- the picture of a result --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (TRACE, {"Bound and incumbent over time", "Bound over the deadline T"}),
        (TRACE[:5], {"Bound and incumbent over time"}),
        (TRACE[:2], set()),
    ],
    ids=["with a profile", "with bounds", "without bounds"],
)
def test_a_result_has_the_panels_that_its_trace_can_fill(
    tmp_path: Path, trace: tuple[TraceEntry, ...], expected: set[str]
) -> None:
    drawn = result(trace)
    assert proves(drawn) == bool(expected)
    drawn = replace(drawn, bound=1.2 * SCR if expected else None)
    titles = {axes.get_title() for axes in picture_of_result(drawn, SCENARIO).axes}
    assert {title for title in titles if title.startswith("Bound")} == expected
    draw_result(SCENARIO, drawn, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
