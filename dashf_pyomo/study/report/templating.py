"""Jinja templates of a report: pages, which escape by default, and LaTeX, whose delimiters keep clear of braces."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["as_html", "as_latex", "ranges"]

_LATEX = str.maketrans({
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}",
    ">": r"\textgreater{}",
})  # fmt: skip


def as_html(template: str, **values: Any) -> str:
    """Return a filled template of HTML; texts among the values are escaped."""
    return _pages().get_template(template).render(values)


def as_html_section(table: object) -> str:
    """Return a table as a section of a page."""
    macros: Any = _pages().get_template("table.html").module  # its attributes are the macros of the template
    return str(macros.section(table))


def as_latex(table: object) -> str:
    """Return a table as LaTeX."""
    return _papers().get_template("table.tex").render(table=table)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    pages.filters |= {"ranges": ranges, "sort_key": _sort_key, "base64": lambda data: base64.b64encode(data).decode()}
    return pages


@cache
def _papers() -> Environment:
    papers = Environment(
        loader=PackageLoader(__package__), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True,
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    papers.filters |= {"latex": lambda text: text.translate(_LATEX), "alignment": lambda numeric: "lr"[numeric]}
    return papers


def ranges(positions: Sequence[int]) -> str:
    """Return sorted positions as text, runs as ``first-last``."""
    parts: list[list[int]] = []
    for position in positions:
        if parts and position == parts[-1][-1] + 1:
            parts[-1][1:] = [position]
        else:
            parts.append([position])
    return ",".join("-".join(map(str, part)) for part in parts)


def _sort_key(value: Any) -> str:
    """Return the number that a table sorts an entry by; what is not a number, empty, sorts behind all that are."""
    return "" if math.isnan(value) else repr(float(value))
