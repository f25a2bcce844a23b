from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Dashf
from matplotlib.figure import Figure


@pytest.fixture
def dashf(capsys: pytest.CaptureFixture[str]) -> Dashf:
    return Dashf(capsys)


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not rendered, which takes most of the time of a report: for tests of what it says."""

    def savefig(figure: Figure, to: Any, **options: Any) -> None:
        to.write(b"a picture") if hasattr(to, "write") else Path(to).write_bytes(b"a picture")

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr(Figure, "draw_without_rendering", lambda figure: None)
