"""The cells of a store for other programs: CSV, Parquet, JSON Lines, a pandas frame, and PAVER's files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formulations import InputError
from formulations.documents import canonical

from ..errors import optional_package
from ..files import writing
from ..result_data import relative_gap
from .paver import distinct, solu, trace
from .refutation import is_refuted, witnesses
from .store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["export", "frame", "table"]

#: Columns of the table and what they hold, whatever the cells: whole numbers that are never missing or may be,
#: numbers and texts that may be.
COLUMNS = {
    "position": "int", "key": "str", "group": "str", "scenario": "str", "variant": "str", "role": "str",
    "method": "str", "repeat": "int", "name": "str", "users": "int", "servers": "int", "seed": "str", "options": "str",
    "limits": "str", "outcome": "str", "message": "str", "status": "str", "scr": "float", "score": "float",
    "delay": "float", "energy": "float", "max_violation": "float", "upper_bound": "float", "bound_source": "str",
    "iterations": "int?", "started": "str", "wall_time": "float", "cpu_time": "float", "cell_time": "float",
    "warm_time": "float", "worker": "str", "code": "str", "value": "float", "bound": "float", "objective": "str",
    "measure": "str", "own_gap": "float", "machine": "str", "versions": "str",
}  # fmt: skip


def table(store: Store) -> list[dict[str, Any]]:
    """Return one flat row per planned cell: names, numbers, texts; None where a cell has not ended."""
    environments = store.environments()
    rows = []
    planned = store.rows()
    best = witnesses(planned)
    for row in planned:
        machine = environments.get(row.pop("environment") or "", {})
        row["outcome"] = row["outcome"] or "missing"
        refuted = is_refuted(row["objective"], row["bound"], best.get(row["scenario"]))
        row["own_gap"] = None if refuted else relative_gap(row["value"], row["bound"])
        row["machine"] = machine.get("machine")
        row["versions"] = canonical(dict(machine["packages"])) if machine else None
        rows.append(row)
    return rows


def frame(store: Store) -> DataFrame:
    """Return the cells as a pandas DataFrame, in the order of the plan.

    Raises
    ------
    MissingPackageError
        If pandas is not installed.
    """
    pandas = optional_package("pandas", "study")
    rows = table(store)
    names = {"int": "int64", "int?": "Int64", "float": "float64", "str": "string"}
    columns = {name: pandas.Series([row[name] for row in rows], dtype=names[kind]) for name, kind in COLUMNS.items()}
    found: DataFrame = pandas.DataFrame(columns)
    return found.set_index("position")


def export(store: Store, path: str | os.PathLike[str]) -> int:
    """Write the cells to a file whose suffix says the format, and return how many.

    Parameters
    ----------
    store
        The store.
    path
        ``.csv`` or ``.parquet`` (one row per planned cell), ``.jsonl`` (the same with the whole result), or PAVER's
        ``.trc`` and ``.solu``.

    Raises
    ------
    InputError
        If the suffix is another one, or the file cannot be written.
    MissingPackageError
        If a package that the format needs is not installed.
    """
    writers: dict[str, Callable[[Store], tuple[bytes, int]]] = {
        ".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines, ".trc": _trace, ".solu": _solu,
    }  # fmt: skip
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: cannot tell the format; expected a name that ends in {', '.join(writers)}")
    content, count = writers[suffix](store)
    with writing(path):
        Path(path).write_bytes(content)
    return count


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows with the same keys as CSV, empty for None."""
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _csv(store: Store) -> tuple[bytes, int]:
    rows = table(store)
    return csv_text(rows).encode(), len(rows)


def _parquet(store: Store) -> tuple[bytes, int]:
    pyarrow, parquet = (optional_package(name, "study", "pyarrow") for name in ("pyarrow", "pyarrow.parquet"))
    rows = table(store)
    types = {"int": pyarrow.int64(), "int?": pyarrow.int64(), "float": pyarrow.float64(), "str": pyarrow.string()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), sink)
    return sink.getvalue(), len(rows)


def _json_lines(store: Store) -> tuple[bytes, int]:
    results = dict(store.results())
    environments = store.environments()
    lines = []
    for row in store.rows():
        for name in ("options", "limits", "code"):
            row[name] = json.loads(row[name] or "null")
        row["environment"] = environments.get(row["environment"] or "")
        row["outcome"] = row["outcome"] or "missing"
        lines.append(canonical({**row, "result": results.get(row["key"])}))
    return "".join(f"{line}\n" for line in lines).encode(), len(lines)


def _trace(store: Store) -> tuple[bytes, int]:
    rows = distinct(row for row in table(store) if row["outcome"] != "missing")
    return trace(rows).encode(), len(rows)


def _solu(store: Store) -> tuple[bytes, int]:
    rows = table(store)
    return solu(rows).encode(), len(rows)
