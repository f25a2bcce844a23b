from __future__ import annotations

import pytest
from cli_helpers import Dashf


@pytest.fixture
def dashf(capsys: pytest.CaptureFixture[str]) -> Dashf:
    return Dashf(capsys)
