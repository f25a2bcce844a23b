"""``dashf gap``: how good methods are on one scenario, against the best certified bound."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from formulations.documents import canonical

from ..comparison.comparison import interruptions, remarks, rich_table
from ..comparison.variants import FEW, METHODS, read_variants
from .drawing import draw_or_complain, require_matplotlib
from .progress import Cells
from .scenario import add_draw_arguments, check_place, load

if TYPE_CHECKING:
    from ..comparison import Comparison

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gap",
        help="say how far methods are from the best certified bound of a scenario",
        description="Run methods on one scenario, from a file or drawn, and say how far each is from the best bound "
        "that any of them proves. Exit 1 if a bound contradicts an allocation, 3 if a method failed.",
    )
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.json", help="the scenario; without it, one is drawn")
    add_draw_arguments(parser)
    default = f"default {','.join(METHODS)}, and bnp for up to {FEW} users"
    parser.add_argument("--methods", metavar="A,B,C", help=f"see `dashf methods` ({default})")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="S", help="of each method (default 120)")
    parser.add_argument("--gap", type=float, default=1e-3, metavar="G", help="gap to prove, relative (default 1e-3)")
    parser.add_argument("--workers", type=int, metavar="K", help="methods at a time (default: the cores allowed)")
    parser.add_argument("--html", metavar="FILE", help="write the report as one page, with pictures")
    parser.add_argument("--json", action="store_true", help="print the gaps as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    require_matplotlib()
    from ..comparison.comparing import run_variants

    check_place(parsed.html, parsed.scenario)
    scenario = load(parsed)
    names = None if parsed.methods is None else [name.strip() for name in parsed.methods.split(",")]
    variants = read_variants(names, scenario, "--methods")
    with Cells("gap") as progress:
        limits = {"time": parsed.time_limit, "gap": parsed.gap}
        comparison = run_variants(scenario, variants, limits, parsed.workers, progress)
    if parsed.json:
        print(canonical(comparison.to_dict()))
    else:
        _print(comparison)
    # The page comes last: it may fail, and must not cost the numbers.
    drawn = parsed.html is None or not comparison.ended or draw_or_complain(lambda: comparison.write_html(parsed.html))
    if parsed.html is not None and comparison.ended and not parsed.json:
        print(f"report: {parsed.html}")
    for line in interruptions(comparison):
        print(f"dashf: {line}", file=sys.stderr)
    if comparison.interrupted:
        return 130
    if comparison.contradictions:
        return 1
    return 3 if comparison.lost or any(row.failed for row in comparison.rows) or not drawn else 0


def _print(comparison: Comparison) -> None:
    from rich.text import Text

    from .console import Output

    console = Output(highlight=False)
    for text in comparison.contradictions:
        console.print(Text(f"CONTRADICTION: {text}", style="bold red"), soft_wrap=True)
    console.print(rich_table(comparison))
    for line in remarks(comparison):
        print(line)
