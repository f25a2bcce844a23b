"""Pictures of results, drawn from what `formulations.evaluate` says of them, not from what they claim."""

from .comparison import draw_comparison
from .result import draw_result
from .sheet import COLOURS, check_suffix

__all__ = ["COLOURS", "check_suffix", "draw_comparison", "draw_result"]
