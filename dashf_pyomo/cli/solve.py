"""``dashf solve``: run one method on one scenario."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

from formulations import Scenario
from formulations.documents import canonical

from ..notebook import facts
from ..objectives import side_of
from ..result import Result
from ..status import Claim, Termination
from ..trace import EntryKind
from .drawing import require_matplotlib
from .scenario import add_draw_arguments, check_place, load, split_pairs

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "solve",
        help="solve a scenario by a method",
        description="Solve a scenario from a file, or one drawn with --users, --servers and --seed, and judge the "
        "allocation by the independent evaluator.",
    )
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.json", help="the scenario; without it, one is drawn")
    add_draw_arguments(parser)
    parser.add_argument("--method", default="dashf", metavar="NAME", help="see `dashf methods` (default dashf)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the method, see `dashf methods`; may be repeated",
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="wall time in seconds (default: none); keeps the best so far"
    )
    parser.add_argument("--gap", type=float, default=1e-3, metavar="G", help="gap to prove, relative (default 1e-3)")
    parser.add_argument(
        "--threads", type=int, metavar="K", help="threads for solvers (default: theirs, at most the cores allowed)"
    )
    parser.add_argument("--certificate", metavar="FILE", help="write the proof of the bound, if the method can")
    parser.add_argument("--plot", metavar="FILE", help="draw the result and how it was found (png, pdf, svg)")
    parser.add_argument("--log", action="store_true", help="write a line for every step to standard error")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from ..algorithms import Limits, configure, run_method
    from ..algorithms.interrupts import held_back
    from .progress import LogView, TraceView

    scenario = load(parsed)
    method = configure(parsed.method, split_pairs(parsed.option, "--option"))
    limits = Limits(parsed.time_limit, parsed.gap, parsed.threads, parsed.certificate)
    for place in (parsed.output, parsed.plot, parsed.certificate):
        check_place(place, parsed.scenario)
    if parsed.plot:
        require_matplotlib()
        from ..pictures import check_suffix

        check_suffix(parsed.plot)
    with nullcontext(LogView()) if parsed.log else TraceView(parsed.method) as observer:
        result = run_method(method, scenario, limits, observer)
        # Before anything else, which may fail or be interrupted and must not cost it.
        if parsed.output:
            with held_back():
                result.write(parsed.output)
    if parsed.json:
        print(canonical(result.to_dict()))
    else:
        _print(scenario, result, parsed.output, parsed.certificate)
    if parsed.plot:
        from ..pictures import draw_result
        from ..pictures.isolation import Attempts

        attempts = Attempts()
        with attempts.at(parsed.plot):
            draw_result(scenario, result, parsed.plot)
        attempts.complain()
        if not parsed.json:
            print(f"picture: {parsed.plot}")
    return exit_code(result)


def exit_code(result: Result) -> int:
    """Return the exit code that a result stands for."""
    if result.termination is Termination.INTERRUPTED and result.claim is not Claim.CERTIFIED:
        return 130
    if result.termination is Termination.ERROR:
        return 3
    return 0 if result.allocation is not None else 1


def _print(scenario: Scenario, result: Result, output: str | None, certificate: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..algorithms import methods
    from .console import Output

    console = Output()
    title = Text(f"{result.method} on {scenario.name or 'the scenario'}")
    table = Table(show_header=False, title=title, title_justify="left")
    if scenario.objective.aspects:
        table.add_row("objective", Text(scenario.objective.said))
    for name, value in facts(result):
        table.add_row(name, Text(value))
    console.print(table)
    if result.bound is None and result.allocation is not None:
        able = methods[result.method].proves_bounds
        why = "it ended before one was proven" if able else "the method cannot say how far this is from the optimum"
        console.print(f"No {side_of(result.objective)}: {why}.", highlight=False, soft_wrap=True)
    if certificate:
        said = [entry.note for entry in result.trace if entry.kind is EntryKind.CERTIFICATE]
        console.print(Text(said[-1] if said else "no certificate: it ended before there was a bound"), soft_wrap=True)
    if output:
        console.print(Text(f"result: {output}"), soft_wrap=True)
