"""``dashf figures``: the figures of the paper, averaged over seeds, under a certified bound."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from formulations import InputError
from formulations.documents import canonical

from .drawing import require_matplotlib
from .progress import Cells
from .study import stale_cells

if TYPE_CHECKING:
    from rich.table import Table

    from ..figures import Made, PaperClaim
    from ..study.run import StudyProgress

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "figures",
        help="draw the figures of the paper, averaged over seeds, under a certified bound",
        description="Run what the figures of the paper are made of, over many seeds and for every reading, and draw "
        "them: PNG, PDF, the numbers as CSV, and how the paper's claims fare. A run that was stopped goes on where it "
        "was. Exit 1 if a bound contradicts an allocation.",
    )
    parser.add_argument("figures", nargs="+", metavar="FIGURE", help="some of 2a, 2b, 2c, 3a, 3b, 3c, or all")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the runs and the files")
    parser.add_argument("--seeds", type=int, default=10, metavar="K", help="average over seeds 0 to K-1 (default 10)")
    parser.add_argument(
        "--readings",
        nargs="+",
        default=["default", "paper-literal"],
        metavar="PRESET",
        help="how the paper is read (default: default paper-literal)",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["10x2", "20x3"],
        metavar="NxM",
        help="users and servers in figures of convergence; the others take the first (default: 10x2 20x3)",
    )
    parser.add_argument("--bound", default="bnp", metavar="METHOD", help="proves the bound (default bnp), or none")
    parser.add_argument("--limit", type=float, default=60.0, metavar="S", help="seconds for each run (default 60)")
    parser.add_argument("--workers", type=int, metavar="K", help="runs at a time (default: the cores allowed)")
    parser.add_argument("--retry", action="store_true", help="repeat runs that failed")
    parser.add_argument(
        "--rerun",
        choices=("failed", "stale"),
        help="repeat runs that failed, or that other code has run than there is now",
    )
    parser.add_argument("--json", action="store_true", help="print files and claims as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    require_matplotlib()
    from ..figures import FigureRequest, make_figures

    if not parsed.out:
        raise InputError("--out: an empty name; expected a folder")
    request = FigureRequest(
        seeds=parsed.seeds,
        readings=tuple(parsed.readings),
        sizes=tuple(map(_size, parsed.sizes)),
        bound=parsed.bound,
        limit=parsed.limit,
    )
    progress = Cells("figures")

    def watch(name: str, state: StudyProgress) -> None:
        progress.name(f"figure {name}")
        progress(state)

    try:
        with progress:
            made = make_figures(
                parsed.figures, request, parsed.out, workers=parsed.workers, retry=parsed.retry,
                rerun=parsed.rerun or (), watch=watch,
            )  # fmt: skip
    except KeyboardInterrupt:
        print("dashf: interrupted; the same command goes on from there", file=sys.stderr)
        return 130
    if parsed.json:
        print(canonical(_document(made, parsed.out)))
    else:
        _print(made, parsed.out)
    undrawn = [figure.undrawn for figure in made if figure.undrawn]
    if undrawn:
        print(f"dashf: {'; '.join(undrawn)}", file=sys.stderr)
    if any(figure.contradictions for figure in made):
        return 1
    return 0 if all(figure.values for figure in made) and not undrawn else 3


def _size(text: str) -> tuple[int, int]:
    users, sign, servers = text.partition("x")
    if not sign or not users.isdecimal() or not servers.isdecimal():
        raise InputError(f"--sizes: {text!r}; expected users and servers such as 10x2")
    return int(users), int(servers)


def _document(made: Sequence[Made], folder: str) -> dict[str, Any]:
    return {
        "format": "dashf-figures",
        "version": 1,
        "folder": folder,
        "figures": [
            {
                "figure": figure.name,
                "files": list(figure.files),
                "cells": figure.cells,
                "ran": figure.ran,
                "failed": figure.failed,
                "stale": figure.stale,
                "contradictions": list(figure.contradictions),
                "claims": [dataclasses.asdict(claim) for claim in figure.claims],
            }
            for figure in made
        ],
    }


def _print(made: Sequence[Made], folder: str) -> None:
    from rich.text import Text

    from .console import Output

    console = Output(highlight=False)
    for figure in made:
        for text in figure.contradictions:
            console.print(Text(f"CONTRADICTION: {text}", style="bold red"), soft_wrap=True)
        if figure.claims:
            console.print(_table(figure))
        did = f"ran {figure.ran} of {figure.cells} cells" if figure.ran else f"all {figure.cells} cells were there"
        failed = f", {figure.failed} have failed" if figure.failed else ""
        names = ", ".join(os.path.join(folder, name) for name in figure.files)
        print(f"figure {figure.name}: {did}{failed}{stale_cells(figure.stale)}; {names}")


def _table(figure: Made) -> Table:
    """Return a row for every claim; points of a sweep are counted together."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"figure {figure.name}: what the paper says of it"), title_justify="left")
    for column in ("reading", "point", "claim", "in the mean", "ratio", "seeds"):
        table.add_column(column, justify="right" if column in ("ratio", "seeds") else "left")
    grouped: dict[tuple[str, str, str], list[PaperClaim]] = {}
    for claim in figure.claims:
        point = "all" if figure.name == "3b" else claim.point
        grouped.setdefault((claim.reading, point, claim.text), []).append(claim)
    for (reading, point, text), claims in grouped.items():
        held = sum(claim.mean is True for claim in claims)
        mean = "yes" if held == len(claims) else "no" if held == 0 else f"{held} of {len(claims)}"
        ratios = [claim.ratio for claim in claims if claim.ratio is not None]
        ends = [f"{ratio:.3g}" for ratio in (min(ratios), max(ratios))] if ratios else [""]
        ratio = ends[0] if ends[0] == ends[-1] else " to ".join(ends)
        seeds = f"{sum(claim.holds for claim in claims)} of {sum(claim.seeds for claim in claims)}"
        told = any(claim.mean is not None for claim in claims)
        table.add_row(reading, point, Text(text), mean if told else "", ratio, seeds)
    return table
