"""Pictures of results, drawn from what `formulations.evaluate` says of them, not from what they claim."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from formulations import Allocation, Evaluation, InputError, Scenario, evaluate

from .result import Result, relative_gap

__all__ = ["COLOURS", "check_suffix", "draw_comparison", "draw_result"]

#: Okabe and Ito's colours, which colour-blind readers tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_PARTS = {"local": "#56B4E9", "uplink": "#F0E442", "server": "#009E73", "downlink": "#CC79A7"}
_BUDGETS = ("bandwidth", "server_power", "server_speed")
_STYLE = {"font.size": 9, "axes.titleweight": "bold", "legend.fontsize": 8, "figure.dpi": 150, "axes.spines.top": False}
_STYLE |= {"axes.spines.right": False, "figure.constrained_layout.h_pad": 0.1, "figure.constrained_layout.w_pad": 0.1}
_LABELLED, _PIECES, _SLOWEST, _SERVERS, _LOG_RATIO = 30, 12, 40, 24, 30.0  # what stays readable


def draw_result(scenario: Scenario, result: Result, path: str | os.PathLike[str]) -> None:
    """Draw one result: association, shares of the budgets, delay of each user, convergence.

    Parameters
    ----------
    scenario, result, path
        What was solved, what came out, and where to; the suffix .png, .pdf or .svg says the format.

    Raises
    ------
    InputError
        If the suffix is not known, the place cannot be written, or the result is not of this scenario.
    """
    evaluation = _judge(scenario, result)
    scr, bound = None if evaluation is None else evaluation.scr, result.upper_bound
    facts = [f"{_clean(result.method)} on {_clean(scenario.name)}"]
    facts += ["no allocation" if scr is None else f"SCR {scr:.6g}", str(result.status)]
    facts.append("no bound" if bound is None else f"bound {bound:.6g}")
    facts += [] if (gap := relative_gap(scr, bound)) is None else [f"gap {gap:.2%}"]
    if evaluation is not None and not evaluation.feasible:
        facts.append(f"BREAKS CONSTRAINTS by {evaluation.max_violation:.2g}")
    upper = max(5.0, 0.48 * min(scenario.n_servers, _SERVERS) + 0.8)
    with _sheet(path, "   |   ".join(facts), upper + 4.6) as figure:
        panels = figure.subplots(2, 2, height_ratios=(upper, 4.6))
        _draw_shares(panels[0, 1], scenario, result.allocation)
        _draw_delay(panels[1, 0], evaluation)
        _draw_convergence(panels[1, 1], result)
        _draw_association(panels[0, 0], scenario, result.allocation)  # last: its labels need the final layout


def draw_comparison(scenario: Scenario, results: Sequence[Result], path: str | os.PathLike[str]) -> None:
    """Draw several results of one scenario: SCR, delay and energy, SCR over time, association of the best.

    Parameters
    ----------
    scenario, results, path
        What was solved, what came out, and where to; the suffix .png, .pdf or .svg says the format.

    Raises
    ------
    InputError
        As `draw_result`, and if there is no result.
    """
    if not results:
        raise InputError("no results to compare; expected at least one")
    judged = [_judge(scenario, result) for result in results]
    names = [_clean(result.method, 24) for result in results]
    names = [n if names.count(n) == 1 else f"{n} #{names[: i + 1].count(n)}" for i, n in enumerate(names)]
    names = [f"{n}, infeasible" if e and not e.feasible else n for n, e in zip(names, judged, strict=True)]
    scr, delay, energy = np.array([(e.scr, e.delay, e.energy) if e else (np.nan,) * 3 for e in judged]).T
    best = max(range(len(results)), key=lambda i: (e.feasible, e.scr) if (e := judged[i]) else (False, -1.0))
    bound = min((result.upper_bound for result in results if result.upper_bound is not None), default=np.nan)
    upper = max(4.4, 0.32 * len(results) + 1.2)
    with _sheet(path, f"{len(results)} results on {_clean(scenario.name)}", upper + 5.4) as figure:
        grid = figure.add_gridspec(2, 4, height_ratios=(upper, 5.4))
        _draw_bars(figure.add_subplot(grid[0, :2]), scr, "SCR", names, bound)
        _draw_bars(figure.add_subplot(grid[0, 2]), delay, "Delay (s)", names)
        _draw_bars(figure.add_subplot(grid[0, 3]), energy, "Energy (J)", [""] * len(names))
        _draw_race(figure.add_subplot(grid[1, :2]), results, names)
        _draw_association(figure.add_subplot(grid[1, 2:]), scenario, results[best].allocation, f" by {names[best]}")


def _draw_association(axes: Axes, scenario: Scenario, allocation: Allocation | None, by: str = "") -> None:
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


def _draw_shares(axes: Axes, scenario: Scenario, allocation: Allocation | None) -> None:
    which = f", {_SERVERS} fullest of {scenario.n_servers} servers" if scenario.n_servers > _SERVERS else ""
    axes.set_title(f"Shares of the servers' budgets, by user{which}")
    if allocation is None:
        return _say(axes, "no allocation")
    share = np.stack([getattr(allocation, b) / getattr(scenario, f"{b}_max")[allocation.server] for b in _BUDGETS])
    load = np.stack([np.bincount(allocation.server, row, minlength=scenario.n_servers) for row in share])
    servers = np.sort(np.argsort(-load.max(axis=0), kind="stable")[:_SERVERS])
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


def _draw_delay(axes: Axes, evaluation: Evaluation | None) -> None:
    axes.set_title("Delay of each user: local training, uplink, server training, downlink")
    if evaluation is None:
        return _say(axes, "no allocation")
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


def _draw_convergence(axes: Axes, result: Result) -> None:
    axes.set_title("Convergence")
    if len(result.trace) < 2:
        return _say(axes, "one allocation, no iterations" if result.trace else "no iterations")
    scr, best, bound = (_column(result.trace, key) for key in ("scr", "best", "upper_bound"))
    bound = _column([vars(result)] * len(scr), "upper_bound") if np.isnan(bound).all() else bound
    x, kept = np.arange(len(scr)), np.array([entry.get("accepted") is not False for entry in result.trace])
    axes.step(x, best, color=COLOURS[0], where="post", label="kept" if np.any(np.diff(best) < 0) else "best so far")
    axes.plot(x[kept], scr[kept], "o", color=COLOURS[0], markersize=5, label="iterate")
    if not kept.all():
        axes.plot(x[~kept], scr[~kept], "x", color=COLOURS[1], markersize=8, label="iterate, not accepted")
    if np.isfinite(bound).any():
        axes.step(x, bound, color=COLOURS[2], where="post", linestyle="--", label="upper bound")
    scale = _scale(scr, best, bound)
    below = f"; {np.sum(scr <= 0)} with SCR 0 not drawn" if scale == "log" and np.any(scr <= 0) else ""
    axes.set(yscale=scale, ylabel=f"SCR, {scale} scale", xlabel=f"iteration{below}")
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="best" if len(x) <= 200 else "lower right")


def _draw_bars(axes: Axes, values: np.ndarray, title: str, names: Sequence[str], bound: float = np.nan) -> None:
    drawn = np.where(values > 0, np.clip(values, 1e-99, 1e99), 0) * np.isfinite(values)
    axes.barh(range(len(values)), drawn, 0.7, color=np.resize(COLOURS, len(values)).tolist())
    for y, value in enumerate(values):
        text = f"{value:.4g}" if np.isfinite(value) else "no allocation" if np.isnan(value) else "infinite"
        where: Any = ("data" if drawn[y] else "axes fraction", "data")
        axes.annotate(text, (drawn[y], y), (6, 0), where, "offset points", va="center", backgroundcolor="white")
    scale, note = _scale(values, [bound]), "" if np.isnan(bound) else f"; dashed: upper bound {bound:.6g}"
    axes.axvline(float(np.clip(bound, 1e-99, 1e99)), color="black", linestyle="--", zorder=0)
    axes.set(title=title, xscale=scale, xlabel=f"{title}, {scale} scale{note}", ylim=(max(len(names), 4) - 0.4, -0.6))
    axes.margins(x=0.3)
    axes.set_yticks(range(len(names)), names)


def _draw_race(axes: Axes, results: Sequence[Result], names: Sequence[str]) -> None:
    for i, (result, name) in enumerate(zip(results, names, strict=True)):
        time, best = _column(result.trace, "time"), _column(result.trace, "best")
        style: dict[str, Any] = {"color": COLOURS[i % 8], "marker": "osD^vP*X"[(i + i // 8) % 8], "markersize": 5}
        axes.step(time, best, where="post", label=f" {name}" if len(time) > 1 else f" {name} (no iterations)", **style)
    xscale, yscale = (_scale(*(np.asarray(line.get_data()[i]) for line in axes.lines)) for i in (0, 1))
    axes.set(xscale=xscale, xlabel=f"wall time (s), {xscale} scale", yscale=yscale, ylabel=f"SCR kept, {yscale} scale")
    axes.set_title("SCR over time")
    axes.legend(loc="best")


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the picture format that a name asks for.

    Raises
    ------
    InputError
        If the suffix is not .png, .pdf or .svg.
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in ("png", "pdf", "svg"):
        raise InputError(f"{path}: cannot tell the format; expected a name that ends in .png, .pdf or .svg")
    return kind


@contextmanager
def _sheet(path: str | os.PathLike[str], title: str, height: float) -> Iterator[Figure]:
    """Give an empty figure, and write it when it is drawn."""
    kind = check_suffix(path)
    with matplotlib.style.context(["default", _STYLE]), np.errstate(all="ignore"):
        figure = Figure(figsize=(14, height), layout="constrained")
        figure.suptitle(title, fontsize=13)
        yield figure
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind)
    try:
        Path(path).write_bytes(buffer.getvalue())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from None


def _judge(scenario: Scenario, result: Result) -> Evaluation | None:
    if not result.matches(scenario):
        raise InputError(f"the result of {result.method} is for another scenario; expected one for {scenario.name!r}")
    return None if result.allocation is None else evaluate(scenario, result.allocation)


def _clean(text: str, width: int = 60) -> str:
    """Return a text from a file as one short line that the font has and that is no formula."""
    text = "".join(c if c.isprintable() and c < "\u0500" else "?" for c in text) or "unnamed"
    return (text if len(text) <= width else text[: width - 3] + "...").replace("$", r"\$")


def _say(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=13, color="#555555")


def _column(trace: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Return one fact of every trace entry, NaN where it is not a finite number."""
    values = (entry.get(key) for entry in trace)
    return np.array([v if isinstance(v, int | float) and abs(v) < 1e200 else np.nan for v in values])


def _scale(*values: Sequence[float] | np.ndarray) -> str:
    """Return whether positive values are so far apart that they need a logarithmic axis."""
    seen = np.concatenate(values)
    seen = np.log10(seen[np.isfinite(seen) & (seen > 0)])
    return "log" if seen.size and np.ptp(seen) > np.log10(_LOG_RATIO) else "linear"
