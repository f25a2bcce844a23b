"""The outcome of a method as people meet it: the data of a result, with its pictures and what a notebook shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations import Scenario

from .result_data import ResultData

if TYPE_CHECKING:
    from .pictures import Picture

__all__ = ["Result"]


class Result(ResultData):
    """The outcome of one method on one scenario; see `ResultData` for what it holds."""

    def plot(self, scenario: Scenario | None = None, kind: str = "result") -> Picture:
        """Return a picture of the result, a matplotlib figure that a notebook shows.

        Parameters
        ----------
        scenario
            The scenario; only ``bounds`` and ``convergence`` do without.
        kind
            ``result``, ``allocation``, ``bounds`` or ``convergence``, see `dashf_pyomo.pictures.picture_of_result`.

        Raises
        ------
        InputError
            If there is no such kind, it needs the scenario, or the result is not of this scenario.
        """
        from .pictures import picture_of_result

        return picture_of_result(self, scenario, kind)

    def _repr_html_(self) -> str:
        from .notebook import result_html

        return result_html(self)
