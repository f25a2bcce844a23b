"""Methods compared on one scenario, by their gaps to the best certified bound."""

from .comparing import compare
from .comparison import Comparison, MethodRow

__all__ = ["Comparison", "MethodRow", "compare"]
