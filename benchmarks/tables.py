"""Write the tables of the docs from the CSV files in ``benchmarks/results``.

A page holds a table between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; what stands between them is
replaced by the rows of ``results/NAME.csv``, as they are. Lines that begin with ``#`` say where the numbers come from.

Run: ``make docs-tables``, or ``python benchmarks/tables.py``; with ``--check`` it changes nothing and exits 1 if a page
does not agree with its CSV files.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"

#: A table in a page, with its name and what stands in it.
PLACE = re.compile(r"(?<=<!-- table: )([a-z0-9-]+)( -->\n)(.*?)(?=<!-- end of table -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def markdown(name: str) -> str:
    """Return the table of a CSV file in Markdown."""
    lines = (RESULTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    head, *rows = csv.reader(line for line in lines if not line.startswith("#"))
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
        print(f"{'differ from benchmarks/results' if parsed.check else 'written'}: {', '.join(stale)}")
    sys.exit(bool(stale and parsed.check))


if __name__ == "__main__":
    main()
