"""What a notebook shows of scenarios and results: true, whole, well-formed, and names are text."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import assert_clear

import dashf_pyomo
from dashf_pyomo import Claim, Result, Termination
from formulations import InputError, Scenario

SCENARIO = Scenario.random(4, 2, seed=1)
RESULT = dashf_pyomo.solve(SCENARIO, "nearest")
NASTY = '</table><script>alert("x")</script> & ü'


def read(shown: str) -> tuple[ElementTree.Element, str]:
    """The parsed HTML, and all its text."""
    tree = ElementTree.fromstring(f"<div>{shown}</div>")
    return tree, " ".join(tree.itertext())


def has_tag(tree: ElementTree.Element, name: str) -> bool:
    return any(element.tag.endswith(name) for element in tree.iter())


def test_a_scenario_tells_sizes_budgets_weights_and_constraints() -> None:
    limited = replace(SCENARIO, name=NASTY).with_constraints(
        {"delay_limit": [60.0, None, 70.0, 65.0], "forbidden": [[0, 0]]}
    )
    tree, text = read(limited._repr_html_())
    for part in (
        NASTY,
        "4, 2",
        "delay_limit 60 to 70 for 3 of 4; forbidden [[0, 0]]",
        f"{SCENARIO.bandwidth_max[0]:.6g}",
        f"{SCENARIO.weight_time:.6g}",
    ):
        assert part in text
    assert not has_tag(tree, "script")
    assert "none" in read(SCENARIO._repr_html_())[1]


def test_the_map_has_every_user_and_server() -> None:
    tree, _ = read(SCENARIO._repr_html_())
    tags = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert tags.count("circle") == tags.count("line") == 4 and tags.count("rect") == 2 + 1
    numbers = [float(value) for e in tree.iter() for key, value in e.items() if key in ("cx", "cy", "x1", "y1", "x2")]
    assert min(numbers) >= 0 and max(numbers) <= 240


@pytest.mark.parametrize(
    "changes",
    [
        {"user_position": None},
        {"user_position": np.zeros((4, 2)), "server_position": np.zeros((2, 2))},
        {"user_position": np.full((4, 2), -1.7e308), "server_position": np.full((2, 2), 1.7e308)},
    ],
    ids=["none", "one point", "too far apart"],
)
def test_without_a_map_that_can_be_drawn_the_table_is_there(changes: dict[str, Any]) -> None:
    tree, text = read(replace(SCENARIO, **changes)._repr_html_())
    assert "4, 2" in text and not has_tag(tree, "svg")


def test_many_users_are_counted_not_drawn() -> None:
    assert "<svg" not in Scenario.random(1000, 20, seed=0)._repr_html_()


def test_what_is_solved_shows_itself_without_what_solves() -> None:
    program = (
        "import sys; from formulations import Scenario; Scenario.random()._repr_html_(); "
        "assert not {'dashf_pyomo', 'matplotlib', 'pandas'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_result_tells_what_it_claims_and_who_proved_the_bound() -> None:
    assert RESULT.scr is not None and RESULT.allocation is not None
    bounded = replace(RESULT, method=NASTY, message="<i>", bound=2 * RESULT.scr, bound_source="made up by hand")
    tree, text = read(bounded._repr_html_())
    for part in (NASTY, "<i>", f"{RESULT.scr:.6g}", "50.000%", "made up by hand", "feasible", "u3"):
        assert part in text
    assert not has_tag(tree, "script") and not has_tag(tree, "i")
    servers = [cells[1].text for row in tree.iter("tr") if len(cells := row.findall("td")) == 8]
    assert servers == [f"S{server}" for server in RESULT.allocation.server]


def test_a_result_without_allocation_or_bound_says_so() -> None:
    nothing = Result("made-up", {}, {}, SCENARIO.sha256, Termination.CONVERGED, Claim.UNKNOWN)
    _, text = read(nothing._repr_html_())
    assert text.count("none") >= 3 and "unknown" in text and "u0" not in text and "proven by" not in text


def test_the_allocation_of_many_users_is_cut_and_says_so() -> None:
    _, text = read(dashf_pyomo.solve(Scenario.random(40, 2, seed=0), "nearest")._repr_html_())
    assert "the first 30 of 40 users" in text and "u29" in text and "u30" not in text


@pytest.mark.parametrize(
    ("kind", "given", "panels"),
    [
        ("result", True, {"Association", "Convergence"}),
        ("allocation", True, {"Association", "Shares of the servers' budgets, by user"}),
        ("bounds", False, {"Bound and incumbent over time"}),
        ("convergence", False, {"Convergence"}),
    ],
)
def test_each_kind_of_picture_has_its_panels(kind: str, given: bool, panels: set[str]) -> None:
    figure = RESULT.plot(SCENARIO, kind) if given else RESULT.plot(kind=kind)
    assert panels <= {axes.get_title() for axes in figure.axes}
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert ("claimed" in figure.get_suptitle()) != given


def test_a_picture_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(InputError) as caught:
        RESULT.plot(SCENARIO, "everything")
    assert_clear(caught.value, "kind = 'everything'", "result, allocation, bounds, convergence")
    with pytest.raises(InputError) as caught:
        RESULT.plot()
    assert_clear(caught.value, "scenario", "expected plot(scenario)")
    with pytest.raises(InputError) as caught:
        RESULT.plot(Scenario.random(4, 2, seed=2), "bounds")
    assert_clear(caught.value, "another scenario")
