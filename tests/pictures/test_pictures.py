"""Pictures: every format is written, every panel holds something, and odd results are drawn honestly or refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from helpers import assert_clear
from matplotlib.figure import Figure
from matplotlib.image import imread

import dashf_pyomo
from dashf_pyomo import Claim, Result, Termination
from dashf_pyomo.pictures import draw_comparison, draw_result, sheet
from dashf_pyomo.trace import TraceEntry
from formulations import Allocation, InputError, Scenario, evaluate

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.slow]

SCENARIO = Scenario.random(10, 2, seed=0)
WITHOUT_POSITIONS = replace(SCENARIO, user_position=None, server_position=None)


def allocate(scenario: Scenario, **changes: Any) -> Allocation:
    """Users in turn to the servers, half of the work to each side, equal shares."""
    n, m = scenario.n_users, np.arange(scenario.n_users) % scenario.n_servers
    shares = np.bincount(m, minlength=scenario.n_servers)[m]
    values: dict[str, Any] = {
        "server": m,
        "offload": np.full(n, 0.5),
        "bandwidth": scenario.bandwidth_max[m] / shares,
        "user_power": scenario.user_power_max,
        "server_power": scenario.server_power_max[m] / shares,
        "user_speed": scenario.user_speed_max,
        "server_speed": scenario.server_speed_max[m] / shares,
    }
    return Allocation(**{**values, **changes})


def entry(iteration: int, scr: float, best: float, accepted: bool = True, **facts: Any) -> TraceEntry:
    return TraceEntry(iteration, 0.1 + iteration, scr=scr, best=best, accepted=accepted, **facts)


TRACE = (entry(0, 1.0, 1.0), entry(1, 90.0, 90.0), entry(2, 40.0, 90.0, False), entry(3, 0.0, 90.0, False))


def outcome(scenario: Scenario, allocation: Allocation | None, trace: tuple[Any, ...] = TRACE, **facts: Any) -> Result:
    claims = Result.claims(None if allocation is None else evaluate(scenario, allocation))
    ended = {"termination": Termination.CONVERGED, "claim": Claim.FEASIBLE}
    values = {"method": "made-up", "options": {}, "readings": {}, **ended, **claims, **facts}
    return Result(scenario_sha256=scenario.sha256, allocation=allocation, trace=trace, **values)


RESULT = outcome(SCENARIO, allocate(SCENARIO))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, to look at what stands in them."""
    made: list[Figure] = []
    original = sheet.Picture

    def figure(*args: Any, **kwargs: Any) -> Figure:
        made.append(original(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(sheet, "Picture", figure)
    return made


def texts(figure: Figure) -> Iterator[str]:
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text() and text.get_visible():
            yield text.get_text()


def has_ink(path: Path, top: slice, left: slice) -> bool:
    """Whether a part of the picture, in hundredths of its sides, holds pixels that are not white."""
    pixels = imread(path)[..., :3]
    height, width = pixels.shape[0] / 100, pixels.shape[1] / 100
    part = pixels[int(top.start * height) : int(top.stop * height), int(left.start * width) : int(left.stop * width)]
    return float((part < 0.9).any(axis=2).mean()) > 0.002


UPPER, LOWER, LEFT, RIGHT = slice(8, 47), slice(58, 94), slice(3, 47), slice(53, 98)


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "magic"), [("PNG", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_every_file_type_is_written(tmp_path: Path, suffix: str, magic: bytes) -> None:
    draw_result(SCENARIO, RESULT, one := tmp_path / f"one.{suffix}")
    draw_comparison(SCENARIO, [RESULT, RESULT], two := tmp_path / f"two.{suffix}")
    for path in (one, two):
        assert path.read_bytes().startswith(magic)
        assert path.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.", ".png", "png"])
def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for draw, given in ((draw_result, RESULT), (draw_comparison, [RESULT])):
        with pytest.raises(InputError) as caught:
            draw(SCENARIO, given, path)
        assert_clear(caught.value, path, ".png", ".pdf", ".svg")
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("missing/picture.png", "nul\0.png"):
        with pytest.raises(InputError) as caught:
            draw_result(SCENARIO, RESULT, tmp_path / name)
        assert_clear(caught.value, tmp_path / name, "cannot be written")


def test_the_result_of_another_scenario_is_refused(tmp_path: Path) -> None:
    other = Scenario.random(10, 2, seed=1)
    for draw, given in ((draw_result, RESULT), (draw_comparison, [RESULT])):
        with pytest.raises(InputError) as caught:
            draw(other, given, tmp_path / "picture.png")
        assert_clear(caught.value, "made-up", other.name)


def test_a_comparison_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        draw_comparison(SCENARIO, [], tmp_path / "picture.png")
    assert_clear(caught.value, "no results")


def test_settings_of_the_caller_are_neither_used_nor_changed(tmp_path: Path) -> None:
    draw_result(SCENARIO, RESULT, tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30.0, "figure.facecolor": "black", "lines.linewidth": 9.0}):
        before = dict(matplotlib.rcParams)
        draw_result(SCENARIO, RESULT, tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert np.array_equal(imread(tmp_path / "a.png"), imread(tmp_path / "b.png"))


# -- what is drawn ------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [SCENARIO, WITHOUT_POSITIONS], ids=["map", "heat map"])
def test_each_panel_of_a_result_has_ink(tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "picture.png"
    draw_result(scenario, outcome(scenario, allocate(scenario)), path)
    for top in (UPPER, LOWER):
        for left in (LEFT, RIGHT):
            assert has_ink(path, top, left)
    assert not has_ink(path, slice(0, 4), slice(0, 20))  # the check itself: nothing is drawn beside the title


def test_each_panel_of_a_comparison_has_ink(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    draw_comparison(SCENARIO, [RESULT, outcome(SCENARIO, None, ())], path)
    for top in (UPPER, LOWER):
        for left in (LEFT, RIGHT):
            assert has_ink(path, top, left)


@pytest.mark.parametrize(
    ("bound", "expected"), [(None, ["no bound"]), (2 * RESULT.scr, ["gap 50.00%"]), (RESULT.scr, ["gap 0.00%"])]
)
def test_the_title_tells_method_scenario_scr_status_and_gap(
    tmp_path: Path, figures: list[Figure], bound: float | None, expected: list[str]
) -> None:
    draw_result(SCENARIO, replace(RESULT, bound=bound), tmp_path / "picture.png")
    title = figures[0].get_suptitle()
    for part in ("made-up", SCENARIO.name, f"SCR {RESULT.scr:.6g}", "feasible", *expected):
        assert part in title


def test_a_claim_is_not_believed(tmp_path: Path, figures: list[Figure]) -> None:
    over = allocate(SCENARIO, bandwidth=np.full(10, 1e7))
    draw_result(SCENARIO, replace(outcome(SCENARIO, over), scr=123456.0), tmp_path / "picture.png")
    assert "123456" not in figures[0].get_suptitle()
    assert "BREAKS CONSTRAINTS by 4" in figures[0].get_suptitle()


def test_no_allocation_is_said_and_the_users_stay_unconnected(tmp_path: Path, figures: list[Figure]) -> None:
    for scenario in (SCENARIO, WITHOUT_POSITIONS):
        draw_result(scenario, outcome(scenario, None, (), claim=Claim.UNKNOWN), tmp_path / "picture.png")
        assert list(texts(figures[-1])).count("no allocation") == 2
        assert {"Users and servers, no allocation", "no iterations", "u9", "S1"} <= set(texts(figures[-1]))
        assert not any(axes.get_label() == "<colorbar>" and "φ" in axes.get_ylabel() for axes in figures[-1].axes)
        draw_comparison(scenario, [outcome(scenario, None, ())], tmp_path / "picture.png")
        assert list(texts(figures[-1])).count("no allocation") == 3


def test_one_allocation_has_no_iterations(tmp_path: Path, figures: list[Figure]) -> None:
    draw_result(SCENARIO, replace(RESULT, trace=TRACE[:1]), tmp_path / "picture.png")
    assert "one allocation, no iterations" in texts(figures[0])


def lines(figure: Figure) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata()) for axes in figure.axes for line in axes.lines}


def test_convergence_shows_best_and_rejected_iterates_and_bounds(tmp_path: Path, figures: list[Figure]) -> None:
    draw_result(SCENARIO, RESULT, tmp_path / "picture.png")
    drawn = lines(figures[-1])
    assert list(drawn["best so far"]) == [1.0, 90.0, 90.0, 90.0]
    assert list(drawn["iterate"]) == [1.0, 90.0]
    assert list(drawn["iterate, not accepted"]) == [40.0, 0.0]
    assert "upper bound" not in drawn
    assert "iteration; 1 with SCR 0 not drawn" in texts(figures[-1])  # the axis is logarithmic

    draw_result(SCENARIO, replace(RESULT, bound=99.0), tmp_path / "picture.png")
    assert list(lines(figures[-1])["upper bound"]) == [99.0] * 4
    bounded = tuple(replace(fact, bound=200.0 - i) for i, fact in enumerate(TRACE))
    draw_result(SCENARIO, replace(RESULT, trace=bounded), tmp_path / "picture.png")
    assert list(lines(figures[-1])["upper bound"]) == [200.0, 199.0, 198.0, 197.0]


def test_a_kept_line_that_falls_is_not_called_best(tmp_path: Path, figures: list[Figure]) -> None:
    trace = (entry(0, 1.0, 1.0), entry(1, 9.0, 9.0), entry(2, 4.0, 4.0))
    draw_result(SCENARIO, replace(RESULT, trace=trace), tmp_path / "picture.png")
    assert "kept" in lines(figures[0]) and "best so far" not in lines(figures[0])


def test_delay_parts_add_up_and_are_sorted(tmp_path: Path, figures: list[Figure]) -> None:
    draw_result(SCENARIO, RESULT, tmp_path / "picture.png")
    (axes,) = (axes for axes in figures[0].axes if axes.get_title().startswith("Delay"))
    heights = np.array([[bar.get_height() for bar in part] for part in axes.containers])
    assert RESULT.allocation is not None
    expected = np.sort(evaluate(SCENARIO, RESULT.allocation).user_delay)[::-1]
    assert heights.sum(axis=0) == pytest.approx(expected, rel=1e-9)
    assert f"delay T = {RESULT.delay:.4g} s" in lines(figures[0])


def test_shares_add_up_with_the_small_ones_merged(tmp_path: Path, figures: list[Figure]) -> None:
    scenario = Scenario.random(31, 1, seed=0)
    draw_result(scenario, outcome(scenario, allocate(scenario)), tmp_path / "picture.png")
    (axes,) = (axes for axes in figures[0].axes if axes.get_title().startswith("Shares"))
    assert len(axes.collections) == 3
    for bar in axes.collections:
        widths = [np.ptp(path.vertices[:, 0]) for path in bar.get_paths()]
        assert len(widths) == 1 + 12 + 1  # the budget, the largest, the others
        assert widths == pytest.approx([1.0] + [1 / 31] * 12 + [19 / 31])
    assert list(texts(figures[0])).count("19 others") == 3


def test_infinite_delays_are_counted_not_drawn(tmp_path: Path, figures: list[Figure]) -> None:
    powers = np.where(np.arange(10) < 3, 0.0, 0.1)
    draw_result(SCENARIO, outcome(SCENARIO, allocate(SCENARIO, user_power=powers)), tmp_path / "picture.png")
    assert any("3 with infinite delay not drawn" in text for text in texts(figures[0]))
    everyone = outcome(SCENARIO, allocate(SCENARIO, user_power=np.zeros(10)))
    draw_result(SCENARIO, everyone, tmp_path / "picture.png")
    draw_comparison(SCENARIO, [everyone, RESULT], tmp_path / "picture.png")
    assert {"infinite", "made-up #1, infeasible", "Association by made-up #2"} <= set(texts(figures[-1]))


def test_a_comparison_shows_each_number_and_the_best(tmp_path: Path, figures: list[Figure]) -> None:
    names = ("rucaa", "gucaa", "nearest")
    results = [dashf_pyomo.solve(SCENARIO, name) for name in names]
    draw_comparison(SCENARIO, [*results, replace(RESULT, bound=1e4)], tmp_path / "picture.png")
    found = set(texts(figures[0]))
    for result in (*results, RESULT):
        assert {f"{result.scr:.4g}", f"{result.delay:.4g}", f"{result.energy:.4g}"} <= found
    best = max((*results, RESULT), key=lambda result: result.scr or 0)
    assert {*names, "made-up", f"Association by {best.method}"} <= found
    assert any("upper bound 10000" in text for text in found)


def test_labels_on_the_map_do_not_overlap(tmp_path: Path, figures: list[Figure]) -> None:
    scenario = Scenario.random(30, 4, seed=3)
    draw_result(scenario, outcome(scenario, allocate(scenario)), tmp_path / "picture.png")
    (axes,) = (axes for axes in figures[0].axes if axes.get_title() == "Association")
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 34
    overlaps = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert overlaps == 0


# -- odd data -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("users", "servers"), [(1, 1), (1, 30), (41, 1)])
def test_small_sizes(tmp_path: Path, users: int, servers: int) -> None:
    scenario = Scenario.random(users, servers, seed=0)
    draw_result(scenario, outcome(scenario, allocate(scenario)), tmp_path / "picture.png")
    scenario = replace(scenario, user_position=None)
    draw_comparison(scenario, [outcome(scenario, allocate(scenario))], tmp_path / "pictures.png")
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("picture.png", "pictures.png"))


def test_many_users_are_drawn_in_time(tmp_path: Path) -> None:
    scenario = Scenario.random(300, 8, seed=0)
    result = outcome(scenario, allocate(scenario))
    start = time.process_time()  # whatever else the machine does
    draw_result(scenario, result, tmp_path / "picture.png")
    assert time.process_time() - start < 5.0


def test_very_many_users_and_servers(tmp_path: Path, figures: list[Figure]) -> None:
    scenario = Scenario.random(1000, 60, seed=0)
    draw_result(scenario, outcome(scenario, allocate(scenario)), tmp_path / "picture.png")
    assert any("24 fullest of 60 servers" in text for text in texts(figures[0]))
    assert any("the 40 slowest of 1000" in text for text in texts(figures[0]))
    assert figures[0].get_figheight() < 20


@pytest.mark.parametrize(
    "changes",
    [
        {"adapter_params": 1e-300},
        {"adapter_params": 1e200},
        {"adapter_params": np.logspace(-9, 20, 10)},
        {"bandwidth_max": [1e-3, 1e15]},
        {"channel_gain": np.logspace(-300, 0, 20).reshape(10, 2)},
        {"user_position": np.zeros((10, 2)), "server_position": np.zeros((2, 2))},
        {"user_position": np.full((10, 2), 1e9), "server_position": np.full((2, 2), 1e9 + 1)},
        {"user_position": np.logspace(-300, 300, 20).reshape(10, 2), "channel_gain": np.full((10, 2), 1e-12)},
        {"user_position": np.full((10, 2), -1.7e308), "channel_gain": np.full((10, 2), 1e-12)},
        {"user_position": np.full((10, 2), 5e-324), "server_position": np.zeros((2, 2))},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_extreme_magnitudes(tmp_path: Path, changes: dict[str, Any]) -> None:
    with np.errstate(over="ignore"):
        scenario = replace(SCENARIO, **changes)
        result = outcome(scenario, allocate(scenario))
        without = replace(scenario, user_position=None)
        draw_result(scenario, result, tmp_path / "picture.png")
        if "user_position" not in changes:
            both = [outcome(without, result.allocation), outcome(without, None)]
            draw_comparison(without, both, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_a_trace_from_a_file_may_hold_any_numbers(tmp_path: Path) -> None:
    odd = tuple(
        TraceEntry.from_dict({"iteration": 0, **numbers}, "trace")
        for numbers in ({"time": -1e308}, {"time": 0, "best": -1}, {"time": 10**300, "scr": 10**300, "best": 1e308})
    )
    long = tuple(entry(i, 10.0**-i, 1e300) for i in range(300))
    traces = ((odd, 0.0), ((*TRACE, *odd), 1e-300), (long, None), (TRACE, 1.7e308))
    results = [replace(RESULT, trace=trace, bound=bound) for trace, bound in traces]
    for result in results:
        draw_result(SCENARIO, result, tmp_path / "picture.png")
    draw_comparison(SCENARIO, results, tmp_path / "pictures.png")
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("picture.png", "pictures.png"))


NAMES = ("", "$x^", r"$\frac{$", "_", "a\nb\tc", "北京 Köln", "long " * 99)


def test_names_are_text_and_nothing_else(tmp_path: Path, figures: list[Figure]) -> None:
    for name, method in (("a\nb\tc", "$x^"), (r"$\frac{$", "long " * 99), ("", "a\nb\tc"), ("long " * 99, "北京 Köln")):
        scenario = replace(SCENARIO, name=name)
        draw_result(scenario, outcome(scenario, None, (), method=method), tmp_path / "picture.png")
    draw_comparison(SCENARIO, [replace(RESULT, method=name) for name in NAMES], tmp_path / "picture.svg")
    assert all("\n" not in figure.get_suptitle() and len(figure.get_suptitle()) < 250 for figure in figures)
