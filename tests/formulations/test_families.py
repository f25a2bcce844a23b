"""Families of scenarios: each is what its name says, decided by the seed, and overruled by what is given."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_clear

from formulations import Scenario, ScenarioError
from formulations.families import Family, FamilyOption, draw, families

OTHERS = [name for name in families if name != "paper"]


def test_the_paper_is_its_generator() -> None:
    scenario = draw("paper", 5, 2, 7, bandwidth_max=2e7)
    assert scenario == Scenario.random(5, 2, 7, bandwidth_max=2e7)


@pytest.mark.parametrize("family", OTHERS)
def test_the_seed_decides_and_the_scenario_says_where_it_is_from(family: str) -> None:
    scenario = draw(family, 5, 2, 7)
    assert scenario == draw(family, 5, 2, 7) != draw(family, 5, 2, 8)
    assert scenario.name == f"{family}-5x2-seed7" and scenario.seed == 7
    assert scenario.readings is not None and scenario.readings["family"].startswith(family)
    assert scenario.sha256 != Scenario.random(5, 2, 7).sha256


@pytest.mark.parametrize("family", OTHERS)
def test_draws_that_are_not_the_familys_stay_the_papers(family: str) -> None:
    drawn, paper = draw(family, 5, 2, 7), Scenario.random(5, 2, 7)
    for field in ("adapter_params", "flops_per_param", "server_position"):
        np.testing.assert_array_equal(getattr(drawn, field), getattr(paper, field))


@pytest.mark.parametrize(
    ("family", "given"),
    [
        ("growing-bandwidth", {"bandwidth_max": 1e6}),
        ("slow-users", {"user_speed_max": 1e12}),
        ("hotspots", {"user_position": np.ones((5, 2))}),
        ("shadowing", {"channel_gain": np.full((5, 2), 1e-12)}),
    ],
)
def test_what_is_given_overrules_the_family(family: str, given: dict[str, object]) -> None:
    scenario = draw(family, 5, 2, 7, **given)
    for field, value in given.items():
        np.testing.assert_array_equal(getattr(scenario, field), np.broadcast_to(value, getattr(scenario, field).shape))


def test_bandwidth_and_power_grow_with_the_load() -> None:
    small, large = draw("growing-bandwidth", 4, 2), draw("growing-bandwidth", 40, 2)
    np.testing.assert_allclose(large.bandwidth_max, 10 * small.bandwidth_max)
    np.testing.assert_allclose(large.server_power_max, 10 * small.server_power_max)
    np.testing.assert_array_equal(large.server_speed_max, small.server_speed_max)


def test_slow_users_are_slow_within_their_range() -> None:
    factor = draw("slow-users", 200, 2, slowest=0.1, fastest=0.2).user_speed_max / Scenario.random().user_speed_max[0]
    assert 0.1 <= factor.min() < 0.12 < 0.18 < factor.max() <= 0.2


def test_users_of_hotspots_are_near_their_points() -> None:
    scenario = draw("hotspots", 300, 2, spots=2, spread=5.0)
    assert scenario.user_position is not None
    places = np.unique(np.round(scenario.user_position / 100.0), axis=0)
    assert len(places) <= 8  # two points, each in at most four cells
    spread = draw("hotspots", 300, 2, spots=1, spread=5.0).user_position
    assert spread is not None and np.all(spread.std(axis=0) < 7.0)
    area = draw("hotspots", 300, 2, spots=3, spread=500.0, area=200.0).user_position
    assert area is not None and area.min() >= 0.0 and area.max() <= 200.0


def test_shadowing_has_its_deviation_and_correlation() -> None:
    plain = Scenario.random(4000, 2, 1).channel_gain
    loss = 10 * np.log10(draw("shadowing", 4000, 2, 1, deviation=6.0, correlation=0.5).channel_gain / plain)
    np.testing.assert_allclose(loss.std(axis=0), 6.0, rtol=0.05)
    assert np.corrcoef(loss.T)[0, 1] == pytest.approx(0.5, abs=0.05)
    same = 10 * np.log10(
        draw("shadowing", 50, 2, 1, correlation=1.0).channel_gain / Scenario.random(50, 2, 1).channel_gain
    )
    np.testing.assert_allclose(same[:, 0], same[:, 1])


@pytest.mark.parametrize(
    ("family", "settings", "named"),
    [
        ("hotspots", {"spots": 0}, ("spots", "0", "1 to 10000")),
        ("hotspots", {"spots": 1.5}, ("spots", "1.5", "whole")),
        ("slow-users", {"slowest": 0.5, "fastest": 0.2}, ("slowest", "0.5", "fastest")),
        ("shadowing", {"correlation": "much"}, ("correlation", "much")),
        ("paper", {"spots": 1}, ("spots",)),
    ],
)
def test_bad_options_are_refused_in_one_line(family: str, settings: dict[str, object], named: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError) as caught:
        draw(family, 3, 2, 0, **settings)
    assert_clear(caught.value, *named)


def test_a_family_that_returns_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Family("wrong", "", "", lambda request: Scenario.random(1, 1), {"k": FamilyOption(1, "")})
    monkeypatch.setitem(families._entries, "wrong", wrong)
    with pytest.raises(ScenarioError, match="family wrong returned"):
        draw("wrong", 3, 2)
