"""``dashf methods``, ``formulations``, ``backends``, ``families``: what is there, what it needs, what works here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from formulations import linear_rows
from formulations.constraints import RowKind, supported, unsupported
from formulations.documents import canonical
from formulations.objective import Aspect
from formulations.registry import Registry

__all__ = ["add_to"]

Row = dict[str, Any]

#: Columns whose texts are not wrapped.
_NAMES = ("method", "formulation", "backend", "family", "option", "kind")

#: Characters of a terminal that shows all columns.
_WIDE = 110

#: Listings of things that have options, and what one of them is called.
_ONE = {"methods": "method", "families": "family"}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the parser."""
    for name, help_text, collect in (
        ("methods", "list the methods; with a name, its options", _methods),
        ("formulations", "list the formulations and which backends solve them", _formulations),
        ("backends", "list the solvers, what each can do, and whether it works here", _backends),
        ("families", "list the families of scenarios; with a name, its options", _families),
    ):
        parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        if name in _ONE:
            one = _ONE[name]
            parser.add_argument(one, nargs="?", metavar="NAME", help=f"the {one} whose options to list")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")
        parser.set_defaults(run=_lister(name, collect))


def _lister(name: str, collect: Callable[[], tuple[Registry[Any], list[Row]]]) -> Callable[[argparse.Namespace], int]:
    def run(parsed: argparse.Namespace) -> int:
        registry, rows = collect()
        one = _ONE.get(name, "")
        chosen = getattr(parsed, one, None)
        if chosen is not None:
            rows = [row for row in rows if row[one] == registry[chosen].name]
        if parsed.json:
            broken = [{"name": item.name, "reason": item.reason} for item in registry.broken]
            print(canonical({"format": f"dashf-{name}", "version": 1, name: rows, "broken": broken}))
            return 0
        if chosen is not None:
            said = [value for key, value in rows[0].items() if isinstance(value, str) and key != one]
            print(f"{chosen}: {'; '.join(said)}")
            _print(rows[0]["options"] or [{"option": "none"}])
        else:
            # What does not fit the width of a terminal is in --json.
            hidden = ("options", "source", "subproblem", "supports", "honours", "rows", *_narrow())
            _print([{key: value for key, value in row.items() if key not in hidden} for row in rows])
        for item in registry.broken:
            print(f"skipped extension {item.name}: {item.reason}")
        return 0

    return run


def _narrow() -> tuple[str, ...]:
    """Return the columns that go where there is no room for them."""
    from .console import Output

    return () if Output().width >= _WIDE else ("faces", "needs")


def _print(rows: list[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    from .console import Output

    table = Table()
    for column in rows[0]:
        # Names stay whole; prose wraps.
        table.add_column(column, no_wrap=column in _NAMES, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value, " to " if column == "range" else " ")) for column, value in row.items()))
    Output().print(table)


def _cell(value: Any, between: str = " ") -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return between.join(_cell(item) for item in value) or "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _rows(registry: Registry[Any], describe: Callable[[Any], Row]) -> tuple[Registry[Any], list[Row]]:
    """Describe every entry; one that cannot be described, which is an extension, is skipped with its reason."""
    rows = []
    for name, entry in registry.items():
        try:
            rows.append(describe(entry))
        except Exception as error:  # whatever code of others raises
            registry.skip(name, error)
    return registry, rows


def _honoured(supports: frozenset[str], key: str = "honours") -> Row:
    """Return kinds of limits and aspects of the objective that are honoured, and the attributes that rows may have."""
    rows = [name for name in linear_rows.ROW_ATTRIBUTES if not unsupported(supports, {_row(name)})]
    kinds = {*supported(supports), *(supports & ({str(aspect) for aspect in Aspect} | {linear_rows.SIGNED}))}
    return {key: sorted(map(str, kinds)), "rows": rows}


def _row(attribute: str) -> RowKind:
    """Return the kind of a row on one attribute."""
    return RowKind(linear_rows.Row(attribute, 1.0, (linear_rows.Term(attribute),)))


def _methods() -> tuple[Registry[Any], list[Row]]:
    from ..algorithms import describe_options, methods

    return _rows(
        methods,
        lambda method: {
            "method": method.name,
            "what it is": method.summary,
            "options": describe_options(method),
            **_honoured(method().honours()),
        },
    )


def _formulations() -> tuple[Registry[Any], list[Row]]:
    from formulations.formulation import formulations

    from ..backends import backends

    def describe(entry: Any) -> Row:
        return {
            "formulation": f"{entry.subproblem}/{entry.name}",
            "subproblem": str(entry.subproblem),
            "kind": str(entry.kind),
            "faces": [str(language) for language in entry.faces],
            "needs": sorted(str(feature) for feature in entry.needs),
            "source": entry.source,
            "what it is": entry.summary,
            **_honoured(entry.supports, "supports"),
            "solved by": [
                backend.name
                for backend in backends.values()
                if set(entry.faces) & set(backend.languages) and entry.needs <= backend.features
            ],
        }

    return _rows(formulations, describe)


def _backends() -> tuple[Registry[Any], list[Row]]:
    from ..backends import backends

    def describe(backend: Any) -> Row:
        known = backend.availability()
        return {
            "backend": backend.name,
            "works here": known.available,
            "version": known.version,
            "solves": sorted(str(feature) for feature in backend.features),
            "what it is": backend.summary,
            "reason": known.reason,
        }

    return _rows(backends, describe)


def _families() -> tuple[Registry[Any], list[Row]]:
    from formulations.families import families

    def describe(family: Any) -> Row:
        return {
            "family": family.name,
            "what is drawn": family.summary,
            "why it is interesting": family.interest,
            "options": [
                {"option": key, "default": option.default, "range": [option.least, option.most], "help": option.help}
                for key, option in family.options.items()
            ],
        }

    return _rows(families, describe)
