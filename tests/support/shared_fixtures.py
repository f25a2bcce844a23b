"""Fixtures of several folders of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from air_time import declared_air_time
from cli_helpers import Dashf
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from formulations.constraints import Limit


@pytest.fixture(scope="module")
def air_time() -> Iterator[Limit]:
    """Limits without prices, declared for the tests of a file; the fixture is the one of servers."""
    with declared_air_time() as limit:
        yield limit


@pytest.fixture
def dashf(capsys: pytest.CaptureFixture[str]) -> Dashf:
    return Dashf(capsys)


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but neither laid out nor rendered, most of a report's time: for tests of what it says."""

    def savefig(figure: Figure, to: Any, **options: Any) -> None:
        to.write(b"a picture") if hasattr(to, "write") else Path(to).write_bytes(b"a picture")

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr(Figure, "draw_without_rendering", lambda figure: None)
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
    monkeypatch.setattr(Text, "get_window_extent", lambda *_, **__: Bbox.from_bounds(0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def pictures_without_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are laid out with all their texts but not rendered: for tests of what matplotlib says of them."""

    def savefig(figure: Figure, to: Any, **options: Any) -> None:
        figure.draw_without_rendering()
        to.write(b"a picture") if hasattr(to, "write") else Path(to).write_bytes(b"a picture")

    monkeypatch.setattr(Figure, "savefig", savefig)
