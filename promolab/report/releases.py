"""Release a week's plan, read back what was sent, close the week: the steps on its folder."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.campaign.lifecycle import (
    Release,
    check_advance,
    check_settled,
    check_unchanged,
    frozen_windows,
    moved_windows,
    settled_at,
)
from promolab.campaign.reconcile import Reconciliation, read_sent, reconcile_sent
from promolab.contract.arrivals import arriving, by_week
from promolab.contract.operations import Operations, read_operations
from promolab.errors import InputError, PromolabError
from promolab.report import publish
from promolab.report.artifacts import open_run, write_json
from promolab.report.plan_files import check_plan, plan_files, sha256_of
from promolab.report.planned import Planned, planned_of
from promolab.report.records import reports_folder, week_folder
from promolab.report.released_plans import released_contacts, released_plans
from promolab.weeks import Week

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop

__all__ = [
    "close_week",
    "moved_since_release",
    "reconcile_week",
    "release_week",
    "released_contacts",
]

WAIT = 60.0  # seconds to wait for another command on the same reports folder


@dataclass(frozen=True)
class _Opened:
    """A week's folder, held."""

    out: Path
    week: Week
    folder: Path
    manifest: dict[str, Any] = field(repr=False)

    def release(self) -> Mapping[str, Any]:
        """Return what its release froze; refuse files that are not what was released."""
        frozen: Mapping[str, Any] = self.manifest["release"]
        check_unchanged(frozen["files"], plan_files(self.folder), "the release")
        return frozen

    def note(self, **changes: Any) -> None:
        """Write changes into the manifest, and the list of weeks anew."""
        from promolab.report.index import write_index

        write_json(self.folder / "manifest.json", self.manifest | changes)
        write_index(self.out)


def release_week(
    week: str, out: str | Path = "reports", by: str | None = None, *, wait: float = WAIT
) -> Path:
    """Freeze the plan of a week: from now on it never changes.

    Parameters
    ----------
    week : str
        ISO week; its report must be there.
    out : str or Path
        The reports folder.
    by : str, optional
        Who releases it; by default the user of this process.
    wait : float
        Seconds to wait for another command that holds the reports folder.

    Returns
    -------
    Path
        The folder with the files for the sending tool.

    Raises
    ------
    InputError
        If there is no such week, it failed, it has no plan, its plan was released already, or a
        file of it is not what the run wrote.
    StepError
        If another command holds the reports folder all the while.
    """
    who = _who(by)
    with _opened(week, out, wait) as opened:
        check_advance(opened.manifest, "released", str(opened.week))
        check_plan(opened.folder, str(opened.week))
        made = opened.manifest.get("plan", {}).get("files", {})
        files = plan_files(opened.folder)
        check_unchanged(made, files, "the plan was made")
        planned = planned_of(opened.folder)
        frozen = Release(
            by=who,
            at=_at(),
            files=files,
            promotions=frozen_windows(planned.windows),
            sends_at=opened.week.start(planned.zone).isoformat(),
        )
        opened.note(state="released", release=frozen.to_dict())
        return opened.folder / "send"


def reconcile_week(
    week: str,
    sent: str | Path,
    out: str | Path = "reports",
    *,
    source: str | Path | None = None,
    shop_file: str | Path | None = None,
    force: bool = False,
    wait: float = WAIT,
) -> tuple[Reconciliation, tuple[str, ...]]:
    """Read back what the sending tool really sent.

    From then on the contact limits of other weeks count what was sent, also to those never planned,
    in place of what was planned; results stay read by assignment.

    Parameters
    ----------
    week : str
        ISO week, released.
    sent : str or Path
        The tool's csv file, with the columns of ``[send]``.
    out : str or Path
        The reports folder.
    source, shop_file : optional
        Where the shop's promotions are now; by default where the week was made from.
    force : bool
        Take a file that does not look like that of this plan.
    wait : float
        Seconds to wait for another command that holds the reports folder.

    Returns
    -------
    Reconciliation
        Also written to ``tables/sent.parquet``, its counts to the manifest.
    tuple of str
        Sentences on promotions whose window moved after the release.

    Raises
    ------
    InputError
        If the week is not released or closed, its plan is not what was released, the file cannot
        be read, or does not look like that of this plan (`Reconciliation.doubts`).
    """
    path = Path(sent).expanduser()
    with _opened(week, out, wait) as opened:
        check_advance(opened.manifest, "sent", str(opened.week))
        frozen = opened.release()
        planned = planned_of(opened.folder)
        rows = read_sent(path, _operations(planned).send.columns, planned.only())
        done = reconcile_sent(planned.table, rows, planned.customers, planned.promotions)
        if done.doubts() and not force:
            raise InputError(_not_taken(path.name, done, opened.manifest.get("sent")))
        try:
            moved = _moved(frozen, _shop(opened, source, shop_file))
        except PromolabError as error:
            moved = (f"whether a promotion's window moved cannot be told: {error}",)
        run = open_run(opened.folder, week=opened.week)
        table = run.write_table("sent", done.table, by=["as_sent", "promotion_id", "channel"])
        said = {"at": _at(), "file": path.name, "summary": done.summary(), "moved": list(moved)}
        said |= {"sha256": sha256_of(path), "table": sha256_of(table)}
        opened.note(state="sent", sent=done.to_dict() | said)
        return done, moved


