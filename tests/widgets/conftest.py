"""A small week, for explorers of a week's folder."""

import shutil
from pathlib import Path

import pytest

from promolab.folder import RunFolder


@pytest.fixture
def a_copy(explored_week: RunFolder, tmp_path: Path) -> Path:
    """The reports folder with that week, to be changed."""
    reports = explored_week.reports.path
    return Path(shutil.copytree(reports, tmp_path / "reports", symlinks=True))
