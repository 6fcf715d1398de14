"""Release a week's plan, read back what was sent, close the week: the steps on its folder."""

from __future__ import annotations

import getpass
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook import plan_economics
from promolab.campaign.past import settles_at
from promolab.campaign.plan import Overridden, Overrides, Plan, override_plan, restored
from promolab.contract import read_operations
from promolab.engines import is_url
from promolab.errors import InputError, PromolabError
from promolab.folder import ReportsFolder, RunFolder, check_codes, sha256_of, state_of, write_json
from promolab.loop.ledger import Ledger, run_ledger_path
from promolab.loop.ledger_sync import WeekRows, checked_ledger, keep_ledger, run_key, settle_week
from promolab.loop.recheck import REASONS, Recheck, recheck_draft
from promolab.loop.reconcile import Reconciliation, read_sent, reconcile_sent
from promolab.loop.week_plans import (
    DROPPED,
    OVERRIDES,
    Planned,
    check_plan,
    check_unchanged,
    frozen_windows,
    moved_windows_of,
    plan_files,
    windows_of,
)
from promolab.weeks import Week
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop


WAIT = 60.0  # seconds to wait for another command on the same reports folder


_FROM: Mapping[str, tuple[str, ...]] = {
    "released": ("draft",),
    "sent": ("released", "sent"),  # a corrected file of the sending tool replaces the first
    "closed": ("sent",),
}
_INSTEAD = {
    "draft": "it is a draft; release it first (promolab release {week})",
    "released": (
        "it was released, but what was sent is not known; "
        "read that back first (promolab reconcile {week} sent.csv)"
    ),
    "closed": "it is closed; its figures no longer change",
}


def check_advance(manifest: Mapping[str, Any], to: str, week: str) -> None:
    """Refuse a step that the plan's state does not allow.

    Parameters
    ----------
    manifest : mapping
        The week's.
    to : str
        The state to reach.
    week : str
        The week, for the message.

    Raises
    ------
    InputError
        It says what state the plan has, and what to do.

    Examples
    --------
    >>> check_advance({"state": "draft"}, "closed", "2017-W44")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: 2017-W44 cannot be closed: it is a draft; release it first ...
    """
    state = state_of(manifest)
    if state in _FROM[to]:
        return
    by, at = (manifest.get("release", {}).get(key, "unknown") for key in ("by", "at"))
    said = f"it was released already, by {by} at {at}; nothing was changed"
    if to != "released":
        said = _INSTEAD[state].format(week=week)
    raise InputError(f"{week} cannot be {'reconciled' if to == 'sent' else to}: {said}")


@dataclass(frozen=True)
class Pages:
    """Who draws what people read, and says what the ledger keeps: the report's room hands it in.

    Parameters
    ----------
    redraw : callable
        Given a week's folder and a sentence, draws the pages that the plan is in again.
    list_weeks : callable
        Given the reports folder, writes its list of weeks.
    rows : WeekRows
        What the ledger keeps of a week.
    cards : callable
        Given a week's folder, writes its cards, which say who released it.
    """

    redraw: Callable[[RunFolder, str], object]
    list_weeks: Callable[[ReportsFolder], object]
    rows: WeekRows
    cards: Callable[[RunFolder], object]


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
        self.pages.cards(self.run)
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
        keep_ledger(reports, kept, pages.rows, say)  # what a killed command left out
        yield HeldWeek(run, manifest, pages, kept)
        keep_ledger(reports, kept, pages.rows, say)


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


