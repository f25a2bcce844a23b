"""Pictures of results, drawn from what `formulations.evaluate` says of them, not from what they claim."""

from .comparison import draw_comparison
from .result import draw_result
from .sheet import check_suffix

__all__ = ["check_suffix", "draw_comparison", "draw_result"]
