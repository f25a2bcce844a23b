"""Pictures of texts in any script: what the font lacks is drawn as a box, and nobody is warned of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_glyph_warnings"]


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Keep matplotlib from warning of letters that its font does not have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message=r"(?s).*Matplotlib currently does not support", category=UserWarning)
        yield
