"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Figures are drawn without a screen, here and in every process that a test starts.
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds pyproject.toml."""
    return Path(__file__).resolve().parents[1]
