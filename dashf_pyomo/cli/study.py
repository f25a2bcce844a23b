"""``dashf study``: many scenarios, many methods, one file that says which."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formulations import InputError
from formulations.documents import canonical

from ..status import Termination
from .drawing import draw_or_complain, require_matplotlib
from .progress import Cells

if TYPE_CHECKING:
    from ..study import Study

__all__ = ["add_to", "duration", "stale_cells"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "study",
        help="run many scenarios by many methods, and report on them",
        description="Run every method of a study on every scenario, keep what comes out, and report on it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    action = actions.add_parser("init", help="write a commented example", description="Write a commented example.")
    action.add_argument("-o", "--output", metavar="FILE", help="where to (standard output without)")
    action.add_argument("--json", action="store_true", help="print the name of the file and the example as JSON")
    action.set_defaults(run=_init)

    action = actions.add_parser(
        "plan",
        help="say how many cells there are, what is missing, and how long it takes",
        description="Check a study and say how many cells there are, what is missing, and how long it takes.",
    )
    action.add_argument("study", metavar="STUDY.toml")
    action.add_argument("--out", metavar="DIR", help="folder of the study (default: beside the file, named like it)")
    action.add_argument("--workers", type=int, metavar="K", help="processes to plan for (default: the cores allowed)")
    action.add_argument("--json", action="store_true", help="print the plan as JSON")
    action.set_defaults(run=_plan)

    action = actions.add_parser(
        "run",
        help="run what is missing",
        description="Run what is missing. A run that was stopped, however, goes on where it was.",
    )
    action.add_argument("study", metavar="STUDY.toml")
    action.add_argument("--out", metavar="DIR", help="folder of the study (default: beside the file, named like it)")
    where = action.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, metavar="K", help="processes on this machine (default: the cores allowed)"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="use the workers of a Dask scheduler, tcp://host:port")
    action.add_argument(
        "--rerun",
        action="append",
        default=[],
        metavar="WHAT",
        help="run cells again: failed, stale (run by other code than there is now), or all of a METHOD; repeatable",
    )
    action.add_argument("--retry", action="store_true", help="the same as --rerun failed")
    action.add_argument("--json", action="store_true", help="print the summary as JSON")
    action.set_defaults(run=_run)

    action = actions.add_parser(
        "report",
        help="write the report",
        description="Write one page with tables and figures on what has ended, and each of them as files. Exit 1 if a "
        "bound contradicts an allocation.",
    )
    action.add_argument("folder", metavar="DIR", help="folder of the study")
    action.add_argument("-o", "--output", metavar="OUT", help="folder to write to (default: DIR/report)")
    action.add_argument("--json", action="store_true", help="print the names of the files and contradictions as JSON")
    action.set_defaults(run=_report)

    action = actions.add_parser(
        "export",
        help="write the cells for other programs",
        description="Write the cells as .csv, .parquet, .jsonl (with whole results) or, for PAVER, as .trc or .solu.",
    )
    action.add_argument("folder", metavar="DIR", help="folder of the study")
    action.add_argument("-o", "--output", metavar="FILE", required=True, help="its suffix says the format")
    action.add_argument("--json", action="store_true", help="print the summary as JSON")
    action.set_defaults(run=_export)


def _init(parsed: argparse.Namespace) -> int:
    from importlib.resources import files

    text = files("dashf_pyomo.study").joinpath("example.toml").read_text(encoding="utf-8")
    if parsed.output is not None:
        try:
            with Path(parsed.output).open("x", encoding="utf-8") as place:
                place.write(text)
        except FileExistsError:
            raise InputError(f"{parsed.output}: exists; expected the name of a new file") from None
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise InputError(f"{parsed.output!r}: cannot be written ({said})") from None
    if parsed.json:
        print(canonical({"format": "dashf-study-init", "version": 1, "file": parsed.output, "text": text}))
    elif parsed.output is None:
        print(text, end="")
    else:
        print(f"{parsed.output}: an example, to be run by dashf study run {parsed.output}")
    return 0


def _folder(parsed: argparse.Namespace) -> Path:
    if parsed.out == "":
        raise InputError("--out: an empty name; expected a folder")
    folder = Path(parsed.study).with_suffix("") if parsed.out is None else Path(parsed.out)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        what = "the folder of the study" if parsed.out is None else "--out"
        raise InputError(f"{what}: {folder} is no folder and cannot be written; expected a folder, or a new name")
    return folder


def _read(parsed: argparse.Namespace) -> Study:
    from ..study import Study

    return Study.read(parsed.study, _folder(parsed))


def _plan(parsed: argparse.Namespace) -> int:
    study = _read(parsed)
    outlook = study.outlook(parsed.workers)
    missing = sum(outlook.missing.values())
    if parsed.json:
        print(canonical({"format": "dashf-study-plan", "version": 1, **vars(outlook), "missing_cells": missing}))
        return 0
    from rich.table import Table
    from rich.text import Text

    from .console import Output

    table = Table(title=Text(f"{study.description.name}: what is missing in {study.folder}"), title_justify="left")
    for column in ("variant", "method", "missing", "limit (s)", "proves bounds"):
        table.add_column(column, justify="right" if column in ("missing", "limit (s)") else "left")
    for variant in study.description.variants:
        proves = "yes" if variant.method.proves_bounds else ""
        count = str(outlook.missing[variant.name])
        table.add_row(Text(variant.name), variant.method.name, count, f"{variant.limits.time:g}", proves)
    console = Output(highlight=False)
    console.print(table)
    failed = f"; {outlook.failed} have failed, --retry runs them again" if outlook.failed else ""
    print(
        f"{outlook.scenarios} scenarios, {outlook.variants} variants of methods, {outlook.cells} cells; "
        f"{outlook.cells - missing} have ended, {missing} are missing{failed}{stale_cells(outlook.stale)}"
    )
    if missing:
        known = "" if outlook.seconds is None else f"about {duration(outlook.seconds)}, "
        print(f"time left on {outlook.workers} workers: {known}at most {duration(outlook.most_seconds)} by the limits")
    if not any(variant.method.proves_bounds for variant in study.description.variants):
        from ..algorithms.willing import advice

        # One scenario for each set of limits: that is what methods refuse.
        kinds = {planned.kinds: planned for planned in study.description.scenarios}
        said = advice([planned.scenario() for planned in kinds.values()])
        print(f"no method proves bounds: the report will have no gaps; {said}")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    study = _read(parsed)
    progress = Cells(study.description.name)
    try:
        with progress:
            summary = study.run(
                workers=parsed.workers, scheduler=parsed.scheduler, retry=parsed.retry, rerun=parsed.rerun,
                watch=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        last = progress.last
        kept = "" if last is None else f" at {last.done} of {last.total} cells"
        print(f"dashf: interrupted{kept}; the same command goes on from there", file=sys.stderr)
        return 130
    if parsed.json:
        print(canonical({"format": "dashf-study-run", "version": 1, **vars(summary), "folder": str(study.folder)}))
    else:
        did = f"ran {summary.ran} of {summary.total} cells" if summary.ran else "nothing to do"
        failed = f", {summary.failed} have failed" if summary.failed else ""
        stale = stale_cells(summary.stale)
        print(f"{study.description.name}: {did}; all {summary.total} cells are in {study.folder}{failed}{stale}")
        for line in _failures(study.folder) if summary.failed else ():
            print(line)
    return 0


def stale_cells(number: int) -> str:
    """Return what is to be said of cells that other code has run than there is now."""
    if not number:
        return ""
    which = "1 was" if number == 1 else f"{number} were"
    return f"; {which} run by another or an unknown version of the code, --rerun stale runs them again"


def _failures(folder: Path) -> Iterator[str]:
    """Yield a line for every variant with failures: how many, and what the first of them said."""
    from ..study.store import Store
    from ..study.task import ending_of

    with Store(folder) as store:
        ended = [row for row in store.rows() if row["outcome"] is not None]
    failed = [row for row in ended if ending_of(row["outcome"], row["status"], row["scr"])[0] is Termination.ERROR]
    for variant in dict.fromkeys(row["variant"] for row in failed):
        rows = [row for row in failed if row["variant"] == variant]
        said = rows[0]["message"] or rows[0]["outcome"]
        yield f"  {variant}: {len(rows)} failed, the first with {rows[0]['outcome']}: {said}"


def _report(parsed: argparse.Namespace) -> int:
    require_matplotlib()
    from ..study.report import write_report
    from ..study.report.study_data import StudyData
    from ..study.store import Store

    if parsed.output == "":
        raise InputError("--output: an empty name; expected a folder")
    with Store(parsed.folder) as store:
        data = StudyData.of(store)
        folder = store.folder / "report" if parsed.output is None else Path(parsed.output)
        page = folder / "index.html"
        drawn = draw_or_complain(lambda: write_report(store, folder, data))
    found = [(data.names.get(item.scenario) or item.scenario[:8], item.text) for item in data.contradictions]
    if parsed.json:
        names = sorted(str(path.relative_to(page.parent)) for path in page.parent.rglob("*") if path.is_file())
        said = [{"scenario": name, "text": text} for name, text in found]
        document = {"format": "dashf-study-report", "version": 1, "page": str(page), "files": names}
        versions = {name: {v: len(cells) for v, cells in known.items()} for name, known in data.versions.items()}
        print(canonical({**document, "contradictions": said, "versions": versions}))
    else:
        from rich.text import Text

        from .console import Output

        console = Output(highlight=False)
        for name, text in found:
            console.print(Text(f"CONTRADICTION: {name}: {text}", style="bold red"), soft_wrap=True)
        for name, known in data.mixed_versions.items():
            each = ", ".join(f"{version} in {len(cells)} cells" for version, cells in known.items())
            line = f"DIFFERENT VERSIONS: the cells were run by different versions of {name}: {each}"
            console.print(Text(line, style="bold red"), soft_wrap=True)
        print(f"report: {page}")
    return 1 if found else 0 if drawn else 3


def _export(parsed: argparse.Namespace) -> int:
    from ..study.export import export
    from ..study.store import Store

    folder = os.path.dirname(parsed.output) or "."
    if not parsed.output or os.path.isdir(parsed.output) or not os.path.isdir(folder):
        raise InputError(f"{parsed.output!r}: cannot be written; expected a file in a folder that exists")
    with Store(parsed.folder) as store:
        count = export(store, parsed.output)
    if parsed.json:
        print(canonical({"format": "dashf-study-export", "version": 1, "file": parsed.output, "cells": count}))
    else:
        print(f"{parsed.output}: {count} cells")
    return 0


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
