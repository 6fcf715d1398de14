"""A reports folder: its weeks, each of which appears whole or not at all, and who writes into it.

A run builds a week in a hidden staging folder inside the reports folder and swaps it in by one
rename. The lock is the file system's (flock): it ends with the process that holds it, however it
ends, and so do a dead run's claims on what it left behind.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promolab.errors import DataError, InputError, StepError
from promolab.folder.files import claim, exchange, keep_private, read_json, write_json
from promolab.folder.run_folder import RunFolder
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop

STATES = ("draft", "released", "sent", "closed")
"""What becomes of a week's plan, in order."""
WAIT = 1800.0  # seconds for which a run waits for another: longer than a report takes
_FAILED, _SOURCE = ".failed", "source.json"
_STAGING, _ASIDE, _PART = ".staging-", ".old-", ".part-"
_WEEK_FOLDER = re.compile(r"\d{4}-W\d{2}", re.ASCII)


def state_of(manifest: Mapping[str, Any]) -> str:
    """Return the state of a week's plan as its manifest has it; what states none is a draft.

    Examples
    --------
    >>> state_of({}), state_of({"state": "sent"})
    ('draft', 'sent')
    """
    state = manifest.get("state", "draft")
    if state not in STATES:
        raise InputError(f"state = {state!r} in the manifest is none; known: {', '.join(STATES)}")
    return str(state)


