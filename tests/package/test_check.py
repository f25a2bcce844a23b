"""The independent check: it accepts what the methods write and rejects every tampering that changes a fact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tampering import CLAIMS, SCENARIO, Path, get, leaves, original, put, signed, tampered, wrong

import dashf_pyomo
from dashf_pyomo.algorithms import methods
from dashf_pyomo.check import CLAIM_TOLERANCE, check
from dashf_pyomo.result_data import read_result_document
from dashf_pyomo.status import Status
from formulations import Allocation, InputError, Scenario, evaluate

ORIGINAL = original()


# -- what is true is accepted -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", [*methods])
def test_accepts_the_result_of_every_method(method: str) -> None:
    document = original(method)
    # A bound without its certificate is not checked, and said not to be.
    assert wrong(document) == set()
    unchecked = {finding.claim for finding in check(SCENARIO, document) if not finding.checked}
    assert unchecked == {"not checked"} | (set() if document["upper_bound"] is None else {"upper bound"})


def test_accepts_a_result_that_was_written_and_read(tmp_path: Any) -> None:
    dashf_pyomo.solve(SCENARIO, "dashf").write(tmp_path / "r.json")
    assert not wrong(read_result_document(tmp_path / "r.json"))


@pytest.mark.parametrize("stop", [{"time_limit": 1e-9}, {"max_iterations": 1}, {"accept": "always"}])
@pytest.mark.parametrize("method", ["dashf", "aauco", "gucro"])
def test_accepts_results_that_ended_in_every_way(method: str, stop: dict[str, Any]) -> None:
    if "accept" in stop and method != "dashf":
        method, stop = "dashf", {"accept": "always", "idle_pairs": "zero"}
    assert not wrong(dashf_pyomo.solve(SCENARIO, method, **stop).to_dict())


def test_accepts_an_interrupted_result() -> None:
    def interrupt(entry: Any) -> None:
        raise KeyboardInterrupt

    result = dashf_pyomo.solve(SCENARIO, "dashf", observer=interrupt)
    assert result.status == "interrupted" and not wrong(result.to_dict())


@pytest.mark.parametrize("method", ["gucaa", "dashf"])
@pytest.mark.parametrize("dead", ["one pair", "all pairs"])
def test_accepts_honest_results_where_the_start_has_an_infinite_delay(method: str, dead: str) -> None:
    gain = SCENARIO.channel_gain.copy()
    gain[(0, 0) if dead == "one pair" else ...] = 5e-324
    scenario = Scenario.random(users=4, servers=2, seed=0, channel_gain=gain)
    result = dashf_pyomo.solve(scenario, method)
    assert (result.allocation is None) == (dead == "all pairs" or method == "gucaa")
    assert not wrong(result.to_dict(), scenario)


# -- what is not true is rejected -------------------------------------------------------------


def changed_numbers(factor: float) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Results with one number of the allocation multiplied, or a server that many further on."""
    for path in leaves(ORIGINAL["allocation"]):
        value = get(ORIGINAL["allocation"], path)
        changed = factor * value if path[0] != "server" else int(value) + math.ceil(factor)
        yield path, signed(tampered(("allocation", *path), changed))


@pytest.mark.parametrize("factor", [1 + 1e-5, 2, 0, -1])
def test_rejects_a_changed_number_of_the_allocation(factor: float) -> None:
    changed = [(path, document) for path, document in changed_numbers(factor) if matters(document)]
    assert len({path[0] for path, _ in changed}) >= 6  # of the seven parts, some may do with less
    assert [path for path, document in changed if not wrong(document) - {"digest"}] == []


def matters(document: dict[str, Any]) -> bool:
    """Whether the allocation is another one, and the evaluator sees a violation or numbers beyond rounding."""
    if document["allocation"] == ORIGINAL["allocation"]:
        return False
    try:
        truth = evaluate(SCENARIO, Allocation.from_dict(document["allocation"]))
    except InputError:
        return True
    moved = [abs(getattr(truth, name) - document[name]) / document[name] for name in CLAIMS]
    return bool(truth.violations) or max(moved) > CLAIM_TOLERANCE


@pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-5, 1 + 1e-8, 2, 0, -1])
@pytest.mark.parametrize("claim", [*CLAIMS, "value"])
def test_rejects_a_changed_claim(claim: str, factor: float) -> None:
    assert claim in wrong(signed(tampered((claim,), factor * ORIGINAL[claim])))


