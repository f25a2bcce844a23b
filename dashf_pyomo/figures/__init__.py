"""The figures of the paper, drawn again: averaged over seeds, for every reading, under a certified bound."""

from .claims import Claim
from .make import Made, make_figures
from .plan import FIGURES, FigureRequest

__all__ = ["FIGURES", "Claim", "FigureRequest", "Made", "make_figures"]
