"""`stadium`: users stand on a ring around one point, far from each other and all equally near to it."""

from __future__ import annotations

import numpy as np

from formulations import Scenario
from formulations.families import Family, FamilyOption, Request, families


def build(request: Request) -> Scenario:
    """Return the paper's scenario with the users on a ring around a uniform point."""
    rng = request.generator()
    angle = rng.uniform(0.0, 2.0 * np.pi, request.users)
    centre = rng.uniform(300.0, 700.0, 2)
    ring = request.options["radius"] * np.column_stack([np.cos(angle), np.sin(angle)])
    return request.paper(user_position=centre + ring)


families.register(
    Family(
        name="stadium",
        summary="users on a ring around one point",
        interest="all users compete for the server next to the ring (example of an extension)",
        build=build,
        options={"radius": FamilyOption(100.0, "radius of the ring, m", least=0.0, most=300.0)},
    )
)