@pytest.mark.parametrize("claim", [*CLAIMS, "value", "max_violation"])
def test_rejects_a_claim_that_is_left_out(claim: str) -> None:
    assert claim in wrong(signed(tampered((claim,), None)))


def test_a_claim_may_differ_by_what_other_machines_round_differently() -> None:
    assert not wrong(signed(tampered(("scr",), ORIGINAL["scr"] * (1 + 1e-12)))) - {"trace"}


@pytest.mark.parametrize("resource", ["bandwidth", "server_power", "server_speed", "user_power", "user_speed"])
def test_rejects_a_broken_budget_even_with_the_numbers_adapted(resource: str) -> None:
    document = original("gucaa")  # it uses every budget and cap up
    document["allocation"][resource][0] *= 1 + 1e-5
    truth = evaluate(SCENARIO, Allocation.from_dict(document["allocation"]))
    for name in (*CLAIMS, "max_violation"):
        document[name] = getattr(truth, name)
    document["value"] = truth.scr
    document["trace"][0] |= {"scr": truth.scr, "best": truth.scr, "delay": truth.delay, "energy": truth.energy}
    assert wrong(signed(document)) == {"feasible"}


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_rejects_an_upper_bound_without_proof(factor: float) -> None:
    document = original()
    bound = factor * document["scr"]
    gap = abs(bound - document["scr"]) / max(bound, document["scr"])
    document |= {"upper_bound": bound, "bound": bound, "gap": gap, "bound_source": "trust me"}
    assert wrong(signed(document)) == {"upper bound", "trace"}  # whose last bound is another
    document |= {"status": "certified", "claim": "certified"}
    assert "upper bound" in wrong(signed(document))


@pytest.mark.parametrize("method", ["dual", "bnp"])
def test_rejects_a_bound_of_another_source_or_of_pricing_that_proves_nothing(method: str) -> None:
    document = original(method)
    assert "upper bound" in wrong(signed({**document, "bound_source": "my word"}))
    heuristic = {**document["options"], "rigour": "heuristic"}
    assert "upper bound" in wrong(signed({**document, "options": heuristic}))


@pytest.mark.parametrize("gap", [0.0, "0", True, [], 10**400], ids=["zero", "text", "true", "list", "huge"])
def test_rejects_a_gap_that_does_not_follow_from_the_bound(gap: Any) -> None:
    document = tampered(("gap",), gap)
    assert wrong(signed(document)) & {"gap", "form"}
    assert wrong(signed({**document, "upper_bound": 1e9, "bound": 1e9, "bound_source": "x"})) & {"gap", "form"}


@pytest.mark.parametrize("value", [-40.0, 1e-300, 1e300], ids=["negative", "tiny", "huge"])
@pytest.mark.parametrize("field", ["offload", "bandwidth", "user_power", "server_power", "user_speed", "server_speed"])
def test_hostile_numbers_are_judged_without_a_word_from_numpy(field: str, value: float) -> None:
    # Warnings are errors in these tests; on the command line they would be lines on standard error.
    findings = check(SCENARIO, signed(tampered(("allocation", field, 0), value)))
    assert not all(finding.holds for finding in findings)


@pytest.mark.parametrize("status", ["certified", "infeasible", "unknown", "optimal", "", None, 1])
def test_rejects_a_status_that_cannot_be(status: Any) -> None:
    assert wrong(signed(tampered(("status",), status))) & {"status", "form"}


@pytest.mark.parametrize("claim", ["certified", "infeasible", "unknown", "optimal", "", None, 1])
def test_rejects_a_claim_that_cannot_be(claim: Any) -> None:
    status = claim if claim in ("certified", "infeasible", "unknown") else "feasible"
    assert wrong(signed(original() | {"claim": claim, "status": status})) & {"status", "form"}


@pytest.mark.parametrize("termination", ["time_limit", "interrupted", "error", "refused", "over", None])
def test_rejects_a_termination_that_the_status_does_not_name(termination: Any) -> None:
    assert wrong(signed(tampered(("termination",), termination))) & {"status", "form"}


