"""`growing-bandwidth`: the servers' bandwidth and power grow with the number of users per server."""

from __future__ import annotations

from ..scenario import Scenario
from .family import Family, FamilyOption, Request, families


def build(request: Request) -> Scenario:
    """Return the paper's scenario with budgets for every user."""
    load = request.users / request.servers
    return request.paper(
        bandwidth_max=request.options["bandwidth_per_user"] * load,
        server_power_max=request.options["power_per_user"] * load,
    )


families.register(
    Family(
        name="growing-bandwidth",
        summary="bandwidth and power of the servers in proportion to the users per server",
        interest="links stay fast at any load, so what is left to win lies in offloading, association and speeds",
        build=build,
        options={
            "bandwidth_per_user": FamilyOption(10e6, "bandwidth of a server for each user, Hz", least=1.0),
            "power_per_user": FamilyOption(2.0, "transmit power of a server for each user, W", least=1e-6),
        },
    ),
    origin=__name__,
)
