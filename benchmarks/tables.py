"""Write the tables of the docs from the CSV files in ``benchmarks/results``, and from what the code declares.

A page holds a table between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; what stands between them is
replaced by the rows of ``results/NAME.csv``, as they are. Lines that begin with ``#`` say where the numbers come from.
Tables in `DECLARED` have no file: what methods honour is said by the methods.

Run: ``make docs-tables``, or ``python benchmarks/tables.py``; with ``--check`` it changes nothing and exits 1 if a page
does not agree.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path

from dashf_pyomo.algorithms import methods
from formulations.constraints import LIMITS, Extra, RowKind, unsupported
from formulations.linear_rows import ROW_ATTRIBUTES, Row, Term
from formulations.objective import Aspect

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"

#: A table in a page, with its name and what stands in it.
PLACE = re.compile(r"(?<=<!-- table: )([a-z0-9-]+)( -->\n)(.*?)(?=<!-- end of table -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def honoured() -> list[list[str]]:
    """Return which method honours which objective and which constraints, with default options, as rows of cells."""
    kinds = [Extra(aspect) for aspect in Aspect]
    kinds += [Extra.ASSOCIATION, *dict.fromkeys(limit.kind for limit in LIMITS.values()), Extra.OFFLOAD, Extra.BINARY]
    asked = {str(kind): [kind] for kind in kinds}
    terms = [Term(attribute) for attribute in ROW_ATTRIBUTES]
    asked["rows of one's own"] = [RowKind(Row(term.attribute, 1.0, (term,))) for term in terms]
    asked["floors, by negative numbers in rows"] = [
        RowKind(Row("floor", 1.0, (Term("bandwidth", coefficient=(-1.0,)),)))
    ]
    able = {name: methods[name]().honours() for name in sorted(methods)}  # whatever was imported first
    cells = [["", *(f"`{name}`" for name in able)]]
    cells += [
        [words, *("" if unsupported(honours, each) else "yes" for honours in able.values())]
        for words, each in asked.items()
    ]
    return [*cells, ["proves a bound", *("yes" if methods[name].proves_bounds else "" for name in able)]]


#: Tables that the code itself declares.
DECLARED: dict[str, Callable[[], list[list[str]]]] = {"honours": honoured}


def measured(name: str) -> list[list[str]]:
    """Return the rows of a CSV file."""
    lines = (RESULTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#")))


def markdown(name: str) -> str:
    """Return a table in Markdown."""
    head, *rows = DECLARED[name]() if name in DECLARED else measured(name)
    return "".join(
        "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"
        for cells in (head, ["---"] * len(head), *rows)
    )


def written(page: str) -> str:
    """Return a page with its tables made again."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}\n{markdown(place[1])}\n", page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a page does not agree")
    parsed = parser.parse_args()
    stale = []
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := written(before)) != before:
            stale.append(str(page.relative_to(ROOT)))
            if not parsed.check:
                page.write_text(after, encoding="utf-8")
    if stale:
        print(f"{'differ from what is measured or declared' if parsed.check else 'written'}: {', '.join(stale)}")
    sys.exit(bool(stale and parsed.check))


if __name__ == "__main__":
    main()
