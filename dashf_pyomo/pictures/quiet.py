"""Pictures of texts in any script: what the font lacks is drawn as a box, and nobody is warned of it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from ..shared import without_warnings

__all__ = ["without_glyph_warnings"]


def without_glyph_warnings() -> AbstractContextManager[None]:
    """Keep matplotlib from warning of letters that its font does not have."""
    return without_warnings(r"(?s).*Glyph .* missing from", r"(?s).*Matplotlib currently does not support")