def _not_taken(name: str, done: Reconciliation, before: Mapping[str, Any] | None) -> str:
    stands = "what was planned still counts as sent"
    if before:
        stands = f"what {before.get('file', 'a file')} told on {str(before.get('at'))[:10]} stands"
    return (
        f"{name} does not look like the file of this plan: {'; '.join(done.doubts())}. Nothing was "
        f"changed, {stands}. If this is what was sent, give --force"
    )


def close_week(
    week: str,
    out: str | Path = "reports",
    by: str | None = None,
    *,
    source: str | Path | None = None,
    shop_file: str | Path | None = None,
    now: datetime | None = None,
    wait: float = WAIT,
) -> tuple[str, ...]:
    """Close a week: its response and return windows are over, its figures no longer change.

    What the shop held then is counted, so that rows that come later are seen.

    Parameters
    ----------
    week : str
        ISO week, sent.
    out : str or Path
        The reports folder.
    by : str, optional
        Who closes it; by default the user of this process.
    source, shop_file : optional
        Where the shop's tables are now; by default where the week was made from.
    now : datetime, optional
        The present (UTC without a zone).
    wait : float
        Seconds to wait for another command that holds the reports folder.

    Returns
    -------
    tuple of str
        Sentences on promotions whose window moved after the release.

    Raises
    ------
    InputError
        If the week is not sent, its windows are not over (it says when they are), the data do not
        reach so far, or its plan is not what was released.
    """
    who = _who(by)
    with _opened(week, out, wait) as opened:
        check_advance(opened.manifest, "closed", str(opened.week))
        frozen = opened.release()
        shop = _shop(opened, source, shop_file)
        moved = _moved(frozen, shop)
        said = read_operations(shop.settings).attribution
        windows = [frozen["promotions"], _windows_now(frozen, shop)]
        ends = [settled_at(each, said, shop.zone) for each in windows]
        settled = max((end for end in ends if end is not None), default=None)
        present = now or datetime.now(UTC).replace(tzinfo=None)
        check_settled(settled, present, str(opened.week), len(frozen["promotions"]))
        since, until = _span(opened.week, settled, shop.zone)
        _check_reach(shop, settled, str(opened.week))
        counted = by_week(arriving(shop, since, until), since, until)
        closed: dict[str, Any] = {"by": who, "at": _at(), "moved": list(moved)}
        closed["arrivals"] = counted
        closed |= {"since": str(since), "until": str(until)}
        closed["settled_at"] = None if settled is None else settled.isoformat()
        opened.note(state="closed", closed=closed)
        return moved


def moved_since_release(out: str | Path, shop: Shop) -> dict[str, tuple[str, ...]]:
    """Return which promotions of released plans no longer run when the plan says they do.

    Parameters
    ----------
    out : str or Path
        The reports folder.
    shop : Shop
        The shop as it is now.

    Returns
    -------
    dict of str to tuple of str
        Sentences by week; weeks of which nothing moved are left out.
    """
    said = {str(plan.week): _moved(plan.release, shop) for plan in released_plans(out)}
    return {week: sentences for week, sentences in said.items() if sentences}


@contextmanager
def _opened(week: str, out: str | Path, wait: float) -> Iterator[_Opened]:
    asked, path = Week.parse(week), reports_folder(out)
    week_folder(path, asked)  # said before a long wait, not after it
    with publish.locked(path, asked, wait=wait, say=_say):
        publish.tidy(path)
        folder, manifest = week_folder(path, asked)
        yield _Opened(path, asked, folder, manifest)


def _say(sentence: str) -> None:
    print(f"promolab: {sentence}", file=sys.stderr)


def _who(by: str | None) -> str:
    if by is not None:
        if not by.strip():
            raise InputError("--by is empty; say who it is")
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a table of users
        return "unknown"


def _at() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _operations(planned: Planned) -> Operations:
    return read_operations(planned.settings)


def _shop(opened: _Opened, source: str | Path | None, shop_file: str | Path | None) -> Shop:
    from promolab import sources

    told = opened.manifest.get("parameters", {})
    where = source if source is not None else told.get("source", "complete_journey")
    file = shop_file if shop_file is not None or source is not None else told.get("shop_file")
    return sources.load_shop(where, settings=file)


def _promotions(shop: Shop) -> pd.DataFrame:
    table = shop["promotions"]
    frame: pd.DataFrame = table.select("promotion_id", "starts_at", "ends_at").to_pandas()
    return frame


def _moved(frozen: Mapping[str, Any], shop: Shop) -> tuple[str, ...]:
    return moved_windows(frozen["promotions"], _promotions(shop)) if frozen["promotions"] else ()


def _windows_now(frozen: Mapping[str, Any], shop: Shop) -> dict[str, dict[str, str]]:
    if not frozen["promotions"]:
        return {}
    now = frozen_windows(_promotions(shop).dropna())
    return {name: window for name, window in now.items() if name in frozen["promotions"]}


def _span(week: Week, settled: datetime | None, zone: str) -> tuple[Any, Any]:
    from zoneinfo import ZoneInfo

    end = week.end(zone) if settled is None else max(settled, week.end(zone))
    return week.monday(), end.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def _check_reach(shop: Shop, settled: datetime | None, week: str) -> None:
    """Refuse data that end before the windows do, unless the shop itself has closed."""
    closed = shop.settings.life()[1]
    last = shop.span()[1]
    if settled is None or closed is not None or (settled - last).days < 2:
        return
    raise InputError(
        f"{week} cannot be closed yet: its windows are over since {settled:%Y-%m-%d}, but the data "
        f"of {shop.settings.name} reach only to {last:%Y-%m-%d}"
    )
