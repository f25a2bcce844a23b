"""The pictures of one result."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from formulations import Evaluation, InputError, Scenario
from formulations.arrays import shown

from ..objectives import bound_text, name_of
from ..result_data import ResultData, relative_gap
from .allocation import MOST_SERVERS, draw_association, draw_delay, draw_shares
from .bounds import draw_bound_over_deadlines, draw_bound_over_time, profile_of, proves
from .course import draw_convergence
from .sheet import Picture, clean, judge, sheet, write
from .ticks import label_axes

__all__ = ["KINDS", "draw_result", "picture_of_result"]

#: What a picture of a result may show; the first two need the scenario.
KINDS = ("result", "allocation", "bounds", "convergence")

Panel = Callable[[Axes], None]


def draw_result(scenario: Scenario, result: ResultData, path: str | os.PathLike[str]) -> None:
    """Draw one result to a file, see `picture_of_result`.

    Parameters
    ----------
    scenario, result, path
        The scenario, its result, and the file; the suffix .png, .pdf or .svg says the format.

    Raises
    ------
    InputError
        If the suffix is not known, the place cannot be written, or the result is not of this scenario.
    """
    write(path, lambda: picture_of_result(result, scenario))


def picture_of_result(result: ResultData, scenario: Scenario | None = None, kind: str = "result") -> Picture:
    """Return a picture of one result.

    Parameters
    ----------
    result, scenario
        The result and its scenario; pictures that show no allocation do without the scenario.
    kind
        ``result`` shows association, shares of the budgets, delay of each user and convergence, and the bounds where
        the method proves any; ``allocation`` the first three of these; ``bounds`` bound and incumbent over time, and
        the bound over the deadline T if the trace has it; ``convergence`` value and bound over iterations.

    Raises
    ------
    InputError
        If there is no such kind, it needs the scenario, or the result is not of this scenario.
    """
    if kind not in KINDS:
        raise InputError(f"kind = {shown(kind)}; expected one of {', '.join(KINDS)}")
    mapped = kind in ("result", "allocation")
    if scenario is None and mapped:
        raise InputError(f"a picture of kind {kind} shows the scenario, which is not given; expected plot(scenario)")
    evaluation = None if scenario is None else judge(scenario, result)
    rows = _rows(kind, result, scenario, evaluation)
    heights = [4.6] * len(rows)
    if scenario is not None and mapped:
        heights[0] = max(5.0, 0.48 * min(scenario.n_servers, MOST_SERVERS) + 0.8)
    with sheet(_title(result, scenario, evaluation), sum(heights)) as figure:
        grid = figure.add_gridspec(len(rows), 2, height_ratios=heights)
        panels = [
            (figure.add_subplot(grid[row, side if len(found) == 2 else slice(None)]), panel)
            for row, found in enumerate(rows)
            for side, panel in enumerate(found)
        ]
        first, *others = panels
        for axes, panel in others if mapped else panels:
            panel(axes)
        label_axes(figure)
        if mapped:
            axes, association = first
            association(axes)  # last: its labels need the final layout
    return figure


def _rows(kind: str, result: ResultData, scenario: Scenario | None, evaluation: Evaluation | None) -> list[list[Panel]]:
    """Return the panels of a picture, row by row; the association, if it is shown, comes first."""
    course: Panel = partial(draw_convergence, result=result)
    bounds: list[Panel] = [partial(draw_bound_over_time, result=result)]
    if profile_of(result.trace) is not None:
        bounds.append(partial(draw_bound_over_deadlines, result=result, evaluation=evaluation))
    if kind == "convergence":
        return [[course]]
    if kind == "bounds" or scenario is None:
        return [bounds]
    given: dict[str, Any] = {"scenario": scenario, "allocation": result.allocation}
    allocation: list[Panel] = [partial(draw_association, **given), partial(draw_shares, **given)]
    delay: Panel = partial(draw_delay, evaluation=evaluation)
    if kind == "allocation":
        return [allocation, [delay]]
    return [allocation, [delay, course], *([bounds] if proves(result) else [])]


def _title(result: ResultData, scenario: Scenario | None, evaluation: Evaluation | None) -> str:
    bound, kind = result.bound, result.objective
    if scenario is None:
        facts, value = [clean(result.method)], result.value
        facts.append("no allocation" if value is None else f"{name_of(kind)} {value:.6g} claimed")
    else:
        facts, value = (
            [f"{clean(result.method)} on {clean(scenario.name)}"],
            None if evaluation is None else evaluation.value,
        )
        facts.append("no allocation" if value is None else f"{name_of(kind)} {value:.6g}")
    facts += [str(result.status), "no bound" if bound is None else f"bound {bound_text(bound, kind=kind)}"]
    facts += [f"which is of {result.bound_of}"] if result.bound_of else []
    facts += [f"keeps also: {clean(result.restriction)}"] if result.restriction else []
    facts += [] if (gap := relative_gap(value, bound)) is None else [f"gap {gap:.2%}"]
    if evaluation is not None and not evaluation.feasible:
        facts.append(f"BREAKS CONSTRAINTS by {evaluation.max_violation:.2g}")
    return "   |   ".join(facts)
