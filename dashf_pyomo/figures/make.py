"""Making figures: run the study of each, write its numbers, and draw it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import writing
from ..pictures.isolation import Attempts
from .catalogue import Figure, FigureRequest, chosen, study_of
from .numbers import Value, plotted_points, table, values_of
from .paper_claims import PaperClaim, claim_table, claims_of

if TYPE_CHECKING:
    from ..study.run import StudyProgress

__all__ = ["Made", "make_figures"]


@dataclass(frozen=True)
class Made:
    """A figure that is drawn.

    Parameters
    ----------
    name
        Its number in the paper.
    files
        Names of its files in the folder.
    cells, ran, failed
        Runs that it is made of, those that were missing, and those that have failed.
    values
        Its numbers.
    claims
        The paper's claims on it, and whether they hold.
    contradictions
        Bounds that a verified allocation refutes; they are not used.
    undrawn
        Why its picture cannot be drawn, empty where it is; its numbers are written all the same.
    stale
        Number of runs by other code than there is now, or by unknown code.
    """

    name: str
    files: tuple[str, ...]
    cells: int
    ran: int
    failed: int
    values: tuple[Value, ...]
    claims: tuple[PaperClaim, ...]
    contradictions: tuple[str, ...]
    stale: int = 0
    undrawn: str = ""


def make_figures(
    names: Sequence[str],
    request: FigureRequest,
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    retry: bool = False,
    rerun: str | Iterable[str] = (),
    watch: Callable[[str, StudyProgress], None] | None = None,
) -> list[Made]:
    """Make figures in a folder; runs that are in its store already are not repeated.

    Parameters
    ----------
    names
        Numbers of figures, or ``all``.
    request
        Seeds, readings and limits.
    folder
        Folder of the store and the files; made if it is missing.
    workers, retry, rerun
        As in `Study.run`.
    watch
        Sees which figure it is and how far its study.

    Raises
    ------
    InputError
        If there is no such figure, or the folder cannot be written.
    KeyboardInterrupt
        If the user interrupts; the next call goes on from there.
    """
    figures = chosen(names)
    return [_make(figure, request, folder, workers, retry, rerun, watch) for figure in figures]


def _make(
    figure: Figure,
    request: FigureRequest,
    folder: str | os.PathLike[str],
    workers: int | None,
    retry: bool,
    rerun: str | Iterable[str],
    watch: Callable[[str, StudyProgress], None] | None,
) -> Made:
    from ..study.report.study_data import StudyData
    from ..study.store import Store

    study = study_of(figure, request, folder)

    def tell(progress: StudyProgress) -> None:
        if watch is not None:
            watch(figure.name, progress)

    summary = study.run(workers=workers, retry=retry, rerun=rerun, watch=tell)
    with Store(folder) as store:
        data = StudyData.of(store)
        places = plotted_points(figure, request, store, data)
    values, claims = values_of(figure, places), claims_of(figure, places)
    files = [
        _write(Path(folder, f"{figure.name}.csv"), table(figure, values)),
        _write(Path(folder, f"{figure.name}-claims.csv"), claim_table(claims)),
    ]
    attempts = Attempts()
    if values:
        from .draw import draw

        with attempts.at(f"figure {figure.name}"):
            files += draw(figure, places, values, folder)
    said = tuple(found.text for found in data.contradictions)
    return Made(
        name=figure.name,
        files=tuple(files),
        cells=summary.total,
        ran=summary.ran,
        failed=summary.failed,
        values=tuple(values),
        claims=tuple(claims),
        contradictions=said,
        stale=summary.stale,
        undrawn="; ".join(attempts.failures),
    )


def _write(path: Path, text: str) -> str:
    with writing(path):
        path.write_text(text, encoding="utf-8")
    return path.name