def release_week(
    week: str,
    out: str | Path = "reports",
    by: str | None = None,
    *,
    pages: Pages,
    source: str | Path | None = None,
    shop_file: str | Path | None = None,
    drop: bool = False,
    overrides: Overrides | None = None,
    now: datetime | None = None,
    wait: float = WAIT,
    ledger: str | Path | None = None,
) -> Path:
    """Freeze the plan of a week: from now on it never changes.

    The shop is opened again: whom the plan may no longer contact, by rights, status, limits and
    exclusions, and with what the other weeks released, earlier and later ones, is not released.

    Parameters
    ----------
    week : str
        ISO week; its report must be there.
    out : str or Path
        The reports folder.
    by : str, optional
        Who releases it; by default the user of this process.
    pages : Pages
        Who draws the pages and the list of weeks: `promolab.report.PAGES`.
    source, shop_file : optional
        Where the shop's tables are now; by default where the week was made from.
    drop : bool
        Take those out who may no longer be contacted, held out or not, and release the rest; a
        promotion that was added, or limits that changed, are said. Where lists would be others
        (a promotion moved, columns of ``[send]`` changed) the report has to be made again.
    overrides : Overrides, optional
        What is changed of it by hand, after that: promotions taken out, lists capped, customers
        forced out. Lists, decisions, chances and control sums are made again, and each override is
        on record: in ``tables/overrides.parquet``, the manifest and the ledger.
    now : datetime, optional
        The present (UTC without a zone).
    wait : float
        Seconds to wait for another command that holds the reports folder.
    ledger : str or Path, optional
        The ledger's file; by default the one that the week's report wrote.

    Returns
    -------
    Path
        The folder with the files for the sending tool.

    Raises
    ------
    InputError
        If there is no such week, it failed, it has no plan, its plan was released already, a file
        of it is not what the run wrote, or something is not as it was when the draft was made: a
        sentence for each kind of finding. An override names what is not in the plan.
    StepError
        If another command holds the reports folder all the while, or a page could not be made.
    """
    who = user_of(by)
    with held(week, out, wait, pages, ledger) as opened:
        run = opened.run
        check_advance(opened.manifest, "released", str(run.week))
        check_plan(run.path, str(run.week))
        check_codes(run.reports, run.week)
        made = opened.manifest.get("plan", {}).get("files", {})
        check_unchanged(made, plan_files(run.path), "the plan was made")
        planned = Planned.of(run.path)
        shop = opened.shop(source, shop_file)
        present = now or _clock(opened.manifest)
        found = recheck_draft(run, planned, shop, present)
        if found.stops or not (found.clear or drop):
            raise InputError(_not_released(str(run.week), found))
        frozen = {
            "by": who,
            "at": stamp(),
            "promotions": frozen_windows(planned.windows),
            "sends_at": run.week.start(planned.zone).isoformat(),
            "since_draft": {} if found.clear else found.to_dict() | {"said": found.summary()},
        }
        _freeze(opened, frozen, found, overrides or Overrides())
        return run.path / "send"


def _clock(manifest: Mapping[str, Any]) -> datetime:
    """Return the present; refuse a clock by which the draft is yet to be made."""
    now, made = datetime.now(UTC), manifest.get("created")
    if made is not None and now < datetime.fromisoformat(made) - timedelta(days=1):
        raise InputError(
            f"the clock of this machine says {now:%Y-%m-%d}, and the draft was made on "
            f"{made[:10]}: who has said no since is asked as of now; set the clock, then release"
        )
    return now.replace(tzinfo=None)


def _not_released(week: str, found: Recheck) -> str:
    weeks = f" Released, or read back as sent: {', '.join(found.released)}."
    todo = f", or release it without those concerned: promolab release {week} --drop"
    return (
        f"{week} cannot be released as it is, {found.summary()}.{weeks if found.released else ''} "
        f"Make the report again{'' if found.stops else todo}"
    )


