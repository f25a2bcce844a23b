"""The page of a report in a real browser: no complaint, figures there, tables that sort, readable at any width."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from browser import Browser
from report_cases import fill

from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.store import Store

pytestmark = pytest.mark.skipif(
    browser.executable() is None, reason="no chromium here; on Debian: apt-get install chromium"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    fill(folder)
    with Store(folder) as store:
        return write_report(store)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_loads_without_a_complaint_and_asks_for_nothing_else(
    page: Path, chromium: Browser, width: int, tmp_path: Path
) -> None:
    chromium.complaints.clear()
    chromium.open(page, width)
    assert chromium.value("document.querySelectorAll('table.sortable').length") >= 5
    chromium.screenshot(tmp_path / "top.png")
    assert chromium.complaints == []


@pytest.mark.parametrize("width", [1280, 400])
def test_figures_are_drawn_and_nothing_is_wider_than_the_window(page: Path, chromium: Browser, width: int) -> None:
    chromium.open(page, width)
    sizes = chromium.value("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])")
    assert len(sizes) >= 8 and all(natural > 100 and shown > 200 for natural, shown in sizes)
    assert chromium.value("document.documentElement.scrollWidth") <= width
    # Running text keeps a size that can be read; what is wider scrolls in a box of its own.
    assert chromium.value("Math.min(...[...document.querySelectorAll('p,td,th,li')].map("
                          "e => parseFloat(getComputedStyle(e).fontSize)))") >= 12  # fmt: skip
    outside = chromium.value(
        "[...document.querySelectorAll('h1,h2,h3,p,figure,summary')]"
        ".filter(e => e.getBoundingClientRect().right > window.innerWidth + 1).length"
    )
    assert outside == 0


def column(chromium: Browser, index: int) -> list[str]:
    return chromium.value(f"[...document.querySelectorAll('#gaps tbody tr')].map(r => r.cells[{index}].textContent)")


def click(chromium: Browser, selector: str) -> None:
    chromium.value(f"document.querySelector({selector!r}).click()")


def test_a_click_on_a_head_sorts_numbers_as_numbers_and_again_turns_the_order(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1280)
    heads = chromium.value("[...document.querySelectorAll('#gaps th')].map(h => h.textContent)")
    index = heads.index("mean SCR")
    before = column(chromium, index)
    numbers = sorted(float(text) for text in before)
    assert len(set(numbers)) > 3 and [float(text) for text in before] != numbers
    click(chromium, f"#gaps th:nth-child({index + 1}) button")
    assert [float(text) for text in column(chromium, index)] == numbers
    assert chromium.value("document.querySelector('#gaps th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    click(chromium, f"#gaps th:nth-child({index + 1}) button")
    assert [float(text) for text in column(chromium, index)] == numbers[::-1]
    name = heads.index("method")
    click(chromium, f"#gaps th:nth-child({name + 1}) button")
    assert column(chromium, name) == sorted(column(chromium, name), key=str.lower)


def test_what_is_no_number_sorts_last_in_both_orders(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1280)
    heads = chromium.value("[...document.querySelectorAll('#gaps th')].map(h => h.textContent)")
    index = heads.index("mean gap")
    for _ in range(2):
        click(chromium, f"#gaps th:nth-child({index + 1}) button")
        values = column(chromium, index)
        assert "none" in values and values[: values.index("none")] == [text for text in values if text != "none"]


def test_every_number_leads_to_its_cells(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1280)
    rows = "document.querySelectorAll('#explorer tbody tr')"
    whole = chromium.value(f"{rows}.length")
    click(chromium, "#gaps tbody tr button.cells")
    count = int(chromium.value("document.querySelector('#gaps tbody tr button.cells').textContent"))
    method = chromium.value("document.querySelector('#gaps tbody tr').cells[1].textContent")
    assert 0 < count < whole and chromium.value(f"{rows}.length") == count
    assert set(chromium.value(f"[...{rows}].map(r => r.cells[3].textContent)")) == {method}
    click(chromium, "#all-cells")
    assert chromium.value(f"{rows}.length") == whole


def test_words_filter_the_cells(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1280)
    chromium.value(
        "f = document.getElementById('filter'), f.value = 'NEAREST seed1', f.dispatchEvent(new Event('input'))"
    )
    shown = chromium.value("[...document.querySelectorAll('#explorer tbody tr')].map(r => r.textContent)")
    assert shown and all("nearest" in text and "seed1" in text for text in shown)


def test_contradictions_are_the_first_thing_on_the_page(page: Path, chromium: Browser) -> None:
    chromium.open(page, 400)
    top = chromium.value("document.getElementById('contradictions').getBoundingClientRect().top")
    title = chromium.value("document.querySelector('h1').getBoundingClientRect().top")
    assert 0 <= top < title
    assert "liar" in chromium.value("document.getElementById('contradictions').textContent")


def test_markup_in_names_and_messages_is_shown_not_obeyed(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1280)
    assert chromium.value("window.obeyed === undefined")
    assert "<script>window.obeyed" in chromium.value("document.getElementById('failures').textContent")


def test_files_beside_the_page_are_what_their_names_say(page: Path) -> None:
    figures = sorted((page.parent / "figures").iterdir())
    assert {path.suffix for path in figures} == {".png", ".pdf"}
    for path in figures:
        head = path.read_bytes()[:24]
        if path.suffix == ".png":
            assert head.startswith(b"\x89PNG") and min(struct.unpack(">II", head[16:24])) > 100
        else:
            assert head.startswith(b"%PDF")
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page.read_text(encoding="utf-8"))
