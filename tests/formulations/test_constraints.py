"""Extra constraints as data: what a scenario file may declare, and that files without them stay what they were."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_clear, scenario_document, write

from formulations import Extra, InputError, Scenario

ALL = {
    "delay_limit": [60.0, None],
    "uplink_rate": 1e6,
    "downlink_rate": [None, 2e6],
    "server_energy": [None, 500.0, None],
    "forbidden": [[1, 2], [1, 0]],
    "forced": [[0, 2]],
}


def test_a_scenario_without_constraints_keeps_its_hash() -> None:
    plain = Scenario.random(10, 2, 0)
    assert plain.sha256 == "44016c82e1c3bc33af604f290b41a85f7658740e5cd63bcc33f3080c918b6949"
    assert Scenario.random(10, 2, 0, constraints={}) == plain
    assert Scenario.random(10, 2, 0, constraints={"delay_limit": None, "forced": []}) == plain


def test_constraints_survive_files_and_pickles(tmp_path: Path) -> None:
    scenario = Scenario.random(2, 3, 5, constraints=ALL)
    scenario.write(tmp_path / "s.json")
    for other in (Scenario.read(tmp_path / "s.json"), pickle.loads(pickle.dumps(scenario))):
        assert other == scenario and other.sha256 == scenario.sha256
    assert scenario.sha256 != Scenario.random(2, 3, 5).sha256
    found = scenario.constraints
    assert found is not None and found.kinds == {Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY}
    np.testing.assert_array_equal(found.allowed, [[False, False, True], [False, True, False]])
    np.testing.assert_array_equal(found.uplink_rate, [1e6, 1e6])
    np.testing.assert_array_equal(found.server_energy, [np.inf, 500.0, np.inf])
    assert found.forbidden == ((1, 0), (1, 2))


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"deadline": 1.0}, ("'deadline'", "delay_limit")),
    ({"delay_limit": 0.0}, ("constraints.delay_limit", "0.0")),
    ({"delay_limit": [1.0]}, ("constraints.delay_limit", "(1,)", "(2,)")),
    ({"delay_limit": [1.0, -1.0]}, ("constraints.delay_limit[1]", "-1.0")),
    ({"delay_limit": [1.0, "2"]}, ("constraints.delay_limit[1]", "'2'")),
    ({"uplink_rate": True}, ("constraints.uplink_rate", "True")),
    ({"server_energy": [1.0, 1.0]}, ("constraints.server_energy", "(3,)")),
    ({"forbidden": [[0, 3]]}, ("constraints.forbidden[0]", "0 to 2")),
    ({"forbidden": [[0]]}, ("constraints.forbidden[0]", "pair")),
    ({"forced": [[0, 1.0]]}, ("constraints.forced[0]", "whole")),
    ({"forced": 3}, ("constraints.forced", "3")),
    ({"forced": [[0, 0], [0, 1]]}, ("user 0", "at least one")),
    ({"forced": [[1, 0]], "forbidden": [[1, 0]]}, ("user 1",)),
    ({"forbidden": [[0, 0], [0, 1], [0, 2]]}, ("user 0",)),
]


@pytest.mark.parametrize(("declared", "named"), BAD)
def test_bad_constraints_are_refused_in_one_line(
    declared: dict[str, Any], named: tuple[str, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "bad.json", {**scenario_document(), "constraints": declared})
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, "expected", *named)
