"""The figures of the paper, drawn again: averaged over seeds, for every reading, under a certified bound."""

from .catalogue import FIGURES, FigureRequest
from .make import Made, make_figures
from .paper_claims import PaperClaim

__all__ = ["FIGURES", "FigureRequest", "Made", "PaperClaim", "make_figures"]
