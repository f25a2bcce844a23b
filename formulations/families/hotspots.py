"""`hotspots`: users cluster around a few points."""

from __future__ import annotations

import numpy as np

from ..scenario import Scenario
from .family import Family, FamilyOption, Request, families


def build(request: Request) -> Scenario:
    """Return the paper's scenario with users normally distributed around uniform points, within the square."""
    area = float(request.settings.get("area", 1000.0))
    rng = request.generator()
    spots = rng.uniform(0.0, area, (int(request.options["spots"]), 2))
    chosen = spots[rng.integers(len(spots), size=request.users)]
    place = chosen + request.options["spread"] * rng.standard_normal((request.users, 2))
    return request.paper(user_position=np.clip(place, 0.0, area))


families.register(
    Family(
        name="hotspots",
        summary="users in clusters around a few points",
        interest="users of a spot want the same server: the nearest one is overloaded, and moves of users matter",
        build=build,
        options={
            "spots": FamilyOption(2, "number of points", least=1, most=10_000),
            "spread": FamilyOption(40.0, "standard deviation of a user's place around its point, m"),
        },
    ),
    origin=__name__,
)