@pytest.mark.parametrize("status", ["feasible", "certified", "infeasible"])
def test_rejects_a_status_that_needs_an_allocation_without_one(status: str) -> None:
    document = original() | dict.fromkeys((*CLAIMS, "value", "max_violation", "allocation"))
    document |= {"status": status, "claim": status}
    assert "status" in wrong(signed(document))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "simplex"}, {"method": "gucaa"}, {"options": {"colour": "red"}},
        {"readings": {}}, {"readings": {"noise": "-174 dBm/Hz"}},
    ],
    ids=str,
)  # fmt: skip
def test_rejects_a_method_or_options_or_readings_that_do_not_fit_together(change: dict[str, Any]) -> None:
    assert wrong(signed(original() | change)) & {"method", "readings"}


def test_an_option_that_the_file_does_not_have_has_its_default() -> None:
    # Files of earlier versions lack options that there were not yet.
    document = signed(original() | {"options": {}})
    (found,) = (finding for finding in check(SCENARIO, document) if finding.claim == "method")
    assert found.holds and "the default: accept, allocation" in found.detail
    assert not wrong(document)
    other = dashf_pyomo.solve(SCENARIO, "dashf", delay_rows="pairwise")
    assert wrong(signed(other.to_dict() | {"options": {}})) == {"readings"}


def test_rejects_readings_that_are_not_the_scenarios() -> None:
    assert wrong(signed(tampered(("readings", "noise"), "-134 dBm/Hz"))) == {"readings"}


@pytest.mark.parametrize("field", ["channel_gain", "noise_psd", "weight_time", "bandwidth_max", "adapter_params"])
def test_rejects_the_result_of_another_scenario(field: str) -> None:
    other = SCENARIO.to_dict()
    value = other[field] if isinstance(other[field], list) else [other[field]]
    path = next(leaves(value))
    put(value, path, get(value, path) * (1 + 1e-12))
    other[field] = value if isinstance(other[field], list) else value[0]
    assert "scenario" in wrong(original(), Scenario.from_dict(other))
    assert wrong(original(), Scenario.random(users=5, servers=2, seed=0)) >= {"scenario", "allocation"}


@pytest.mark.parametrize("other", ["gucaa", "aauco", "gucro"])
def test_rejects_the_allocation_of_another_method(other: str) -> None:
    document = tampered(("allocation",), original(other)["allocation"])
    assert wrong(signed(document)) >= {"scr"}


# -- any change at all ------------------------------------------------------------------------

json_values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
json_values |= st.text(max_size=4) | st.just([]) | st.just({})


@pytest.mark.parametrize("method", ["dashf", "gucaa"])
@given(data=st.data())
def test_rejects_any_change_that_is_not_signed(method: str, data: st.DataObject) -> None:
    document = original(method)
    path = data.draw(st.sampled_from([*leaves(document)]))
    before = get(document, path)
    after = data.draw(json_values)
    assume(type(before) is not type(after) or before != after)
    put(document, path, after)
    assert wrong(document)


@given(data=st.data())
@settings(max_examples=100)
def test_a_signed_change_is_either_harmless_or_rejected(data: st.DataObject) -> None:
    """Harmless: the facts that people act on (allocation worth, feasibility, bound) are still true."""
    document = original()
    path = data.draw(st.sampled_from([*leaves(document)]))
    put(document, path, data.draw(json_values))
    document = signed(document)
    assert wrong(document) or still_true(document)


def still_true(document: dict[str, Any]) -> bool:
    truth = evaluate(SCENARIO, Allocation.from_dict(document["allocation"]))
    claims = all(document[name] == pytest.approx(getattr(truth, name), rel=1e-8) for name in CLAIMS)
    return claims and truth.feasible and document["upper_bound"] is None and document["gap"] is None


@given(key=st.sampled_from(sorted(ORIGINAL)), name=st.text(min_size=1, max_size=5))
def test_a_missing_or_an_unknown_key_is_no_result(key: str, name: str) -> None:
    assume(name not in ORIGINAL)
    less = {k: v for k, v in original().items() if k != key}
    if key not in ("format", "version"):  # whoever reads the file has checked these two
        assert wrong(less) == {"form"}
    assert wrong({**original(), name: 1}) == {"form"}


@pytest.mark.slow
def test_a_certified_status_at_a_gap_that_nobody_is_known_to_have_asked_for_is_not_verified() -> None:
    result = dashf_pyomo.solve(SCENARIO, "dual", gap=0.5)
    assert result.status is Status.CERTIFIED and result.gap is not None and result.gap > 1e-3
    (found,) = (finding for finding in check(SCENARIO, result.to_dict()) if finding.claim == "status")
    assert found.holds and not found.checked and "asked for" in found.detail
