"""A call on several numbers of threads."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_limits


def on_threads(call: Callable[[], Any], *counts: int) -> list[Any]:
    """Return what the call gives on each number of threads, which stay as they were."""
    before, found = torch.get_num_threads(), []
    try:
        for count in counts:
            torch.set_num_threads(count)
            with pytest.MonkeyPatch.context() as patch, threadpool_limits(count, "blas"):
                patch.setenv("LOKY_MAX_CPU_COUNT", str(count))
                found.append(call())
            assert torch.get_num_threads() == count, "the call leaves the number alone"
    finally:
        torch.set_num_threads(before)
    return found