def _freeze(
    opened: HeldWeek, frozen: Mapping[str, Any], found: Recheck, by_hand: Overrides
) -> None:
    """Write the release, without those who may not be contacted any more; whole or not at all."""
    run, reports = opened.run, opened.run.reports
    done: Overridden | None = None
    with reports.staging(run.week) as staged:
        if len(found.concerned) or by_hand:
            shutil.copytree(run.path, staged, symlinks=True, dirs_exist_ok=True)
            run = RunFolder(staged, run.week)
            done = _rewrite(run, found, by_hand, opened.pages)
            opened.manifest["run_key"] = run_key(run)
        release = {**frozen, "files": plan_files(run.path), "overrides": _told(done)}
        changed = opened.manifest | {"state": "released", "release": release}
        write_json(run.path / "manifest.json", changed)
        opened.pages.cards(run)
        if run is not opened.run:
            reports.publish(staged, run.week)
    opened.pages.list_weeks(reports)
    if not found.clear:
        say(_dropped(found))
    if done is not None:
        say(f"{done.summary()} They are listed in tables/{OVERRIDES}.parquet")


def _rewrite(run: RunFolder, found: Recheck, by_hand: Overrides, pages: Pages) -> Overridden | None:
    """Rewrite a copy of a week's folder without those who are no longer on its lists.

    The send files with their control sums, the decisions and their chances, the funnel, the
    economics and the headline numbers are made again; so are the pages that come after the plan's,
    and the plan's own page says at its top that its counts are the draft's.
    """
    from promolab import sources

    shop = sources.load_shop(run.path / "shop")
    plan, notes, done = Plan.read(run, shop), [], None
    if len(found.concerned):
        notes.append(f"Released without some of the draft's customers: {found.summary()}.")
        steps = found.concerned["reason"].map(dict(REASONS))
        plan = plan.without(found.concerned.assign(step=steps))
    if by_hand:
        values = run.read_table("allocation") if plan.by_effect else None
        done = override_plan(plan, by_hand, values)
        plan = done.plan
        notes.append(f"Changed by hand at the release: {done.summary()}")
    plan = replace(plan, notes=(*notes, *plan.notes))
    plan_economics(run, shop, plan).write()
    if len(found.concerned):
        run.write_table(DROPPED, found.concerned, by=["promotion_id", "customer_id"])
    if done is not None:
        run.write_table(OVERRIDES, done.frame, by="number")
    pages.redraw(run, " ".join(notes))
    run.take_notes()
    return done


def _told(done: Overridden | None) -> dict[str, Any]:
    """Return what a manifest says of the overrides: how many of each, and in a sentence."""
    if done is None:
        return {}
    counts = done.frame["kind"].value_counts().sort_index()
    return {"said": done.summary()} | {str(kind): int(n) for kind, n in counts.items()}


def _dropped(found: Recheck) -> str:
    """Say what was found since the draft, and what was done about it."""
    said = found.summary()
    gone = found.concerned["customer_id"].nunique()
    if gone:
        said += (
            f"; {plural(gone, 'customer is', 'customers are')} taken out, listed in "
            f"tables/{DROPPED}.parquet"
        )
    return said


