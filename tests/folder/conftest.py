"""The toy shop's weeks, as the report's tests make them."""

from tests.report.conftest import notebooks, planned, toy, toy_here, warm, warm_kernels

__all__ = ["notebooks", "planned", "toy", "toy_here", "warm", "warm_kernels"]
