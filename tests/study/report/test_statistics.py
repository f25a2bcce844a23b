"""The statistics of reports against values worked out by hand or known from elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashf_pyomo.study.report.statistics import (
    bootstrap_mean,
    profile_ratios,
    share_within,
    shifted_geometric_mean,
    wilson,
)
from dashf_pyomo.study.report.table import Number, ReportTable
from dashf_pyomo.study.report.templating import ranges


def test_shifted_geometric_means() -> None:
    assert shifted_geometric_mean([1.0, 8.0], 1.0) == pytest.approx(math.sqrt(2.0 * 9.0) - 1.0)
    assert shifted_geometric_mean([3.0], 10.0) == pytest.approx(3.0)
    assert math.isnan(shifted_geometric_mean([], 1.0))


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_a_shifted_geometric_mean_lies_between_the_ends_and_below_the_mean(values: list[float], shift: float) -> None:
    mean = shifted_geometric_mean(values, shift)
    slack = 1e-9 * (max(values) + shift)
    assert min(values) - slack <= mean <= np.mean(values) + slack


def test_performance_profiles_of_an_example() -> None:
    """Three problems: a solves two, b solves two, nobody solves the third."""
    ratios = profile_ratios({"a": np.array([1.0, 4.0, np.inf]), "b": np.array([2.0, 2.0, np.inf])})
    assert ratios["a"].tolist() == [1.0, 2.0, math.inf] and ratios["b"].tolist() == [2.0, 1.0, math.inf]
    limits = np.array([1.0, 1.99, 2.0, 1e9])
    assert share_within(ratios["a"], limits).tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])


@given(st.lists(st.tuples(st.floats(0.01, 1e3), st.floats(0.01, 1e3)), min_size=1, max_size=20))
def test_on_every_problem_somebody_is_the_best(times: list[tuple[float, float]]) -> None:
    first, second = np.array(times).T
    ratios = profile_ratios({"a": first, "b": second})
    assert np.minimum(ratios["a"], ratios["b"]) == pytest.approx(1.0)
    assert np.all(np.diff(share_within(ratios["a"], np.geomspace(1, 1e5, 50))) >= 0)


def test_wilson_intervals() -> None:
    # Newcombe (1998), Table I, method 3: 81 of 263, and 0 of 20.
    some, none = wilson(81, 263), wilson(0, 20)
    assert (some.low, some.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert math.isnan(wilson(0, 0).estimate) and (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_bootstrap_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for draw in range(200):
        interval = bootstrap_mean(rng.normal(5.0, 2.0, 40).tolist(), seed=draw)
        covered += interval.low <= 5.0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_bootstrap_intervals_are_the_same_every_time_and_points_without_spread() -> None:
    values = [1.0, 2.0, 5.0]
    assert bootstrap_mean(values) == bootstrap_mean(values)
    alike = bootstrap_mean([2.0] * 5)
    assert (alike.estimate, alike.low, alike.high) == (2.0, 2.0, 2.0)
    assert math.isnan(bootstrap_mean([]).estimate)


# -- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positions", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0-2,5,7-8"), ([1, 3], "1,3")]
)
def test_positions_are_said_as_ranges(positions: list[int], text: str) -> None:
    assert ranges(positions) == text


@given(st.sets(st.integers(0, 200)))
def test_ranges_say_all_positions_and_no_others(positions: set[int]) -> None:
    said: set[int] = set()
    for part in filter(None, ranges(sorted(positions)).split(",")):
        ends = [int(end) for end in part.split("-")]
        said |= set(range(ends[0], ends[-1] + 1))
    assert said == positions


def test_tables_escape_what_their_format_needs() -> None:
    table = ReportTable("t", "T", "caption", ("name", "share"))
    table.add(("50 % of <b> & a_b", Number.percent(0.125)), [2, 1, 1])
    assert "50 % of &lt;b&gt; &amp; a_b" in table.to_html() and 'data-cells="1-2">2<' in table.to_html()
    assert r"50 \% of \textless{}b\textgreater{} \& a\_b & 12.50\% \\" in table.to_latex()
    assert table.to_csv() == "name,share,cells\n50 % of <b> & a_b,0.125,1-2\n"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="table t: 1 entries; expected 2"):
        ReportTable("t", "T", "caption", ("a", "b")).add(("x",), [])
