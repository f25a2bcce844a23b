"""`slow-users`: users with slower GPUs, each by a factor of its own."""

from __future__ import annotations

import numpy as np

from ..documents import ScenarioError
from ..scenario import Scenario
from .family import Family, FamilyOption, Request, families


def build(request: Request) -> Scenario:
    """Return the paper's scenario with the caps of the users' speeds cut by log-uniform factors."""
    slowest, fastest = request.options["slowest"], request.options["fastest"]
    if slowest > fastest:
        raise ScenarioError(f"slowest = {slowest:g}; expected at most fastest = {fastest:g}")
    factor = np.exp(request.generator().uniform(np.log(slowest), np.log(fastest), request.users))
    return request.paper(user_speed_max=request.paper().user_speed_max * factor)


families.register(
    Family(
        name="slow-users",
        summary="speeds of the users cut by factors drawn log-uniformly",
        interest="training alone takes long, so slow users compete for the servers and the deadline is theirs",
        build=build,
        options={
            "slowest": FamilyOption(0.02, "least factor on a user's speed", least=1e-6, most=1e3),
            "fastest": FamilyOption(0.1, "largest factor on a user's speed", least=1e-6, most=1e3),
        },
    ),
    origin=__name__,
)
