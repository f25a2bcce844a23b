"""The picture of one result."""

from __future__ import annotations

import os

from formulations import Scenario

from ..result import Result, bound_text, relative_gap
from .allocation import MOST_SERVERS, draw_association, draw_delay, draw_shares
from .bounds import draw_bound_over_deadlines, draw_bound_over_time, profile_of, proves
from .course import draw_convergence
from .sheet import clean, judge, sheet
from .ticks import label_axes

__all__ = ["draw_result"]


def draw_result(scenario: Scenario, result: Result, path: str | os.PathLike[str]) -> None:
    """Draw one result: association, shares of the budgets, delay of each user, convergence.

    Where the method proves bounds, also bound and incumbent over time, and the bound over the deadline T if the trace
    has it.

    Parameters
    ----------
    scenario, result, path
        What was solved, what came out, and where to; the suffix .png, .pdf or .svg says the format.

    Raises
    ------
    InputError
        If the suffix is not known, the place cannot be written, or the result is not of this scenario.
    """
    evaluation = judge(scenario, result)
    scr, bound = None if evaluation is None else evaluation.scr, result.upper_bound
    facts = [f"{clean(result.method)} on {clean(scenario.name)}"]
    facts += ["no allocation" if scr is None else f"SCR {scr:.6g}", str(result.status)]
    facts.append("no bound" if bound is None else f"bound {bound_text(bound)}")
    facts += [f"which is of {result.bound_of}"] if result.bound_of else []
    facts += [f"keeps also: {clean(result.restriction)}"] if result.restriction else []
    facts += [] if (gap := relative_gap(scr, bound)) is None else [f"gap {gap:.2%}"]
    if evaluation is not None and not evaluation.feasible:
        facts.append(f"BREAKS CONSTRAINTS by {evaluation.max_violation:.2g}")
    upper, lower, proven = max(5.0, 0.48 * min(scenario.n_servers, MOST_SERVERS) + 0.8), 4.6, proves(result)
    heights = [upper, lower, lower] if proven else [upper, lower]
    with sheet(path, "   |   ".join(facts), sum(heights)) as figure:
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        panels = [[figure.add_subplot(grid[row, side]) for side in (0, 1)] for row in (0, 1)]
        draw_shares(panels[0][1], scenario, result.allocation)
        draw_delay(panels[1][0], evaluation)
        draw_convergence(panels[1][1], result)
        if proven and profile_of(result.trace) is not None:
            draw_bound_over_time(figure.add_subplot(grid[2, 0]), result)
            draw_bound_over_deadlines(figure.add_subplot(grid[2, 1]), result, evaluation)
        elif proven:
            draw_bound_over_time(figure.add_subplot(grid[2, :]), result)
        label_axes(figure)
        draw_association(panels[0][0], scenario, result.allocation)  # last: its labels need the final layout
