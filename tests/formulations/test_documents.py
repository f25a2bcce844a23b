"""Files: what is not the document is refused in one line that names the file; writing is whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from helpers import assert_clear, refusal, scenario_document, write

from formulations import InputError, Scenario
from formulations.documents import canonical, check_keys, digest, read_document, write_document

# fmt: off
NOT_DOCUMENTS: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["empty"]),
    "blank": (b" \n\t\n", ["empty"]),
    "truncated": (b'{"format": "dashf-scenario",\n "version', ["line 2"]),
    "text": (b"hello", ["line 1, column 1"]),
    "single quotes": (b"{'format': 'dashf-scenario'}", ["line 1"]),
    "more behind it": (b'{"format": "dashf-scenario", "version": 1} {}', ["line 1"]),
    "array": (b"[1, 2]", ["list", "object"]),
    "number": (b"3", ["number", "object"]),
    "quoted text": (b'"x"', ["text", "object"]),
    "null": (b"null", ["null", "object"]),
    "true": (b"true", ["true", "object"]),
    "not UTF-8": (b'{"name": "\xff"}', ["byte 10", "UTF-8"]),
    "UTF-16": ('{"format": "dashf-scenario"}'.encode("utf-16"), ["byte 0", "UTF-8"]),
    "deep arrays": (b"[" * 100_000, ["nested"]),
    "deep objects": (b'{"a":' * 100_000, ["nested"]),
    "deep and closed": (b"[" * 100_000 + b"]" * 100_000, ["nested"]),
    "duplicate key": (b'{"format": "dashf-scenario", "version": 1, "seed": 1, "seed": 2}', ["'seed'", "twice"]),
    "duplicate key inside": (b'{"readings": {"noise": "a", "noise": "b"}}', ["'noise'", "twice"]),
    "NaN": (b'{"format": "dashf-scenario", "version": 1, "x": NaN}', ["NaN"]),
    "Infinity": (b'{"format": "dashf-scenario", "version": 1, "x": [-Infinity]}', ["-Infinity"]),
    "number of 5000 digits": (b'{"seed": ' + b"9" * 5000 + b"}", ["expected"]),
    "no format": (b'{"version": 1}', ["'format'", "missing"]),
    "no version": (b'{"format": "dashf-scenario"}', ["'version'", "missing"]),
    "other format": (b'{"format": "dashf-result", "version": 1}', ["format = 'dashf-result'", "'dashf-scenario'"]),
    "format null": (b'{"format": null, "version": 1}', ["format = None"]),
    "format list": (b'{"format": ["dashf-scenario"], "version": 1}', ["format = ["]),
    "later version": (b'{"format": "dashf-scenario", "version": 2}', ["version = 2", "expected 1"]),
    "version text": (b'{"format": "dashf-scenario", "version": "1"}', ["version = '1'", "expected 1"]),
    "version true": (b'{"format": "dashf-scenario", "version": true}', ["version = True", "expected 1"]),
    "version 1.0": (b'{"format": "dashf-scenario", "version": 1.0}', ["version = 1.0", "expected 1"]),
}
# fmt: on


@pytest.mark.parametrize("case", NOT_DOCUMENTS)
def test_what_is_not_the_document_is_one_clear_line(case: str, tmp_path: Path) -> None:
    content, parts = NOT_DOCUMENTS[case]
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_document(path, "dashf-scenario")
    assert_clear(caught.value, path, *parts, "expected")


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_name_their_field(token: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    text = json.dumps({**scenario_document(), "noise_psd": "HERE"})
    path.write_text(text.replace('"HERE"', token), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, "noise_psd", "expected")


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" + "0" * 400])
def test_numbers_beyond_the_floats_name_their_field(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    whole = json.dumps({**scenario_document(), "noise_psd": "HERE"})
    path.write_text(whole.replace('"HERE"', text), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, "noise_psd", "expected")


@pytest.mark.parametrize("depth", [100, 1_500, 5_000, 9_000])
@pytest.mark.parametrize("field", ["noise_psd", "name", "version", "readings"])
def test_any_depth_of_nesting_is_one_clear_line(field: str, depth: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    text = json.dumps({**scenario_document(), field: "HERE"})
    path.write_text(text.replace('"HERE"', "[" * depth + "]" * depth), encoding="utf-8")
    assert_clear(refusal(lambda: Scenario.read(path)), path, "expected")


def test_missing_files_and_directories_are_one_clear_line(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.json", "No such file"), (tmp_path, "directory")):
        with pytest.raises(InputError) as caught:
            Scenario.read(path)
        assert_clear(caught.value, path, reason, "expected a dashf-scenario file")


def test_a_file_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(scenario_document()).encode())
    assert Scenario.read(path) == Scenario.from_dict(scenario_document())


def test_text_without_utf8_form_is_refused_or_survives(tmp_path: Path) -> None:
    """JSON can escape half of a surrogate pair; what can be read can be written again."""
    path = write(tmp_path / "s.json", {**scenario_document(), "name": "\ud800"})
    assert "\\ud800" in path.read_text(encoding="utf-8")
    try:
        scenario = Scenario.read(path)
    except InputError as error:
        assert_clear(error, path, "name", "expected")
    else:
        scenario.write(tmp_path / "again.json")
        assert Scenario.read(tmp_path / "again.json") == scenario


# -- writing ----------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_document(path, {"a": 1})
    for bad, error in (({"a": float("nan")}, ValueError), ({"a": object()}, TypeError)):
        with pytest.raises(error):
            write_document(path, bad)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    write_document(path, {"a": 1})

    def interrupted(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_document(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_document(path, {"a": "long" * 1000})
    write_document(path, {"b": "é"})
    assert path.read_bytes() == '{\n "b": "é"\n}\n'.encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_document(tmp_path / "r.json", {})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o640


def test_writing_to_a_device_does_not_replace_it() -> None:
    write_document("/dev/null", {"a": 1})
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("place", ["", "none/r.json", "file/r.json"])
def test_a_place_that_cannot_be_written_is_one_clear_line(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        write_document(tmp_path / place, {"a": 1})
    assert_clear(caught.value, tmp_path / place, "cannot be written")


# -- canonical form ---------------------------------------------------------------------------


def test_the_canonical_form_is_sorted_compact_and_exact() -> None:
    document = {"b": ["é", None, True], "a": {"z": 0.1, "y": 1e300, "x": 1}}
    assert canonical(document) == '{"a":{"x":1,"y":1e+300,"z":0.1},"b":["é",null,true]}'
    with pytest.raises(ValueError):
        canonical({"a": float("inf")})


def test_the_digest_is_of_the_canonical_form_without_itself() -> None:
    expected = hashlib.sha256('{"a":1.5,"b":"é"}'.encode()).hexdigest()
    assert digest({"b": "é", "a": 1.5}) == expected
    assert digest({"digest": "anything", "b": "é", "a": 1.5}) == expected
    assert digest({"b": "é", "a": 1.5000000000000002}) != expected


def test_the_sha256_of_a_scenario_can_be_computed_from_its_file(tmp_path: Path) -> None:
    scenario = Scenario.from_dict(scenario_document())
    scenario.write(tmp_path / "s.json")
    text = json.dumps(json.loads((tmp_path / "s.json").read_text()), sort_keys=True, separators=(",", ":"))
    assert scenario.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_keys_are_checked_in_both_directions() -> None:
    check_keys({"a": 1, "b": 2}, {"a"}, {"b", "c"}, "here")
    for document, parts in (({"b": 1}, ["here", "'a'", "missing"]), ({"a": 1, "d": 1}, ["here", "'d'", "a, b, c"])):
        with pytest.raises(InputError) as caught:
            check_keys(document, {"a"}, {"b", "c"}, "here")
        assert_clear(caught.value, *parts)
