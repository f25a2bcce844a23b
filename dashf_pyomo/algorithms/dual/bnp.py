"""`bnp`: branch and price, which closes what the root bound of `dual` leaves open.

The box with the worst bound is cut in two, at a deadline or at a user whose columns the LP solution mixes: by server
first, then by phi. Both parts are bounded by column generation from their parent's prices and columns. The fewer the
users, the more the LP solution gains by splitting them, and the more there is to branch on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..method import methods, option
from .method import Dual

__all__ = ["BranchAndPrice"]


@methods.register
@dataclass(frozen=True)
class BranchAndPrice(Dual):
    """Column generation in every box of a branch and bound over deadlines, servers and offloading ratios."""

    name = "bnp"
    summary = "branch and price: `dual` with boxes cut at servers and offloading ratios until the gap is closed"
    bound_source = "bnp: branch and price with proven pricing"
    advised = 2
    branches: ClassVar[bool] = True

    dives: int = option(0, "most dives for allocations, where the gap stays open", at_least=0)
    moves: int = option(0, "most moves of single users, where the gap stays open", at_least=0)
