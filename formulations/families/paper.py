"""`paper`: Section V-A of the paper, `Scenario.random` itself."""

from __future__ import annotations

from .family import Family, Request, families

families.register(
    Family(
        name="paper",
        summary="users and servers uniform in a square, Rayleigh fading, the paper's numbers",
        interest="the setting of the paper's figures",
        build=Request.paper,
    ),
    origin=__name__,
)
