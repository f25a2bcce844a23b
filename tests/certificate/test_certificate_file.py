"""The file of a certificate: what is written is read, and nothing else is."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_clear, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from dashf_pyomo.certificate import (
    ByDeadline,
    ByOffload,
    ByServers,
    Certificate,
    CertificateError,
    Empty,
    Late,
    LeafClaim,
    by_deadlines,
)
from dashf_pyomo.certificate.archive import MOST_BYTES, read_arrays
from dashf_pyomo.certificate.cover import covers
from dashf_pyomo.certificate.format import ARRAYS, SINCE, UNTIL, sealed
from dashf_pyomo.certificate.nodes import Region, leaf_boxes
from dashf_pyomo.certificate.tangent_points import tangent_of_r
from formulations import InputError

LEAVES = np.array(
    [[0.0, 2.0, 0.0, 1.0, 0.1, 0.2, 0.3, 0.0, 0.1, 0.7], [2.0, 5.0, 0.0, 1.0, 0.1, 0.2, 0.3, 0.0, 0.1, 3.0]]
)


def claim(rows: Any = (0.0, 0.0)) -> LeafClaim:
    leaves, early = {(0, 1): LEAVES, (2, 0): LEAVES[:1]}, {(2, 0): LEAVES[1:]}
    return LeafClaim.of(1.5, np.full((2, 3), 0.1), [0.1, 0.2, -0.1], leaves, rows, early)


def certificate() -> Certificate:
    branch = ByServers(1, [True, False], ByOffload(2, 0.5, claim([0.5, 2.0]), Empty()), claim())
    return Certificate("a" * 64, 12.5, 1.0, 2.0, by_deadlines([0.5, 1.0, 2.0], [Empty(), branch, claim(), Late()]))


ORIGINAL = sealed(certificate().to_arrays())


def save(path: Path, arrays: dict[str, Any]) -> Path:
    """Write arrays as another program might."""
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


def resealed(**changes: Any) -> dict[str, Any]:
    return sealed({**ORIGINAL, **changes})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    certificate().write(tmp_path / "c.npz")
    again = Certificate.read(tmp_path / "c.npz")
    assert all(np.array_equal(value, ORIGINAL[key]) for key, value in sealed(again.to_arrays()).items())
    assert (again.bound, again.time_unit, again.cost_unit) == (12.5, 1.0, 2.0)
    again.write(tmp_path / "d.npz")
    assert (tmp_path / "c.npz").read_bytes() == (tmp_path / "d.npz").read_bytes()
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:  # for other programs
        assert str(arrays["format"]) == "dashf-certificate"
    assert list(tmp_path.glob(".dashf-*")) == []


def test_boxes_follow_from_splits() -> None:
    boxes = [box for _, box in leaf_boxes(certificate().root, Region.root(np.full((3, 2), True)))]
    assert [(box.t0, box.t1) for box in boxes] == [(0, 0.5), (0.5, 1), (0.5, 1), (0.5, 1), (1, 2), (2, np.inf)]
    assert boxes[1].allowed.tolist() == [[True, True], [True, False], [True, True]]
    assert boxes[3].allowed.tolist() == [[True, True], [False, True], [True, True]]
    assert boxes[1].offload.tolist() == [[0, 1], [0, 1], [0, 0.5]]
    assert boxes[2].offload.tolist() == [[0, 1], [0, 1], [0.5, 1]]


def test_certificates_without_claims_can_be_written(tmp_path: Path) -> None:
    Certificate("a" * 64, 1.0, 1.0, 1.0, ByDeadline(1.0, Empty(), Late())).write(tmp_path / "c.npz")
    assert isinstance(Certificate.read(tmp_path / "c.npz").root, ByDeadline)


def test_long_trees_are_written_and_read(tmp_path: Path) -> None:
    root: Any = Late()
    for at in range(20000, 0, -1):
        root = ByDeadline(float(at), Empty(), root)
    Certificate("a" * 64, 1.0, 1.0, 1.0, root).write(tmp_path / "c.npz")
    assert len(list(leaf_boxes(Certificate.read(tmp_path / "c.npz").root, Region.root(np.full((1, 1), True))))) == 20001


@pytest.mark.parametrize("key", ORIGINAL)
def test_a_missing_array_is_named(tmp_path: Path, key: str) -> None:
    path = save(tmp_path / "c.npz", {name: value for name, value in ORIGINAL.items() if name != key})
    assert_clear(refusal(lambda: Certificate.read(path)), path, key, "missing")


@pytest.mark.parametrize("key", [key for key in ORIGINAL if key != "digest"])
def test_a_change_without_a_new_digest_is_refused(tmp_path: Path, key: str) -> None:
    value = ORIGINAL[key].copy()
    value.reshape(-1)[0] = "b" * 17 if value.dtype.kind == "U" else not value.reshape(-1)[0]
    path = save(tmp_path / "c.npz", {**ORIGINAL, key: value})
    assert_clear(refusal(lambda: Certificate.read(path)), path, "digest")


OTHER_TYPES = ("O", "f4", "i8", "<U3", ">f8", "c16")
#: One array of every type with all others, and every array with one.
MISTYPED = [(key, kind) for key in ("format", "bound", "node_user", "split_servers") for kind in OTHER_TYPES]
MISTYPED += [(key, "f4") for key in ORIGINAL]


@pytest.mark.parametrize(("key", "kind"), MISTYPED)
def test_another_type_is_refused(tmp_path: Path, key: str, kind: str) -> None:
    value, dtype = ORIGINAL[key], np.dtype(kind)
    assert dtype != value.dtype
    other = np.zeros(value.shape, dtype) if dtype.kind != "O" else np.full(value.shape, None)
    path = save(tmp_path / "c.npz", {**ORIGINAL, key: other})
    assert isinstance(refusal(lambda: Certificate.read(path)), InputError)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Shout:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "unpickled",))

    harm = np.empty(3, dtype=object)
    harm[:] = Shout()
    path = save(tmp_path / "c.npz", {**ORIGINAL, "claim_ratio": harm})
    assert_clear(refusal(lambda: Certificate.read(path)), path, "claim_ratio", "|O")
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Shout()))
    assert_clear(refusal(lambda: Certificate.read(tmp_path / "p.npz")), "p.npz")
    assert not (tmp_path / "unpickled").exists()


SHAPES = {
    "node_kind": np.zeros((2, 2), "|i1"), "node_user": np.zeros(3, "<i4"), "leaves": np.zeros((4, 10)),
    "claim_prices": np.zeros((3, 3, 3)), "claim_delay_price": np.zeros((3, 2)), "bound": np.zeros(1),
    "split_servers": np.zeros((1, 3), "|b1"), "claim_leaf_count": np.zeros((3, 2, 3), "<i4"),
}  # fmt: skip


@pytest.mark.parametrize("key", SHAPES)
def test_another_shape_is_refused(tmp_path: Path, key: str) -> None:
    path = save(tmp_path / "c.npz", {**ORIGINAL, key: SHAPES[key]})
    assert_clear(refusal(lambda: Certificate.read(path)), path, "shape", "expected")


def at(key: str, index: Any, value: Any) -> dict[str, Any]:
    array = ORIGINAL[key].copy()
    array[index] = value
    return {key: array}


RANGES = {
    "version": {"version": np.array(4)},
    "bound' is there": {"version": np.array(2)},
    "objective": {"objective": np.array("max-min", "<U7")},
    "sense": {"objective": np.array("cost", "<U7")},
    "bound = 12.5": {"infeasible": np.array(True)},
    "leaves[0][9]": at("leaf_touch", 0, 0.0),
    "format": {"format": np.array("dashf-scenario", "<U17")},
    "bound": {"bound": np.array(np.inf)},
    "time_unit": {"time_unit": np.array(0.0)},
    "cost_unit": {"cost_unit": np.array(np.nan)},
    "ratio": at("claim_ratio", 0, -1.0),
    "prices": at("claim_prices", (1, 0, 2), -1e-9),
    "delay_price": at("claim_delay_price", (0, 0), np.nan),
    "leaf_count": at("claim_leaf_count", (0, 0, 0), -1),
    "claim_leaf_count": at("claim_leaf_count", (0, 0, 0), 1),
    "leaves[1][0]": at("leaves", (1, 0), 6.0),
    "leaves[0][3]": at("leaves", (0, 3), 1.5),
    "leaves[0][4]": at("leaves", (0, 4), np.inf),
    "leaves[0][5]": at("leaves", (0, 5), -1e-9),
    "leaves[0][7]": at("leaves", (0, 7), -1.0),
    "rows[1]": at("claim_row_price", (0, 1), -1e-9),
    "node_kind[0]": at("node_kind", 0, 9),
    "node_kind": at("node_kind", -1, 0),
    "trees": at("node_kind", 0, 4) | at("node_value", 0, 0.0),
    "node_value": at("node_value", 0, np.nan),
    "node_user": at("node_user", 0, 0),
    "claim_ratio": at("node_kind", ORIGINAL["node_kind"] == 3, 4),
}


@pytest.mark.parametrize("what", RANGES)
def test_numbers_out_of_range_are_named_even_with_a_new_digest(tmp_path: Path, what: str) -> None:
    path = save(tmp_path / "c.npz", resealed(**RANGES[what]))
    assert_clear(refusal(lambda: Certificate.read(path)), path, what, "expected")


def test_unasked_and_repeated_members_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "c.npz", ORIGINAL)
    for name in ("../../evil.npy", "leaves.npy", "extra.npy", "/etc/evil"):
        (tmp_path / "e.npz").write_bytes(path.read_bytes())
        with zipfile.ZipFile(tmp_path / "e.npz", "a") as archive:
            if name == "leaves.npy":
                with pytest.warns(UserWarning, match="Duplicate"):
                    archive.writestr(name, b"x")
            else:
                archive.writestr(name, b"x")
        assert_clear(refusal(lambda: Certificate.read(tmp_path / "e.npz")), "e.npz", name)
    assert not (tmp_path.parent.parent / "evil.npy").exists()


def test_bombs_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**27, 9)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in ORIGINAL.items():
            with archive.open(f"{key}.npy", "w") as member:
                if key == "leaves":
                    member.write(header.getvalue() + bytes(10**7))
                else:
                    np.lib.format.write_array(member, value)
    assert path.stat().st_size < 10**5
    assert_clear(refusal(lambda: Certificate.read(path)), path, "leaves", "expected an array that fits")
    # A size that is only said: the central directory claims more than may be.
    data = bytearray(path.read_bytes())
    place = data.rindex(b"leaves.npy") - 46
    assert data[place : place + 4] == b"PK\x01\x02"
    struct.pack_into("<I", data, place + 24, MOST_BYTES + 1)
    path.write_bytes(data)
    assert_clear(refusal(lambda: Certificate.read(path)), path, "bytes of arrays")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damaged") / "c.npz"
    certificate().write(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    error = refusal(lambda: Certificate.read(path))
    if error is not None:
        assert_clear(error, path)
    else:  # bytes that mean nothing: dates, attributes
        assert sealed(Certificate.read(path).to_arrays())["digest"] == ORIGINAL["digest"]


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    assert_clear(refusal(lambda: Certificate.read(tmp_path / "none.npz")), "none.npz")
    assert_clear(refusal(lambda: Certificate.read(tmp_path)), tmp_path)
    assert_clear(refusal(lambda: certificate().write(tmp_path / "none" / "c.npz")), "none")
    assert_clear(refusal(lambda: read_arrays(tmp_path / "x\0y", ARRAYS)), "expected")


def test_builders_refuse_what_does_not_fit() -> None:
    with pytest.raises(CertificateError, match="parts"):
        by_deadlines([1.0], [Late()])
    with pytest.raises(CertificateError, match=r"leaves\[0\]\[0\] have shape"):
        LeafClaim.of(1.0, np.ones((2, 3)), [1.0], {(0, 0): np.ones((2, 8))})
    with pytest.raises(CertificateError, match="prices has shape"):
        LeafClaim.of(1.0, np.ones((2, 4)), [1.0], {})


# -- covering ---------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_cells_of_random_cuts_cover_until_one_is_dropped_or_shrunk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = (0.0, 8.0, *np.sort(rng.uniform(size=2)))
    cells = [whole]
    for _ in range(rng.integers(0, 12)):
        x0, x1, p0, p1 = cells.pop(rng.integers(len(cells)))
        if rng.uniform() < 0.5:
            cut = rng.uniform(x0, x1)
            cells += [(x0, cut, p0, p1), (cut, x1, p0, p1)]
        else:
            cut = rng.uniform(p0, p1)
            cells += [(x0, x1, p0, cut), (x0, x1, cut, p1)]
    rows = rng.permutation(np.array(cells))
    assert covers(rows, 8.0, whole[2:])
    assert not covers(rows, np.nextafter(8.0, 9.0), whole[2:])
    assert not covers(np.delete(rows, 0, axis=0), 8.0, whole[2:])
    k, column = rng.integers(len(rows)), rng.integers(4)
    rows[k, column] = np.nextafter(rows[k, column], rows[k, column ^ 1])
    assert not covers(rows, 8.0, whole[2:])


def test_cells_cover_a_single_phi() -> None:
    rows = np.array([[0.0, 1.0, 0.2, 0.5], [1.0, 2.0, 0.5, 0.7]])
    assert covers(rows, 2.0, (0.5, 0.5))
    assert not covers(rows, 2.0, (0.4, 0.4)) and not covers(rows, 2.0, (0.5, 0.6))


def of_version(version: int) -> dict[str, Any]:
    """The arrays of a file as that version had them, without a digest."""
    kept = {key: value for key, value in ORIGINAL.items() if SINCE.get(key, 1) <= version and key != "digest"}
    old = {"upper_bound": ORIGINAL["bound"]} if version <= UNTIL["upper_bound"] else {}
    return {**kept, **old, "version": np.array(version)}


def claims_of(root: Any) -> list[LeafClaim]:
    nodes = [node for node, _ in leaf_boxes(root, Region.root(np.full((3, 2), True)))]
    return [node for node in nodes if isinstance(node, LeafClaim)]


@pytest.mark.parametrize("version", [1, 2])
def test_versions_before_are_read_as_bounds_on_the_ratio_without_prices_of_rows(tmp_path: Path, version: int) -> None:
    first = Certificate.read(save(tmp_path / "c.npz", sealed(of_version(version))))
    assert (first.bound, first.objective, first.sense, first.infeasible) == (12.5, "scr", "max", False)
    claims = claims_of(first.root)
    assert [one.rows.size for one in claims] == [0, 0, 0] and not any(one.early.any() for one in claims)
    leaves = np.concatenate([one.leaves for one in claims])
    assert np.array_equal(leaves[:, :9], ORIGINAL["leaves"])
    touched = [tangent_of_r(low, high) for low, high in ORIGINAL["leaves"][:, :2].tolist()]
    assert leaves[:, 9].tolist() == (touched if version == 1 else ORIGINAL["leaf_touch"].tolist())


@pytest.mark.parametrize("key", SINCE)
def test_what_a_version_has_not_is_refused_and_what_it_has_is_asked_for(tmp_path: Path, key: str) -> None:
    before = of_version(SINCE[key] - 1)
    path = save(tmp_path / "c.npz", sealed({**before, key: ORIGINAL[key]}))
    assert_clear(refusal(lambda: Certificate.read(path)), path, key, "expected none")
    some = {name: value for name, value in of_version(SINCE[key]).items() if name != key}
    path = save(tmp_path / "c.npz", sealed(some))
    assert_clear(refusal(lambda: Certificate.read(path)), path, key, "missing")


def test_prices_of_rows_and_early_leaves_come_back(tmp_path: Path) -> None:
    claims = claims_of(Certificate.read(save(tmp_path / "c.npz", ORIGINAL)).root)
    assert [one.rows.tolist() for one in claims] == [[0.5, 2.0], [0.0, 0.0], [0.0, 0.0]]
    assert [one.early.tolist() for one in claims] == [[False, False, False, True]] * 3
    assert claims[0].leaf_count.tolist() == [[0, 2], [0, 0], [2, 0]]


def test_a_certificate_of_no_allocation_comes_back(tmp_path: Path) -> None:
    Certificate("a" * 64, 0.0, 1.0, 1.0, Empty(), "cost", infeasible=True).write(tmp_path / "c.npz")
    again = Certificate.read(tmp_path / "c.npz")
    assert (again.objective, again.sense, again.bound, again.infeasible) == ("cost", "min", 0.0, True)
    with pytest.raises(CertificateError, match=r"bound = 1\.0; expected 0"):
        Certificate("a" * 64, 1.0, 1.0, 1.0, Empty(), infeasible=True)
