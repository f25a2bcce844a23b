"""Panels that show an allocation: association, shares of the budgets, delay of each user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patheffects import withStroke

from formulations import Allocation, Evaluation, Scenario

from .sheet import COLOURS, say

__all__ = ["MOST_SERVERS", "draw_association", "draw_delay", "draw_shares"]

_PARTS = {"local": "#56B4E9", "uplink": "#F0E442", "server": "#009E73", "downlink": "#CC79A7"}
_BUDGETS = ("bandwidth", "server_power", "server_speed")
MOST_SERVERS = 24
_LABELLED, _PIECES, _SLOWEST = 30, 12, 40  # what stays readable


def draw_association(axes: Axes, scenario: Scenario, allocation: Allocation | None, by: str = "") -> None:
    """Draw users, servers and the association on the map, or on the gains where there is no map."""
    axes.set_title(f"Association{by}" if allocation is not None else "Users and servers, no allocation")
    users, servers = scenario.user_position, scenario.server_position
    if users is None or servers is None or max(np.abs(users).max(), np.abs(servers).max()) > 1e150:
        return _draw_gains(axes, scenario, allocation)
    points = np.concatenate([servers, users])
    far, spread = np.abs(points).max(), np.ptp(points, axis=0).max()
    half = 0.58 * spread if spread > 1e-9 * far else 1 + 1e-6 * far
    x, y = (points.min(axis=0) / 2 + points.max(axis=0) / 2)[:, None] + [-half, half]
    axes.set(xlim=x, ylim=y, xlabel="x (m)", ylabel="y (m)", aspect="equal")
    hues, size = np.resize(COLOURS, scenario.n_servers), min(max(3000 / scenario.n_users, 12), 80)
    fill, edges = np.zeros(scenario.n_users), np.array("#555555")
    if allocation is not None:
        fill, edges = allocation.offload, hues[allocation.server]
        lines, width = np.stack([users, servers[allocation.server]], axis=1), 1.4 if scenario.n_users <= 100 else 0.5
        axes.add_collection(LineCollection(list(lines), colors=edges, linewidths=width, alpha=0.7), autolim=False)
    style: dict[str, Any] = {"cmap": "Greys", "vmin": 0, "vmax": 1, "linewidths": min(1.5, size / 15), "zorder": 3}
    dots = axes.scatter(users[:, 0], users[:, 1], size, fill, edgecolors=edges.tolist(), **style)
    if allocation is not None:
        axes.figure.colorbar(dots, cax=axes.inset_axes((1.03, 0.1, 0.03, 0.8)), label="φ, share trained by the user")
    axes.scatter(servers[:, 0], servers[:, 1], 100, hues.tolist(), marker="s", edgecolors="black", zorder=2.5)
    labels = [(f"S{i}", point) for i, point in enumerate(servers) if scenario.n_servers <= 2 * _LABELLED]
    labels += [(f"u{i}", point) for i, point in enumerate(users) if scenario.n_users <= _LABELLED]
    _place(axes, labels, points)


def _place(axes: Axes, labels: Sequence[tuple[str, np.ndarray]], points: np.ndarray) -> None:
    """Write each label beside its point, where it hides least of the markers and the labels before it."""
    figure: Any = axes.figure
    figure.get_layout_engine().execute(figure)  # from here on the pixels are known, and stay
    figure.set_layout_engine("none")
    axes.apply_aspect()
    dot, to_pixels = figure.dpi / 72, axes.transData.transform
    taken = np.column_stack([to_pixels(points), np.full((len(points), 2), 6 * dot)])  # centres and half sizes
    places = np.array([(r * np.cos(a), r * np.sin(a)) for r in (12, 16, 21) for a in np.arange(16) * np.pi / 8])
    for text, point in labels:
        half, centres = (3 * len(text) * dot, 4.5 * dot), to_pixels(point) + places * dot
        overlap = np.maximum(taken[:, 2:] + half - np.abs(centres[:, None] - taken[:, :2]), 0)
        best = np.argmin(overlap.prod(axis=2).sum(axis=1))  # the nearest of the best
        taken = np.vstack([taken, [*centres[best], *half]])
        note = axes.annotate(text, tuple(point), tuple(places[best]), "data", "offset points", ha="center", va="center")
        note.set(size=8, weight=700 if text[0] == "S" else 400, path_effects=[withStroke(linewidth=2, foreground="w")])


def _draw_gains(axes: Axes, scenario: Scenario, allocation: Allocation | None) -> None:
    image = axes.imshow(10 * np.log10(scenario.channel_gain), cmap="cividis", aspect="auto", interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="channel gain (dB)")
    names = [f"u{n}" for n in range(scenario.n_users)]
    if allocation is not None:
        axes.set_title(f"{axes.get_title()}: gains, the chosen server marked")
        size = min(max(2500 / len(names), 4), 70)
        axes.scatter(allocation.server, range(len(names)), size, "white", edgecolors="black", linewidths=size / 70)
        names = [f"u{n}, φ = {phi:.2f}" for n, phi in enumerate(allocation.offload)]
    axes.set(xlabel="server", ylabel="user")
    axes.locator_params(integer=True)
    servers = [f"S{m}" for m in range(scenario.n_servers)]
    for set_ticks, texts, most in ((axes.set_xticks, servers, 20), (axes.set_yticks, names, _LABELLED)):
        if len(texts) <= most:
            set_ticks(range(len(texts)), texts)


def draw_shares(axes: Axes, scenario: Scenario, allocation: Allocation | None) -> None:
    """Draw how every server's budgets are shared."""
    which = f", {MOST_SERVERS} fullest of {scenario.n_servers} servers" if scenario.n_servers > MOST_SERVERS else ""
    axes.set_title(f"Shares of the servers' budgets, by user{which}")
    if allocation is None:
        return say(axes, "no allocation")
    share = np.stack([getattr(allocation, b) / getattr(scenario, f"{b}_max")[allocation.server] for b in _BUDGETS])
    load = np.stack([np.bincount(allocation.server, row, minlength=scenario.n_servers) for row in share])
    servers = np.sort(np.argsort(-load.max(axis=0), kind="stable")[:MOST_SERVERS])
    share, end = np.clip(share, 0, 4), min(max(1.0, load.max()), 2.0)  # more breaks the budget, as the title says
    for row, server in enumerate(servers):
        users = np.flatnonzero(allocation.server == server)
        users = users[np.argsort(-share[:, users].sum(axis=0), kind="stable")]  # one order for all three bars
        names = [f"u{n}" for n in users[:_PIECES]] + [f"{len(users) - _PIECES} others"]
        hue = np.array(to_rgb(COLOURS[server % len(COLOURS)]))
        fills = [(1 + hue) / 2 if i % 2 else hue for i in range(len(names) - 1)] + [(6 + hue) / 7]
        style: dict[str, Any] = {"facecolors": ["#E4E4E4", *fills], "edgecolors": "white", "linewidth": 0.4}
        for k, y in enumerate(range(4 * row, 4 * row + 3)):
            widths = np.append(share[k, users[:_PIECES]], share[k, users[_PIECES:]].sum())
            lefts = np.cumsum(widths) - widths
            axes.broken_barh([(0, 1), *zip(lefts, widths, strict=True)], (y - 0.45, 0.9), **style)
            for name, fill, left, width in zip(names, fills, lefts, widths, strict=True):
                if width > (0.0115 * len(name) + 0.006) * end and left + width < 1.02 * end:
                    colour = "white" if fill @ (0.299, 0.587, 0.114) < 0.55 else "black"
                    axes.text(left + width / 2, y, name, size=7, color=colour, ha="center", va="center_baseline")
    axes.axvline(1, color="black", linewidth=1, linestyle="--")
    ticks = [4 * row + k for row in range(len(servers)) for k in range(3)]
    axes.set_yticks(ticks, [text for s in servers for text in (f"S{s}  bandwidth", "power", "speed")], size=8)
    axes.set(xlim=(0, 1.03 * end), ylim=(max(4 * len(servers) - 1.3, 6.5), -0.7), xlabel="share of the budget")


