"""The figures of the paper, drawn again: averaged over seeds, for every reading, under a certified bound."""

from .claims import PaperClaim
from .make import Made, make_figures
from .plan import FIGURES, FigureRequest

__all__ = ["FIGURES", "FigureRequest", "Made", "PaperClaim", "make_figures"]
