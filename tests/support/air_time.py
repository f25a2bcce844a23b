"""Limits that no formulation has heard of and that have no prices: on the time for which links are busy.

`dual` and `bnp` have prices for a user's delay, but for no sum that counts its four times differently. So these are
for tests of what methods do with a limit that they cannot honour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fresh_process import make_extension

from formulations import Extra
from formulations.attributes import ATTRIBUTES, Attribute
from formulations.attributes import declare as declare_attribute
from formulations.constraints import LIMITS, Limit, Over
from formulations.constraints import declare as declare_limit

__all__ = ["SERVER_AIR_TIME", "USER_AIR_TIME", "air_time_extension", "declare_air_time", "declared_air_time"]

SERVER_AIR_TIME, USER_AIR_TIME = "server_air_time", "user_air_time"


def declare_air_time() -> Limit:
    """Declare the air time, what a server may have of it, which is returned, and what a user may."""
    declare_attribute(Attribute("air_time", "s", {"time_uplink": 1.0, "time_downlink": 1.0}))
    of_server = Limit(SERVER_AIR_TIME, Extra("air time"), "(X9) air time", Over.SERVER, "air_time")
    declare_limit(of_server)
    declare_limit(Limit(USER_AIR_TIME, Extra("user air time"), "(X10) user air time", Over.USER, "air_time"))
    return of_server


@contextmanager
def declared_air_time() -> Iterator[Limit]:
    """Declare them for a while."""
    try:
        yield declare_air_time()
    finally:
        for key in (SERVER_AIR_TIME, USER_AIR_TIME):
            LIMITS.pop(key, None)
        ATTRIBUTES.pop("air_time", None)


def air_time_extension(folder: Path) -> tuple[Path, ...]:
    """Make an extension that declares them, and return the places in which a process finds it."""
    code = "from air_time import declare_air_time\n\ndeclare_air_time()\n"
    made = make_extension(folder / "busy", "busy", {"formulations": {"links": code}})
    return made, Path(__file__).parent
