"""`shadowing`: strong log-normal shadowing on top of path loss and fading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..scenario import Scenario
from .family import Family, FamilyOption, Request, families


def build(request: Request) -> Scenario:
    """Return the paper's scenario with shadowed gains; a part of the shadowing is common to a user's links."""
    drawn = request.paper()
    if "channel_gain" in request.settings:
        return drawn
    rng, common = request.generator(), request.options["correlation"]
    own = rng.standard_normal((request.users, 1))
    link = rng.standard_normal((request.users, request.servers))
    loss_db = request.options["deviation"] * (np.sqrt(common) * own + np.sqrt(1.0 - common) * link)
    return replace(drawn, channel_gain=drawn.channel_gain * 10.0 ** (-loss_db / 10.0))


families.register(
    Family(
        name="shadowing",
        summary="gains with log-normal shadowing, correlated over the links of a user",
        interest="the nearest server is often not the strongest, and gains spread over many orders of magnitude",
        build=build,
        options={
            "deviation": FamilyOption(8.0, "standard deviation of the shadowing, dB", most=60.0),
            "correlation": FamilyOption(0.5, "correlation of the shadowing of two links of a user", most=1.0),
        },
    ),
    origin=__name__,
)