def reconcile_week(
    week: str,
    sent: str | Path,
    out: str | Path = "reports",
    *,
    pages: Pages,
    source: str | Path | None = None,
    shop_file: str | Path | None = None,
    force: bool = False,
    wait: float = WAIT,
    ledger: str | Path | None = None,
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
    pages : Pages
        Who draws the pages and the list of weeks: `promolab.report.PAGES`.
    source, shop_file : optional
        Where the shop's promotions are now; by default where the week was made from.
    force : bool
        Take a file that does not look like that of this plan.
    wait : float
        Seconds to wait for another command that holds the reports folder.
    ledger : str or Path, optional
        The ledger's file; by default the one that the week's report wrote.

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
    with held(week, out, wait, pages, ledger) as opened:
        check_advance(opened.manifest, "sent", str(opened.run.week))
        frozen = opened.release()
        planned = Planned.of(opened.run.path)
        rows = read_sent(path, read_operations(planned.settings).send.columns, planned.only())
        ids, plain = rows["customer_id"], restored(rows["customer_id"])
        gone = opened.run.forgotten({*ids, *plain})
        rows = rows[~(ids.isin(gone) | plain.isin(gone))]
        done = reconcile_sent(planned.table, rows, planned.customers, planned.promotions)
        if done.doubts() and not force:
            raise InputError(_not_taken(path.name, done, opened.manifest.get("sent")))
        try:
            moved = moved_windows_of(frozen, opened.shop(source, shop_file))
        except PromolabError as error:
            moved = (f"whether a promotion's window moved cannot be told: {error}",)
        table = opened.run.write_table(
            "sent", done.table, by=["as_sent", "promotion_id", "channel"]
        )
        said = {"at": stamp(), "file": path.name, "summary": done.summary(), "moved": list(moved)}
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
    pages: Pages,
    source: str | Path | None = None,
    shop_file: str | Path | None = None,
    now: datetime | None = None,
    wait: float = WAIT,
    ledger: str | Path | None = None,
) -> tuple[str, ...]:
    """Close a week: its response and return windows are over, its figures no longer change.

    Parameters
    ----------
    week : str
        ISO week, sent.
    out : str or Path
        The reports folder.
    by : str, optional
        Who closes it; by default the user of this process.
    pages : Pages
        Who draws the pages and the list of weeks: `promolab.report.PAGES`.
    source, shop_file : optional
        Where the shop's tables are now; by default where the week was made from.
    now : datetime, optional
        The present (UTC without a zone).
    wait : float
        Seconds to wait for another command that holds the reports folder.
    ledger : str or Path, optional
        The ledger's file; by default the one that the week's report wrote.

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
    who = user_of(by)
    with held(week, out, wait, pages, ledger) as opened:
        check_advance(opened.manifest, "closed", str(opened.run.week))
        frozen = opened.release()
        shop = opened.shop(source, shop_file)
        moved = moved_windows_of(frozen, shop)
        present = now or datetime.now(UTC).replace(tzinfo=None)
        settled = check_settled(frozen["promotions"], shop, present, str(opened.run.week))
        closed: dict[str, Any] = {"by": who, "at": stamp(), "moved": list(moved)}
        closed["settled_at"] = None if settled is None else settled.isoformat()
        settle_week(opened.run, opened.ledger, pages.rows, shop, present, say)
        opened.note(state="closed", closed=closed)
        return moved


def check_settled(
    planned: Mapping[str, Mapping[str, str]], shop: Shop, present: datetime, week: str
) -> datetime | None:
    """Return when the response and return windows of a plan are over (UTC); refuse a moment before.

    Parameters
    ----------
    planned : mapping
        Windows by `frozen_windows`, at the release; those that the shop states now count, too.
    shop : Shop
        As it is now.
    present : datetime
        UTC without a zone.
    week : str
        The week, for the message.

    Returns
    -------
    datetime or None
        None for a plan without any promotion: there is nothing to wait for.

    Raises
    ------
    InputError
        The windows are not over (it says when they are), or the data do not reach so far; of a shop
        that has closed they need not.
    """
    if not planned:
        return None
    rule = read_operations(shop.settings).attribution
    now = frozen_windows(windows_of(shop).dropna())
    moments = [
        settles_at(pd.Timestamp(w["starts_at"]), pd.Timestamp(w["ends_at"]), rule, shop.zone)
        for w in (*planned.values(), *(now[name] for name in planned if name in now))
    ]
    settled, last = max(moments), shop.span()[1]
    if present < settled:
        raise InputError(
            f"{week} cannot be closed yet: the response and return windows of its "
            f"{plural(len(planned), 'promotion')} are over on {settled:%Y-%m-%d %H:%M} UTC"
        )
    if shop.settings.life()[1] is None and (settled - last).days >= 2:
        raise InputError(
            f"{week} cannot be closed yet: its windows are over since {settled:%Y-%m-%d}, but the "
            f"data of {shop.settings.name} reach only to {last:%Y-%m-%d}"
        )
    return settled
