"""Ticks of logarithmic axes and short names: round, few, different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashf_pyomo.pictures.legends import legend_name, short_names
from dashf_pyomo.pictures.ticks import log_ticks


@given(st.floats(1e-12, 1e12), st.floats(1e-9, 20.0), st.integers(2, 8))
def test_a_logarithmic_axis_has_two_ticks_at_least_and_never_too_many(low: float, decades: float, most: int) -> None:
    high = low * 10.0**decades
    ticks = log_ticks(low, high, most)
    assert 2 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(low * (1 - 1e-12) <= tick <= high * (1 + 1e-12) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 30.0, [0.001, 0.01, 0.1, 1.0, 10.0]),
        (0.9, 120.0, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
        (2.0, 4.2, [2.0, 2.5, 3.0, 3.5, 4.0]),
        (0.3, 1.5, [0.4, 0.6, 0.8, 1.0, 1.2, 1.4]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high, 8) == pytest.approx(expected)


@given(st.lists(st.text(max_size=60), unique=True, max_size=12))
def test_short_names_are_short_lines_and_different(names: list[str]) -> None:
    short = short_names(names, 20)
    assert len(set(short)) == len(names)
    assert all(len(name) <= 20 and name.isprintable() for name in short)


def test_short_names_keep_what_is_short_and_both_ends_of_what_is_long() -> None:
    first, second = "dashf with hull and exact resources, 10", "dashf with hull and exact resources, 20"
    assert short_names(["dashf", first, second], 24) == [
        "dashf",
        "dashf with...ources, 10",
        "dashf with...ources, 20",
    ]
    assert short_names(["a" * 40, "a" * 39 + "b" + "a" * 20], 24)[1].endswith("#2")


def test_names_that_begin_with_an_underscore_are_shown() -> None:
    assert not legend_name("_x").startswith("_") and legend_name("_x").strip() == "_x"
    assert legend_name("x") == "x"
