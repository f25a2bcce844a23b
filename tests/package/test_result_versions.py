"""Result files of version 1, which earlier releases wrote, and of version 2: both are read and checked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tampering import SCENARIO, original, signed, wrong

from dashf_pyomo import Claim, Result, Status, Termination, relative_gap
from dashf_pyomo.check import check
from dashf_pyomo.result_data import read_result_document
from dashf_pyomo.status import in_one_word, in_two_words
from dashf_pyomo.trace import EntryKind, TraceEntry
from formulations import InputError, Scenario

#: As they were written; `certified` comes from before the option `relax`, and `infeasible` is of a scenario of its own.
FILES = Path(__file__).parent / "version_1"
ENDED = {
    "feasible": (Termination.CONVERGED, Claim.FEASIBLE),
    "certified": (Termination.CONVERGED, Claim.CERTIFIED),
    "infeasible": (Termination.CONVERGED, Claim.INFEASIBLE),
    "time_limit": (Termination.TIME_LIMIT, Claim.FEASIBLE),
    "interrupted": (Termination.INTERRUPTED, Claim.FEASIBLE),
}


def scenario_of(name: str) -> Scenario:
    return Scenario.read(FILES / ("infeasible-scenario.json" if name == "infeasible" else "scenario.json"))


@pytest.mark.parametrize("name", ENDED)
def test_a_file_of_version_1_is_read_and_says_the_same(name: str) -> None:
    document = read_result_document(FILES / f"{name}.json")
    result = Result.read(FILES / f"{name}.json")
    assert document["version"] == 1 and document["status"] == name
    assert (result.termination, result.claim) == ENDED[name]
    again = result.to_dict()
    assert again["version"] == 2
    changed = {"version", "digest", "trace"}
    assert {key: again[key] for key in document if key not in changed} == {
        key: value for key, value in document.items() if key not in changed
    }
    assert (result.objective, result.sense) == ("scr", "max")
    assert (result.value, result.bound) == (document["scr"], document["upper_bound"])
    for entry, before in zip(again["trace"], document["trace"], strict=True):
        assert before.items() <= entry.items() and entry.keys() - before.keys() == {"kind"}


@pytest.mark.parametrize("name", ENDED)
def test_what_was_true_in_version_1_passes_the_check_in_both(name: str) -> None:
    scenario, path = scenario_of(name), FILES / f"{name}.json"
    assert not wrong(read_result_document(path), scenario)
    assert not wrong(Result.read(path).to_dict(), scenario)


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"scr": 1.0}, "scr"), ({"gap": 0.0}, "gap"), ({"upper_bound": 1.0}, "upper bound"),
        ({"status": "infeasible"}, "status"), ({"status": "unknown"}, "status"), ({"trace": []}, "trace"),
        ({"bound_source": "my word"}, "upper bound"), ({"options": {"rigour": "heuristic"}}, "upper bound"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_true_in_version_1_is_rejected(change: dict[str, Any], claim: str) -> None:
    document = signed(read_result_document(FILES / "certified.json") | change)
    assert claim in wrong(document, scenario_of("certified"))


def test_an_option_that_there_was_not_yet_is_named_with_its_default() -> None:
    findings = check(scenario_of("certified"), read_result_document(FILES / "certified.json"))
    (found,) = (finding for finding in findings if finding.claim == "method")
    assert found.holds and found.detail.endswith("so the default: relax")


@pytest.mark.parametrize("key", ["termination", "claim", "value", "bound", "objective", "sense"])
def test_version_1_does_not_have_the_keys_of_version_2_which_needs_them(key: str) -> None:
    first, second = read_result_document(FILES / "feasible.json"), original()
    with pytest.raises(InputError, match=f"unknown key '{key}'"):
        Result.from_dict({**first, key: second[key]})
    with pytest.raises(InputError, match=f"key '{key}' is missing"):
        Result.from_dict({name: value for name, value in second.items() if name != key})


def test_the_bound_and_what_follows_from_it_have_to_agree() -> None:
    for change in ({"upper_bound": 1e9}, {"bound": 1e9}):
        assert wrong(signed(original() | change)) & {"upper bound"}


@pytest.mark.parametrize("status", Status)
def test_a_status_is_the_same_after_it_was_two_words(status: Status) -> None:
    for has_allocation in (True, False):
        assert in_one_word(*in_two_words(status, has_allocation)) is status


def test_every_termination_and_claim_have_a_status_that_promises_no_more() -> None:
    for termination, claim in itertools.product(Termination, Claim):
        status = in_one_word(termination, claim)
        if status in {*Claim}:
            assert status == claim
        assert (status is Status.ERROR) == (termination is Termination.ERROR)


@pytest.mark.parametrize(
    ("value", "bound", "gap"),
    [
        (90.0, 100.0, 0.1), (100.0, 90.0, 0.1), (-100.0, -90.0, 0.1), (-1.0, 1.0, 2.0), (0.0, 5.0, 1.0),
        (0.0, 0.0, None), (None, 1.0, None), (1.0, None, None),
    ],
)  # fmt: skip
def test_the_gap_is_relative_to_the_larger_of_value_and_bound(value: Any, bound: Any, gap: float | None) -> None:
    assert relative_gap(value, bound) == (None if gap is None else pytest.approx(gap))


KINDS: dict[EntryKind, dict[str, Any]] = {
    EntryKind.ALLOCATION: {"scr": 1.0, "phase": "start"},
    EntryKind.BOUND: {"bound_source": "dual"},
    EntryKind.NOTE: {"note": "a remark"},
    EntryKind.CONTRADICTION: {"contradiction": "less", "refuted": "dual"},
    EntryKind.PROFILE: {"note": "bound over deadlines", "profile_deadlines": [1.0, 2.0], "profile_bounds": [3.0]},
    EntryKind.CERTIFICATE: {"note": "no certificate", "certificate": None},
}


@pytest.mark.parametrize("kind", EntryKind)
def test_the_kind_of_an_entry_of_version_1_follows_from_its_keys(kind: EntryKind) -> None:
    entry = TraceEntry.from_dict({"iteration": 0, "time": 0.5, **KINDS[kind]}, "trace[0]")
    assert entry.kind is kind
    assert TraceEntry.from_dict(entry.to_dict(), "trace[0]") == entry


def test_a_result_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    result = Result.from_dict(original("bnp"))
    result.write(tmp_path / "r.json")
    again = Result.read(tmp_path / "r.json")
    assert again.to_dict() == result.to_dict() and again.trace == result.trace
    assert not wrong(again.to_dict(), SCENARIO)
