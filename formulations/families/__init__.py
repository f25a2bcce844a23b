"""Named families of random scenarios, one a file: where methods should be tried besides the paper's setting."""

from __future__ import annotations

from .family import Family, FamilyOption, Request, draw, families

__all__ = ["Family", "FamilyOption", "Request", "draw", "families"]
