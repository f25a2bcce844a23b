"""Names of files, errors of writing, and words of errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashf_pyomo.errors import MissingPackageError, described, one_line, optional_package
from dashf_pyomo.files import file_names, writing
from formulations import InputError


def test_names_become_files_that_differ_also_where_case_does_not_count() -> None:
    assert file_names(["a/b", "a b", "A-B", "gaps", "dual"], taken=("gaps",)) == [
        "a-b", "a-b-2", "A-B-3", "gaps-2", "dual",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["missing/file", "nul\0"])
def test_what_cannot_be_written_is_an_error_of_input_that_names_the_place(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    with pytest.raises(InputError, match=r"cannot be written \(") as error, writing(place):
        place.write_text("x", encoding="utf-8")
    assert str(place) in str(error.value)


def test_an_error_of_several_lines_is_said_in_one_that_is_cut() -> None:
    error = ValueError("first\n   second  third")
    assert one_line(error) == "first second third" and one_line(error, 5) == "first"
    assert described(error, 12) == "ValueError: first second"


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(
        MissingPackageError, match=r"^Shelf is not installed \(.*\); expected pip .*dashf-pyomo\[study\]"
    ):
        optional_package("no_such_package_here", "study", "Shelf")
