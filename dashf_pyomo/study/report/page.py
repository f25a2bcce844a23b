"""The page: everything in one file, nothing from elsewhere."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from importlib.resources import files

from .data import StudyData
from .figures import Picture
from .sheets import Sheet
from .table import Table
from .tables import outcome_counts, restricted_text

__all__ = ["page"]

_COLUMNS = (
    "cell", "key", "scenario", "method", "repeat", "outcome", "status", "SCR", "upper bound", "gap", "time (s)",
    "message",
)  # fmt: skip
#: Tables that stand above everything: what the rest must not be read without.
_FIRST = ("contradictions", "versions")


def page(
    data: StudyData,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    sheets: Sequence[Sheet],
    undrawn: Sequence[str] = (),
) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    data
        The study.
    tables, pictures, sheets
        What it shows, in order; contradictions and different versions come first whatever the order.
    undrawn
        A line for each picture that is missing because it cannot be drawn.
    """
    name = html.escape(data.about.get("name", "study"))
    first = [table for table in tables if table.name in _FIRST]
    rest = [table for table in tables if table.name not in _FIRST]
    links = [(table.name, table.title) for table in rest]
    if pictures:
        links.insert(0, ("figures", "Figures"))
    if sheets:
        links.append(("scenarios", "Scenarios"))
    links.append(("explorer", "Cells"))
    nav = "".join(f'<a href="#{anchor}">{html.escape(title)}</a>' for anchor, title in links)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{name}</title><style>{_text('page.css')}</style></head><body>",
        *(table.to_html() for table in first),
        f"<h1>{name}</h1>",
        f'<p class="lead">{html.escape(_summary(data))}</p>',
        *(f'<p class="lead">{html.escape(line)}</p>' for line in undrawn),
        f"<nav>{nav}</nav>",
        _figures(pictures),
        *(table.to_html() for table in rest),
        _sheets(sheets),
        _explorer(data),
        _source(data),
        f"<script>{_text('page.js')}</script></body></html>",
    ]
    return "\n".join(part for part in parts if part)


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _summary(data: StudyData) -> str:
    counts = outcome_counts(data)
    bounded = sum(scenario.bound is not None for scenario in data.scenarios.values())
    said = (
        f"Scenarios: {len(data.scenarios)}; variants of methods: {len(data.variants)}; cells: {len(data.distinct)}, "
        f"{counts['done']} done, {counts['failed']} failed, {counts['missing']} missing. "
        f"Scenarios with a certified bound: {bounded} of {len(data.scenarios)}. Master seed {data.about.get('seed')}."
    )
    if data.contradictions:
        said += " There are contradictions, see above."
    elif bounded:
        said += " No bound contradicts any allocation."
    if data.mixed_versions:
        said += " Cells were run by different versions of the code, see above."
    return said + restricted_text(data)


def _image(picture: bytes, kind: str, text: str) -> str:
    encoded = base64.b64encode(picture).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/{kind};base64,{encoded}">'


def _figures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    shown = []
    for picture in pictures:
        kind = ' class="wide"' if picture.wide else ""
        image = _image(picture.svg, "svg+xml", picture.caption)
        if picture.wide:
            image = f'<div class="sheet">{image}</div>'
        caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>"
        shown.append(f'<figure id="figure-{picture.name}"{kind}>{image}{caption}</figure>')
    note = (
        "Every figure is made of all cells of the variants that it names; the tables below have the numbers, each with "
        "its cells."
    )
    return f'<section id="figures"><h2>Figures</h2><p>{note}</p><div class="figures">{"".join(shown)}</div></section>'


def _sheets(sheets: Sequence[Sheet]) -> str:
    if not sheets:
        return ""
    parts = ['<section id="scenarios"><h2>Scenarios</h2>']
    parts.append(
        "<p>Contradicted scenarios first, then those where the reference is furthest from the bound: users and servers "
        "with the association, shares of the servers' budgets, parts of each user's delay, convergence.</p>"
    )
    for sheet in sheets:
        parts.append(f"<details open><summary>{html.escape(sheet.title)}</summary>")
        parts.append(sheet.table.to_html().replace("<h2>", "<h3>").replace("</h2>", "</h3>"))
        for name, picture in sheet.pictures.items():
            parts.append(f'<div class="sheet">{_image(picture, "png", f"{sheet.title}: {name}")}</div>')
        parts.append("</details>")
    return "\n".join([*parts, "</section>"])


def _explorer(data: StudyData) -> str:
    rows = []
    for cell in data.cells:
        gap = data.scenarios[cell.scenario].gap(cell)
        rows.append(
            [
                cell.position, cell.key[:12], f"{data.names.get(cell.scenario, '')} ({cell.group})", cell.variant,
                cell.repeat, cell.outcome, cell.status, cell.scr, cell.upper_bound, gap, cell.wall_time,
                cell.message[:160],
            ]
        )  # fmt: skip
    # What a script element takes for its end, or for the start of a comment, begins with "<": JSON says it otherwise.
    encoded = json.dumps({"rows": rows}, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    heads = "".join(f'<th scope="col"><button type="button">{head}</button></th>' for head in _COLUMNS)
    return (
        '<section id="explorer"><h2>Cells</h2><p>Every number above leads here, to the cells that it is made of. Keys '
        "are those of the store.</p>"
        '<div class="controls"><input id="filter" placeholder="words to look for" aria-label="words to look for">'
        '<button type="button" class="plain" id="all-cells">all</button>'
        '<button type="button" class="plain" id="previous">back</button>'
        '<button type="button" class="plain" id="next">on</button><span id="explorer-said"></span></div>'
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>'
        f'<script type="application/json" id="cells-data">{encoded}</script></section>'
    )


def _source(data: StudyData) -> str:
    source = html.escape(data.about.get("source", "")[:100_000])
    return (
        "<section><h2>Description</h2><details><summary>the study as it was described</summary>"
        f'<div class="scroll"><pre>{source}</pre></div></details></section>'
    )
