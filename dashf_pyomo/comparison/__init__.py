"""Methods compared on one scenario, by their gaps to the best certified bound."""

from .comparison import Comparison, Row
from .running import compare

__all__ = ["Comparison", "Row", "compare"]
