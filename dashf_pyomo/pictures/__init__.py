"""Pictures of results, drawn from what `formulations.evaluate` says of them, not from what they claim."""

from .comparison import draw_comparison, picture_of_comparison
from .result import draw_result, picture_of_result
from .sheet import COLOURS, Picture, check_suffix

__all__ = [
    "COLOURS",
    "Picture",
    "check_suffix",
    "draw_comparison",
    "draw_result",
    "picture_of_comparison",
    "picture_of_result",
]
