"""Names of variants: as figures show them, and, where those are shorter, which is which."""

from __future__ import annotations

from collections.abc import Sequence

from ...pictures.legends import short_names
from .study_data import StudyData
from .table import ReportTable

__all__ = ["labels", "names_table"]

#: Letters of a name in a figure.
_WIDTH = 30


def labels(data: StudyData) -> dict[str, str]:
    """Return variants with their names in figures: short and all different, and no formula begins in them.

    An asterisk marks a variant that solves a stricter problem than others.
    """
    return {
        name: text.replace("$", r"\$") + ("*" if name in data.restrictions else "")
        for name, text in _short(data.variants).items()
    }


def _short(variants: Sequence[str]) -> dict[str, str]:
    return dict(zip(variants, short_names(variants, _WIDTH), strict=True))


def names_table(data: StudyData) -> ReportTable:
    """Return a table of the variants whose names figures show shorter than they are."""
    table = ReportTable(
        "names",
        "Names in figures",
        "Variants whose names are longer than figures have room for.",
        ("in figures", "variant"),
    )
    for variant, short in _short(data.variants).items():
        if short != variant:
            table.add((short, variant), [cell.position for cell in data.of_variant(variant)])
    return table