class ReportsFolder:
    """The folder that holds a shop's weeks.

    Parameters
    ----------
    path : str or Path
        Where it is, or will be.

    Examples
    --------
    >>> import tempfile
    >>> reports = ReportsFolder(tempfile.mkdtemp())
    >>> with reports.staging(Week(2017, 44)) as staged:
    ...     write_json(staged / "manifest.json", {"status": "good"})
    ...     _ = (staged / "index.html").write_text("the report")
    ...     reports.publish(staged, Week(2017, 44))
    >>> reports.weeks()
    [Week(year=2017, number=44)]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()

    def __repr__(self) -> str:
        return f"ReportsFolder({str(self.path)!r})"

    @classmethod
    def prepared(cls, out: str | Path, week: Week | None = None) -> ReportsFolder:
        """Make the folder, and see that it can be written.

        Parameters
        ----------
        out : str or Path
            Where it shall be.
        week : Week, optional
            The week that will be published in it.

        Raises
        ------
        InputError
            If it is a file, cannot be made or cannot be written.
        """
        path = Path(out).expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise InputError(f"--out {out} is a file; give a folder for the reports")
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Permission bits say little (root, read-only mounts), so try.
            probe = path / f"{_PART}{secrets.token_hex(6)}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"--out {out} cannot be written ({error.strerror}); give a folder that can"
            ) from error
        if week is not None and (path / str(week)).exists() and not (path / str(week)).is_dir():
            raise InputError(f"{Path(out) / str(week)} is a file; the week's report goes there")
        return cls(path)

    @classmethod
    def there(cls, out: str | Path) -> ReportsFolder:
        """Return a folder that is there.

        Raises
        ------
        InputError
            If it is not.
        """
        found = cls(out)
        if not found.path.is_dir():
            raise InputError(f"there is no reports folder {out}; promolab report makes one")
        return found

    def weeks(self) -> list[Week]:
        """Return the weeks whose report is whole, in order of time."""
        weeks = []
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if _WEEK_FOLDER.fullmatch(path.name) and (path / "index.html").is_file():
                manifest = read_json(path / "manifest.json")
                if isinstance(manifest, dict) and manifest.get("status") == "good":
                    with suppress(InputError):
                        weeks.append(Week.parse(path.name))
        return sorted(weeks)

    def run(self, week: Week) -> RunFolder:
        """Return a week's folder, whether it is there or not."""
        return RunFolder(self.path / str(week), week)

    def whole_run(self, week: Week) -> RunFolder:
        """Return the folder of a week whose report is whole.

        Raises
        ------
        InputError
            If there is none; it says whether the week failed.
        """
        weeks = self.weeks()
        if week in weeks:
            return self.run(week)
        failed = self.failures().get(week)
        if failed is not None:
            raise InputError(
                f"the report of {week} failed ({failed.get('reason', 'reason unknown')}); "
                f"make it again: promolab report --week {week}"
            )
        there = f"; there are {', '.join(map(str, weeks[-5:]))}" if weeks else ""
        raise InputError(
            f"there is no report of {week} in {self.path}{there}. Make it: promolab report "
            f"--week {week}"
        )

    def state(self, week: Week) -> str | None:
        """Return the state of a week's plan; None where no report of it is whole."""
        return state_of(self.run(week).manifest) if week in self.weeks() else None

    def check_owner(self, source: str, name: str) -> None:
        """Refuse a folder that belongs to another source or shop.

        Parameters
        ----------
        source, name : str
            The source as manifests write it, and what readers call the shop.

        Raises
        ------
        InputError
            It names both. A folder without any good week belongs to nobody.
        """
        owner = read_json(self.path / _SOURCE)
        if not isinstance(owner, dict) or not {"source", "name"} <= owner.keys():
            return
        if (owner["source"], owner["name"]) == (source, name) or not self.weeks():
            return
        raise InputError(
            f"{self.path} holds the reports of {owner['name']} ({owner['source']}), not of {name} "
            f"({source}); give another --out. If it is the same shop under another name or path, "
            f"remove {_SOURCE} there"
        )

    def note_owner(self, source: str, name: str) -> None:
        """Note whose reports these are."""
        write_json(self.path / _SOURCE, {"source": source, "name": name})

    @property
    def shop(self) -> str:
        """What readers call the shop whose reports these are; empty where nothing says so."""
        owner = read_json(self.path / _SOURCE)
        return str(owner.get("name", "")) if isinstance(owner, dict) else ""

    def failed(self, week: Week) -> Path:
        """Return where notebooks of a week that failed are kept."""
        return self.path / _FAILED / str(week)

    def note_failure(self, week: Week, shop: str, reason: str, at: datetime) -> None:
        """Note that a week failed, and why; the earlier report of the week, if any, stands.

        Parameters
        ----------
        week : Week
            The week.
        shop : str
            What readers call the shop.
        reason : str
            A sentence without secrets or paths of this machine.
        at : datetime
            When, UTC without a zone.
        """
        (self.path / _FAILED).mkdir(exist_ok=True)
        told = {"week": str(week), "shop": shop, "reason": reason, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        write_json(self.path / _FAILED / f"{week}.json", told)

    def forget_failure(self, week: Week) -> None:
        """Remove what is left of a week's failures; it has succeeded."""
        shutil.rmtree(self.failed(week), ignore_errors=True)
        (self.path / _FAILED / f"{week}.json").unlink(missing_ok=True)
        with suppress(OSError):  # another week's lies there
            (self.path / _FAILED).rmdir()

    def failures(self) -> dict[Week, Mapping[str, Any]]:
        """Return the weeks whose last run failed, and what `note_failure` noted of each."""
        found: dict[Week, Mapping[str, Any]] = {}
        for path in sorted((self.path / _FAILED).glob("*.json")):
            record = read_json(path)
            with suppress(InputError):
                if isinstance(record, dict):
                    found[Week.parse(path.stem)] = record
        return found

    @contextmanager
    def locked(
        self,
        week: Week | None = None,
        *,
        wait: float = WAIT,
        say: Callable[[str], object] | None = None,
    ) -> Iterator[None]:
        """Hold the folder: one run writes into it at a time.

        Parameters
        ----------
        week : Week, optional
            The week to be made, for whoever has to wait for it.
        wait : float
            Seconds to wait for another run before giving up.
        say : callable, optional
            Told once, before waiting, which run holds the folder.

        Raises
        ------
        StepError
            If another run holds it all the while; the message says which.
        """
        with self._claimed(wait, say) as file:
            file.truncate(0)
            since = f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            said = f"process {os.getpid()}, {since}" + (f", week {week}" if week else "")
            file.write(said.encode())
            file.flush()
            yield

    def _claimed(self, wait: float, say: Callable[[str], object] | None) -> IO[bytes]:
        # The lock goes with the process that holds it: there is no dead run to wait for.
        lock, until = self.path / ".lock", time.monotonic() + wait
        held = ""
        while True:
            try:
                file = claim(lock)
            except OSError as error:
                raise StepError(f"{self.path} cannot be locked: {error.strerror}") from error
            if file is not None:
                return file
            if not held:
                time.sleep(0.05)  # it may just be writing its name
                holder = lock.read_text(encoding="utf-8").strip() or "unknown"
                held = f"another run is writing into {self.path} ({holder})"
                if say is not None and wait > 0:
                    say(f"{held}; waiting until it is done")
            if time.monotonic() >= until:
                raise StepError(f"{held}; try again when it is done")
            time.sleep(0.1)

    def tidy(self) -> None:
        """Finish or undo what a killed run left; call it with the lock held."""
        out = self.path
        for left in sorted(out.glob(f"{_ASIDE}*")):
            target = out / left.name.removeprefix(_ASIDE)
            if target.exists():
                shutil.rmtree(left, ignore_errors=True)
            else:  # killed between the two renames: the earlier report stands again
                os.rename(left, target)
        for left in (*out.glob(f"{_STAGING}*"), *out.glob(f"{_PART}*"), *out.glob(".*.part")):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Clear away what a killed run left, unless a run is at it; a run that fails early does."""
        if any(next(self.path.glob(f"{n}*"), None) for n in (_STAGING, _ASIDE, _PART)):
            with suppress(StepError), self.locked(wait=0):
                self.tidy()

    @contextmanager
    def staging(self, week: Week | str) -> Iterator[Path]:
        """Give a fresh hidden folder to build a week in; whatever is left of it in the end goes.

        Parameters
        ----------
        week : Week or str
            The week to build, or another folder's name.

        Yields
        ------
        Path
            The folder. Its name is never used again: a kernel of a killed run may still write into
            its own.
        """
        path = self.path / f"{_STAGING}{week}-{secrets.token_hex(6)}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, staged: Path, week: Week | str) -> None:
        """Put a finished folder in the place of the week's, what holds ids closed to others."""
        target = self.path / str(week)
        keep_private(staged)
        if not target.exists():
            os.rename(staged, target)
        elif exchange(staged, target):
            shutil.rmtree(staged, ignore_errors=True)
        else:
            aside = target.with_name(f"{_ASIDE}{target.name}")
            os.rename(target, aside)
            os.rename(staged, target)
            shutil.rmtree(aside, ignore_errors=True)

    def point_latest(self) -> None:
        """Let ``latest`` point to the newest good week."""
        weeks, latest = self.weeks(), self.path / "latest"
        if not weeks or (latest.exists() and not latest.is_symlink()):
            return  # a real file or folder of that name is not ours to replace
        part = self.path / f"{_PART}{secrets.token_hex(6)}"
        with suppress(NotImplementedError, PermissionError):  # a file system without symlinks
            part.symlink_to(str(weeks[-1]), target_is_directory=True)
            os.replace(part, latest)


LIVE = timedelta(days=14)
"""A source whose last event is not longer ago is live."""


@dataclass(frozen=True)
class Weeks:
    """The weeks that can be reported on.

    Parameters
    ----------
    shop : str
        What readers call the shop.
    earliest, latest : Week
        The first and the last one.
    default : Week
        The one that is meant where none is asked for.
    """

    shop: str
    earliest: Week
    latest: Week
    default: Week

    @classmethod
    def of(cls, shop: Shop, now: datetime, lead_days: int = 0) -> Weeks:
        """Return the weeks that a shop can be reported on.

        A week begins after the first event and not after the last one; data that end on a Sunday
        allow the Monday after, of which they tell all that can be known then. Of a live source a
        week may also begin after the last event, if its decision (``lead_days`` before) is not
        after ``now``: what is missing then is said by `promolab.contract.data_age`.

        Parameters
        ----------
        shop : Shop
            The shop.
        now : datetime
            The present, UTC without a zone.
        lead_days : int
            Days from the decision to the week's start.

        Returns
        -------
        Weeks
            By default the current week for a live source, else the settings' own, else the last:
            of data that end on a Sunday the one that begins next day.

        Raises
        ------
        DataError
            If the data cover no week.
        """
        first, last = shop.span()
        live = is_live(shop, now)
        earliest, inside = Week.containing(first, shop.zone), Week.containing(last, shop.zone)
        if earliest.start(shop.zone) <= first:
            earliest = earliest.next()
        current = Week.containing(now, shop.zone)
        is_sunday = last.replace(tzinfo=UTC).astimezone(ZoneInfo(shop.zone)).isoweekday() == 7
        latest = inside.next() if is_sunday else inside
        if live:
            latest = max(latest, Week.containing(now + timedelta(days=lead_days), shop.zone))
        if earliest > latest:
            raise DataError(
                f"the data of {shop.settings.name} cover {first:%Y-%m-%d} to {last:%Y-%m-%d}: no "
                "week begins after the first event and before the last"
            )
        stated = shop.settings.default_week
        default = Week.parse(stated) if stated else latest
        if live:
            default = max(current, earliest)
        return cls(shop.settings.name, earliest, latest, default)

    def chosen(self, asked: Week | None) -> Week:
        """Return the week to report on.

        Raises
        ------
        InputError
            If the data say nothing about it.
        """
        week = asked or self.default
        if not self.earliest <= week <= self.latest:
            where = "before the data do" if week < self.earliest else "after the data end"
            raise InputError(
                f"the week {week} begins {where}; the data of {self.shop} cover "
                f"{self.earliest} … {self.latest}: choose one of these"
            )
        return week


def is_live(shop: Shop, now: datetime) -> bool:
    """Tell whether a shop's data reach into the last days: they go on while it is worked with.

    Parameters
    ----------
    shop : Shop
        The shop.
    now : datetime
        The present, UTC without a zone.
    """
    return _last_until(shop, shop.span()[1], now) >= now - LIVE


def _last_until(shop: Shop, last: datetime, now: datetime) -> datetime:
    """Return the last event that is not ahead: one dated 2099 does not make a source old."""
    if last <= now:
        return last
    ts = shop["events"].ts
    found = shop["events"].filter(ts <= now).ts.max().to_pyarrow().as_py()
    moment: datetime = datetime.min if found is None else found
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
