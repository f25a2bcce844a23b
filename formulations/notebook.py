"""Display of a scenario in a notebook: its sizes, budgets, weights and extra constraints, and its map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import shown
from .markup import facts_table

__all__ = ["scenario_html"]

_PIXELS, _MARGIN, _MOST_POINTS = 240, 12, 400
_BUDGETS = {
    "bandwidth_max": "bandwidth of a server (Hz)",
    "server_power_max": "power of a server (W)",
    "server_speed_max": "speed of a server (FLOP/s)",
    "user_power_max": "power of a user (W)",
    "user_speed_max": "speed of a user (FLOP/s)",
    "adapter_params": "adapter of a user (parameters)",
}


def scenario_html(scenario: Any) -> str:
    """Return a `Scenario` as HTML: a table, and a map where it has positions and not too many."""
    declared = {} if scenario.constraints is None else scenario.constraints.to_dict()
    facts = [
        ("users, servers", f"{scenario.n_users}, {scenario.n_servers}"),
        *([] if scenario.seed is None else [("seed", str(scenario.seed))]),
        ("objective", scenario.objective.said),
        ("weights of delay (1/s), energy (1/J)", f"{scenario.weight_time:.6g}, {scenario.weight_energy:.6g}"),
        ("scale, norm of the score", f"{scenario.score_scale:.6g}, {scenario.score_norm:.6g}"),
        *((text, _span(getattr(scenario, field))) for field, text in _BUDGETS.items()),
        ("channel gain (dB)", _span(10.0 * np.log10(scenario.channel_gain))),
        ("extra constraints", "; ".join(_declared(key, values) for key, values in declared.items()) or "none"),
        *([("readings", ", ".join(f"{key}: {value}" for key, value in scenario.readings.items()))]
          if scenario.readings else []),
    ]  # fmt: skip
    return facts_table(scenario.name or "scenario", facts) + _map(scenario)


def _span(values: NDArray[np.float64]) -> str:
    """Return the range of an array, or its one value."""
    low, high = f"{values.min():.6g}", f"{values.max():.6g}"
    return low if low == high else f"{low} to {high}"


def _declared(key: str, values: Any) -> str:
    """Return a declared constraint with its range, or the pairs that it is about."""
    given = [value for value in values if value is not None]
    if isinstance(given[0], list):
        return f"{key} {shown(given)}"
    return f"{key} {_span(np.array(given))}" + (
        f" for {len(given)} of {len(values)}" if len(given) < len(values) else ""
    )


def _map(scenario: Any) -> str:
    """Return users (circles), servers (squares) and each user's strongest channel as SVG, empty without a map."""
    users, servers = scenario.user_position, scenario.server_position
    if users is None or servers is None or len(users) + len(servers) > _MOST_POINTS:
        return ""
    points = np.concatenate([users, servers])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        span = np.ptp(points, axis=0).max()
        places = (points - points.min(axis=0)) / span * (_PIXELS - 2 * _MARGIN) + _MARGIN
    if not np.isfinite(places).all():  # all at one point, or too far apart for numbers
        return ""
    places[:, 1] = _PIXELS - places[:, 1]  # pixels count downwards
    of_users, of_servers = places[: len(users)], places[len(users) :]
    shapes = [
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}" stroke="#bbb"/>'
        for (x, y), (u, v) in zip(of_users, of_servers[np.argmax(scenario.channel_gain, axis=1)], strict=True)
    ]
    shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#0072B2"/>' for x, y in of_users]
    shapes += [f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="#D55E00"/>' for x, y in of_servers]
    told = "Users are circles, servers squares; a line leads to the server with the largest gain."
    size = f'width="{_PIXELS}" height="{_PIXELS}" viewBox="0 0 {_PIXELS} {_PIXELS}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{told}</title>'
        f'<rect width="100%" height="100%" fill="white" stroke="#ccc"/>{"".join(shapes)}</svg>'
    )
