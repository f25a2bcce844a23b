"""``dashf gap``: how good methods are on one scenario, against the best certified bound."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formulations import InputError, Scenario
from formulations.documents import canonical

from ..result import bound_text
from .drawing import report_or_complain, require_matplotlib
from .progress import Cells
from .scenario import add_draw_arguments, check_place, load
from .solve import number

if TYPE_CHECKING:
    from ..study.report.rows import ScenarioRow

__all__ = ["add_to"]

#: What is compared where nothing is asked for; the last one proves the bound.
METHODS = "rucaa,gucaa,gucro,aauco,dashf,dashf-plus,dual"

#: Up to so many users branch and price closes what is left of the gap in reasonable time, and is compared too.
FEW = 10


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gap",
        help="say how far methods are from the best certified bound of a scenario",
        description="Run methods on one scenario, from a file or drawn, and say how far each is from the least upper "
        "bound that any of them proves. Exit 1 if a bound contradicts an allocation, 3 if a method failed.",
    )
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.json", help="the scenario; without it, one is drawn")
    add_draw_arguments(parser)
    default = f"default {METHODS}, and bnp for up to {FEW} users"
    parser.add_argument("--methods", metavar="A,B,C", help=f"see `dashf methods` ({default})")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="S", help="of each method (default 120)")
    parser.add_argument("--gap", type=float, default=1e-3, metavar="G", help="gap to prove, relative (default 1e-3)")
    parser.add_argument("--workers", type=int, metavar="K", help="methods at a time (default: the cores allowed)")
    parser.add_argument("--html", metavar="FILE", help="write the report as one page, with pictures")
    parser.add_argument("--json", action="store_true", help="print the gaps as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    require_matplotlib()
    from ..algorithms import Limits
    from ..backends import BackendError
    from ..study import Study
    from ..study.report.study_data import StudyData
    from ..study.run import LostError
    from ..study.store import Store

    check_place(parsed.html, parsed.scenario)
    limits = Limits(parsed.time_limit, parsed.gap)  # refuses what is out of range
    scenario = load(parsed)
    default = METHODS + (",bnp" if scenario.n_users <= FEW else "")
    chosen = default if parsed.methods is None else parsed.methods
    variants, remarks = _variants([name.strip() for name in chosen.split(",")], scenario, parsed.methods is not None)
    names = [variant["method"] for variant in variants]
    with tempfile.TemporaryDirectory(prefix="dashf-gap-", ignore_cleanup_errors=True) as folder:
        study = Study(
            [{"given": scenario, "name": scenario.name or "scenario"}],
            variants,
            folder,
            name=scenario.name or "scenario",
            limits={"time": limits.time_limit, "gap": limits.gap},
            report={"reference": "dashf" if "dashf" in names else names[0], "scenario_pages": 1},
        )
        interrupted, lost = False, ""
        try:
            with Cells("gap") as progress:
                study.run(workers=parsed.workers, watch=progress)
        except KeyboardInterrupt:
            interrupted = True  # what has ended by now is worth showing
        except LostError as error:
            lost = error.reason  # likewise
        with Store(folder) as store:
            data = StudyData.of(store)
            if interrupted and not data.scenarios:
                raise KeyboardInterrupt
            if lost and not any(cell.ended for known in data.scenarios.values() for cell in known.cells):
                raise BackendError(lost)
            (known,) = data.scenarios.values()
            said = [found.text for found in data.contradictions]
            # The page comes last: it may fail, and must not cost the numbers.
            if parsed.json:
                print(canonical(_document(known, said)))
            else:
                _print(scenario, known, said)
                for remark in remarks:
                    print(remark)
            drawn = True
            if parsed.html is not None:
                drawn = report_or_complain(store, Path(folder, "report"), data)
                try:
                    Path(parsed.html).write_bytes(Path(folder, "report", "index.html").read_bytes())
                except OSError as error:
                    raise InputError(f"{parsed.html}: cannot be written ({error.strerror or error})") from None
                if not parsed.json:
                    print(f"report: {parsed.html}")
    if interrupted:
        ended = sum(cell.ended for cell in known.cells)
        print(f"dashf: interrupted; {ended} of {len(names)} methods have ended", file=sys.stderr)
        return 130
    if lost:
        print(f"dashf: {lost}", file=sys.stderr)
    if said:
        return 1
    return 3 if lost or any(cell.failed for cell in known.cells) or not drawn else 0


def _variants(names: list[str], scenario: Scenario, asked: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the methods with all options at their defaults, seeds too, and what is to be said of the others.

    That is what ``dashf solve`` runs, but that a method which can only bound a relaxation of the scenario does that.
    Methods that nobody asked for are left out if they refuse the scenario.
    """
    from ..algorithms import methods
    from ..algorithms.willing import willing

    variants, left_out = [], []
    for position, name in enumerate(names):
        if name not in methods:
            raise InputError(f"--methods: {name!r}; expected some of {', '.join(methods)}")
        if name in names[:position]:
            raise InputError(f"--methods: {name!r} is given twice; expected once")
        method, refusal = willing(name, scenario)
        if refusal and not asked:
            left_out.append(name)
        else:
            variants.append({"method": name, "options": dataclasses.asdict(method)})
    said = [f"left out, as they cannot honour this scenario: {', '.join(left_out)}"] if left_out else []
    return variants, said


def _document(known: ScenarioRow, contradictions: list[str]) -> dict[str, Any]:
    return {
        "format": "dashf-gap",
        "version": 1,
        "scenario_sha256": known.sha256,
        "upper_bound": known.upper_bound,
        "bound_source": None if known.bound is None else known.bound.bound_source,
        "bound_of": known.bound_of or None,
        "contradictions": contradictions,
        "methods": [
            {
                "method": cell.method,
                "outcome": cell.outcome,
                "status": cell.status or None,
                "message": cell.message,
                "scr": cell.scr,
                "upper_bound": cell.upper_bound,
                "gap": known.gap(cell),
                "restriction": cell.restriction or None,
                "wall_time": cell.wall_time,
            }
            for cell in known.cells
        ],
    }


def _print(scenario: Scenario, known: ScenarioRow, contradictions: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..algorithms.willing import advice
    from .console import Output

    console = Output(highlight=False)
    for text in contradictions:
        console.print(Text(f"CONTRADICTION: {text}", style="bold red"), soft_wrap=True)
    table = Table(title=Text(f"{known.name or 'the scenario'}: gaps"), title_justify="left")
    for column in ("method", "SCR", "gap", "time (s)", "status", "ended"):
        table.add_column(column, justify="right" if column in ("SCR", "gap", "time (s)") else "left")
    for cell in known.cells:
        gap = known.gap(cell)
        table.add_row(
            cell.method,
            number(cell.scr),
            "none" if gap is None else f"{gap:.3%}" + ("*" if cell.restriction else ""),
            f"{cell.wall_time:.3f}" if cell.ended else "",
            cell.status if cell.outcome == "done" else cell.outcome,
            Text(cell.message),
        )
    console.print(table)
    if known.bound is None:
        print(f"no method proved a bound: how far these are from the optimum, nobody can say; {advice([scenario])}")
    else:
        print(f"no allocation has an SCR above {bound_text(known.upper_bound)} ({known.bound.bound_source})")
    for cell in known.cells:
        if cell.restriction:
            print(f"* {cell.method} solves a stricter problem ({cell.restriction}); the bound is one of the scenario")
