"""What stands in the page of a report, read without a browser: values to sort by, and names that look like markup."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from report_cases import fill

from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.report.table import Number, ReportTable
from dashf_pyomo.study.store import FILE, Store


def test_numbers_in_cells_sort_by_their_value_and_what_is_none_by_nothing() -> None:
    table = ReportTable("t", "T", "", ("a", "b", "c", "d"))
    table.add((Number.of(0.5), Number.of(None), Number.of(float("inf")), 3), [0])
    assert re.findall(r'data-value="([^"]*)"', table.to_html()) == ["0.5", "", "inf", "3.0"]


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("pictures_without_pixels")
def test_names_in_letters_that_the_font_lacks_are_no_warning(tmp_path: Path) -> None:
    fill(tmp_path)
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("UPDATE plan SET variant = '最近' WHERE variant = 'gucaa'")
    database.execute("UPDATE scenarios SET name = '情景'")
    database.commit()
    database.close()
    with Store(tmp_path) as store:
        report = write_report(store).parent
    assert len(list((report / "figures").glob("*.png"))) > 8


@pytest.mark.slow
@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("name", ["<!--<script>", "</script><b>", "<!-- ]]> -->"])
def test_no_name_or_message_ends_the_data_of_the_page(name: str, tmp_path: Path) -> None:
    fill(tmp_path)
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("UPDATE plan SET variant = ? WHERE variant = 'gucaa'", (name,))
    database.execute("UPDATE cells SET message = ? WHERE outcome = 'crash'", (name,))
    database.commit()
    database.close()
    with Store(tmp_path) as store:
        text = write_report(store).read_text(encoding="utf-8")
    found = re.search(r'id="cells-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None and "<" not in found[1]
    rows = json.loads(found[1])["rows"]
    assert {row[3] for row in rows} > {name} and name in {row[11] for row in rows}
    assert name not in text
