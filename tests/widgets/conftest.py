"""A made-up week, for explorers of a week's folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.report.made_weeks import MadeShop
from tests.widgets.explored import explored


@pytest.fixture(scope="session")
def drafted(tmp_path_factory) -> MadeShop:
    """A shop with a draft of its first week, and all that the week knows of its customers."""
    return explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture
def a_copy(drafted, tmp_path) -> Path:
    """The reports folder with that draft, to be changed."""
    return Path(shutil.copytree(drafted.out, tmp_path / "reports", symlinks=True))
