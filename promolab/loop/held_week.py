"""A week's folder, held while a command on its plan is at it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.engines import is_url
from promolab.errors import InputError, PromolabError
from promolab.folder import ReportsFolder, RunFolder, write_json
from promolab.loop.bookkeeping import checked_ledger, keep_ledger
from promolab.loop.ledger import Ledger, run_ledger_path
from promolab.loop.planned import plan_files
from promolab.loop.states import check_unchanged
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


WAIT = 60.0  # seconds to wait for another command on the same reports folder


@dataclass(frozen=True)
class Pages:
    """Who draws what people read: the room of the report hands it in.

    Parameters
    ----------
    redraw : callable
        Given a week's folder and a sentence, draws the pages that the plan is in again.
    list_weeks : callable
        Given the reports folder, writes its list of weeks.
    """

    redraw: Callable[[RunFolder, str], object]
    list_weeks: Callable[[ReportsFolder], object]


@dataclass(frozen=True)
class HeldWeek:
    """A week's folder while nobody else writes into it; made by `held`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    manifest : dict
        What its manifest says.
    pages : Pages
        Who draws its pages.
    ledger : Ledger
        What is done with it is written there in the end.
    """

    run: RunFolder
    manifest: dict[str, Any] = field(repr=False)
    pages: Pages
    ledger: Ledger

    def release(self) -> Mapping[str, Any]:
        """Return what its release froze; refuse files that are not what was released."""
        frozen: Mapping[str, Any] = self.manifest["release"]
        check_unchanged(frozen["files"], plan_files(self.run.path), "the release")
        return frozen

    def note(self, **changes: Any) -> None:
        """Write changes into the manifest, and the list of weeks anew."""
        write_json(self.run.path / "manifest.json", self.manifest | changes)
        self.pages.list_weeks(self.run.reports)

    def shop(self, source: str | Path | None, shop_file: str | Path | None) -> Shop:
        """Open the shop as it is now; by default where the week was made from."""
        from promolab import sources

        told = self.manifest.get("parameters", {})
        where = source if source is not None else told.get("source", "complete_journey")
        file = shop_file if shop_file is not None or source is not None else told.get("shop_file")
        try:
            return sources.load_shop(where, settings=file)
        except PromolabError as error:
            if source is not None or not is_url(where):
                raise
            raise InputError(
                f"{error}. The week notes of its warehouse neither user nor options: give --source "
                "(and --shop, if one was given) as for its report"
            ) from error


@contextmanager
def held(
    week: str, out: str | Path, wait: float, pages: Pages, ledger: str | Path | None = None
) -> Iterator[HeldWeek]:
    """Hold the reports folder, and give a week of it; what a killed run left is cleared before.

    What is done with the week is written into the ledger in the end: by default the one that the
    week's manifest names.
    """
    asked, reports = Week.parse(week), ReportsFolder.there(out)
    reports.whole_run(asked)  # said before a long wait, not after it
    ReportsFolder.prepared(out)  # so is a disk that cannot be written
    with reports.locked(asked, wait=wait, say=say):
        reports.tidy()
        run = reports.whole_run(asked)
        manifest = run.manifest
        shop = str(manifest.get("shop") or reports.shop)
        kept = checked_ledger(reports, ledger or run_ledger_path(run), shop, asked)
        keep_ledger(reports, kept, say)  # what a killed command left out, whatever is refused below
        yield HeldWeek(run, manifest, pages, kept)
        keep_ledger(reports, kept, say)


def say(sentence: str) -> None:
    """Say a sentence on stderr."""
    print(f"promolab: {sentence}", file=sys.stderr)


def user_of(by: str | None) -> str:
    """Return who does it: by default the user of this process."""
    if by is not None:
        if not by.strip():
            raise InputError("--by is empty; say who it is")
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a table of users
        return "unknown"


def stamp() -> str:
    """Return the present as manifests note it, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