def draw_delay(axes: Axes, evaluation: Evaluation | None) -> None:
    """Draw what the delay of each user consists of."""
    axes.set_title("Delay of each user: local training, uplink, server training, downlink")
    if evaluation is None:
        return say(axes, "no allocation")
    total = np.array([float(f"{value:.6g}") for value in evaluation.user_delay])  # equal ones stay in order
    order, endless = np.argsort(-total, kind="stable"), int(np.isinf(total).sum())
    shown = order[endless:][:_SLOWEST]
    x, bottom = np.arange(len(shown)), np.zeros(len(shown))
    for i, (part, colour) in enumerate(_PARTS.items(), 1):
        height = getattr(evaluation, f"time_{part}")[shown]
        axes.bar(x, height, 0.85, bottom, color=colour, edgecolor="black", linewidth=0.3, label=f"t{i} {part}")
        bottom = bottom + height
    axes.axhline(evaluation.delay, color="black", linestyle="--", label=f"delay T = {evaluation.delay:.4g} s")
    axes.set_xticks(x, [f"u{n}" for n in shown], rotation=90 if len(x) > 15 else 0)
    axes.set(xlim=(-1, max(len(x), 5)), ylim=(0, 1.2 * min(bottom.max(initial=0), 1e307) or 1), ylabel="delay (s)")
    cut = f", the {_SLOWEST} slowest of {len(order)}" if endless + len(shown) < len(order) else ""
    axes.set_xlabel(f"user, slowest first{cut}" + (f"; {endless} with infinite delay not drawn" if endless else ""))
    axes.legend(loc="upper center", ncols=5)
