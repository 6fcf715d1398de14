"""Which process runs which file of tests, so that none waits for what another one is making."""

import functools
import re
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadFileScheduling

__all__ = ["FileScheduling", "needed_by"]

MADE = {
    "small_reports": "the small shop's reports",
    "chinese_invoices": "the small shop's reports",
    "null_report": "the null shop's report",
    "journey_report": "Complete Journey's report",
    "explored_week": "the explored week",
    "a_copy": "the explored week",
    "lab_server": "the explored week",
    "postgres": "a server",
}
"""What takes so long to make that nobody should wait for it: fixtures, and what each gives."""
OF_ONE_PROCESS = "a server"
"""What every process would make for itself: files that need it run one after the other in one."""


@functools.cache
def needed_by(file: str) -> frozenset[str]:
    """Return what the tests and fixtures of a file ask for, of what takes long."""
    path = Path(__file__).resolve().parents[1] / file
    text = path.read_text(encoding="utf-8") if path.suffix == ".py" else ""
    asked = set(re.findall(r"\w+", " ".join(re.findall(r"def \w+\(([^)]*)\)", text))))
    return frozenset(made for fixture, made in MADE.items() if fixture in asked)


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Files in their order; one that needs what another process is making comes later."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return OF_ONE_PROCESS if OF_ONE_PROCESS in needed_by(file) else file

    def _assign_work_unit(self, node: Any) -> None:
        making = {
            made
            for other, units in self.assigned_work.items()
            for file, tests in units.items()
            if other is not node and not any(tests.values())
            for made in needed_by(file)
        }
        now = (file for file in self.workqueue if not making & needed_by(file))
        self.workqueue.move_to_end(next(now, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)
