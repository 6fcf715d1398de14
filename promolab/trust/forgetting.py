"""Forgetting: a customer leaves a reports folder, week by week, each of them whole or not at all.

What is to be done stands in ``forgetting.json`` before anything changes, and goes in the end: a
call that was killed is finished by the next one. `promolab.folder.forgotten` has who is forgotten.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from promolab import folder, loop
from promolab.campaign.plan import neutralised
from promolab.contract import read_operations
from promolab.errors import InputError, StepError
from promolab.results import Result
from promolab.sources import load_shop

JOURNAL, CONTROL, MANIFEST = "forgetting.json", "control.csv", "manifest.json"
_IDS = ("customer_id", "as_sent", "decision_id")
_PICTURE, _PNG = re.compile(r"<img[^>]*>"), re.compile(r"(?<=base64,)[\w+/=]+")
_WHITE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
Reports = folder.ReportsFolder


@dataclass(frozen=True)
class Erasure(Result):
    """What became of those who asked to be forgotten; by `forget_customers`.

    Parameters
    ----------
    customers : int
        Ids that were given a code.
    counts : mapping of str to int
        What left or was given a code, by kind: rows of tables, of lists, of the shop …
    refit : tuple of str
        Models that are gone, by week and file: they were learned from the customers as well.
    sources : tuple of str
        Sources that still hold one of them, or that could not be opened.
    """

    customers: int
    counts: Mapping[str, int]
    refit: tuple[str, ...]
    sources: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return how many rows and files were concerned."""
        return {"rows": sum(self.counts.values())}


def forget_customers(
    customers: Iterable[Any] | str = (), out: str | Path = "reports", reason: str = ""
) -> Erasure:
    """Forget customers: their ids leave a reports folder, and nothing is learned from them again.

    Their rows leave send files, quarantines, dead letters, the served log and the cleaned shop; in
    the ledger and the weeks' tables random codes take the place of their ids. Saved models that
    were learned from them are deleted. Pseudonyms on pages are overwritten in place; figures stay,
    for they name nobody. Whatever the source holds, later reports leave the customers out.

    Parameters
    ----------
    customers : sequence of ids
        As the shop writes them, each way of writing one. None of them: an earlier call that was
        killed is finished.
    out : str or Path
        The reports folder.
    reason : str
        Goes on record in ``forgotten.jsonl``, beside the code and a keyed digest; never an id.

    Returns
    -------
    Erasure

    Raises
    ------
    InputError
        No reason, an unknown id, one that is written in other ways as well, a service that runs on
        the folder, or another command that writes into it.

    Examples
    --------
    >>> import tempfile
    >>> forget_customers([], tempfile.mkdtemp())
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: nobody is named, and no earlier call is left to finish; ...
    """
    reports = Reports.there(out)
    given = [customers] if isinstance(customers, str) else [*map(str, customers)]
    with _alone(reports):
        told = folder.read_json(reports.path / JOURNAL) or _intent(reports, given, reason)
        done = _carry_out(reports, told)
    later = [one for one in given if one not in told["codes"]]
    return forget_customers(later, out, reason) if later else done


@contextmanager
def _alone(reports: Reports) -> Iterator[None]:
    """Hold the folder and its released weeks; refuse where a command or a service has one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(reports.locked(wait=0))
        except StepError as error:
            raise InputError(f"nobody was forgotten: {error}") from error
        reports.tidy()
        for week in (week for week in reports.weeks() if reports.state(week) != "draft"):
            held = folder.claim(reports.run(week).path / loop.SERVED / ".lock")
            if held is None:
                raise InputError(f"nobody was forgotten: a service answers from {week}; end it")
            stack.enter_context(held)
        yield


def _intent(reports: Reports, given: Sequence[str], reason: str) -> dict[str, Any]:
    """Check what is asked for, and write down what is to be done, and with which codes."""
    if not given:
        raise InputError("nobody is named, and no earlier call is left to finish; give their ids")
    if not reason.strip():
        raise InputError("there is no reason; say why with --reason: it goes on record, no id does")
    loop.released_plans(reports)  # refuses what is not as it was released
    ways, found = _search(reports, given)
    for one in given:
        mine = {known: place for known, place in ways.items() if _alike(known) == _alike(one)}
        told = ", ".join(f"{json.dumps(k, ensure_ascii=False)} in {p}" for k, p in mine.items())
        if one not in map(str, mine):
            told = f"there is {told}" if told else "give it as the shop writes it"
            raise InputError(f"no table holds a customer {one}; {told}. Nothing was changed")
        if Counter(map(str, mine)) - Counter(given):  # 12 and "12" are 12 twice
            said = "To forget all of them, name each in one call (a number and its text: twice)"
            raise InputError(f"customer {one} is written in more than one way: {told}. {said}")
    numbers = {str(known) for known in ways if isinstance(known, int)}
    found["codes"] = {one: str(folder.new_code(whole=one in numbers)) for one in given}
    found["said"] = {"at": loop.stamp(), "reason": reason.strip()}
    found |= {"salt": secrets.token_hex(32), "known": False, "counts": {}}
    _note(reports, found)
    return found


def _note(reports: Reports, told: Mapping[str, Any]) -> None:
    folder.write_secret(reports.path / JOURNAL, json.dumps(told).encode())


def _alike(one: Any) -> str:
    return str(one).strip().lower()


def _weeks(reports: Reports) -> dict[Path, dict[str, Any]]:
    """Return the weeks' folders, in order of time, and others beside them; with their manifests."""
    own = (path for path in sorted(reports.path.glob("[!.]*/")) if not path.is_symlink())
    return {path: folder.read_json(path / MANIFEST) or {} for path in own}


def _ledgers(reports: Reports) -> set[tuple[Path, str]]:
    """Return the ledgers that the weeks write, and whose each is."""
    told = {(m.get("ledger") or "", m.get("shop")) for m in _weeks(reports).values()}
    paths = {(reports.path / (name or "ledger.duckdb"), str(shop)) for name, shop in told if shop}
    return {(path, shop) for path, shop in paths if path.is_file()}


def _search(reports: Reports, given: Sequence[str]) -> tuple[dict[Any, str], dict[str, Any]]:
    """Return how the ids are written, and where; codes for their decisions, and the sources."""
    keys, rows, held = {*map(_alike, given)}, list[tuple[str, str, Any]](), set[str]()
    for kind, place, table in _tables(reports):
        if table is None:  # it cannot be opened: it may hold them
            held.add(place)
            continue
        alike = _texts(table).apply(lambda ids: ids.str.strip().str.lower()).isin(keys)
        found = table.filter(alike.any(axis=1).to_numpy(bool))
        rows += [(kind, place, row) for row in found.to_pylist()]
    ways, codes = dict[Any, str](), dict[str, str]()
    for kind, place, row in sorted(rows, key=lambda found: not found[0]):
        for one in (row.get("customer_id"), row.get("as_sent")):  # of no kind: it is but a text
            if _alike(one) in keys and (kind or str(one) not in map(str, ways)):
                ways.setdefault(one, place)
        if str(row.get("customer_id")) in given:
            held |= {place} if kind == "source" else set()
            if "decision_id" in row:
                codes.setdefault(str(row["decision_id"]), folder.new_code(whole=False))
    return ways, {"decisions": codes, "sources": sorted(held)}


def _tables(reports: Reports) -> Iterator[tuple[str, str, pa.Table | None]]:
    """Give ids: whose type they have (of none: texts), where they stand, and the table."""
    weeks = _weeks(reports)
    for path in (path for week in weeks for path in sorted(week.rglob("*.parquet"))):
        names = [name for name in (*_IDS, "row") if name in pq.read_schema(path).names]
        table = pq.read_table(path, columns=names, partitioning=None)
        if path.stem == "quarantine":
            table = _customers(map(json.loads, table["row"].to_pylist()))
        kind = path.parent.name if path.parent.name == "shop" else ""
        yield kind, path.relative_to(reports.path).as_posix(), table
    for rows in (folder.read_suppressions(reports.path), *map(loop.read_served, weeks)):
        yield "", "the service's", _customers(rows)
    for path, shop in _ledgers(reports):
        with loop.reading(path, shop) as ledger:
            for name in ("decisions", "served", "overrides"):
                yield "", path.name, ledger.table(name).to_arrow_table()
    told = [manifest.get("parameters", {}) for manifest in weeks.values()]
    asked = {(one["source"], one.get("shop_file")) for one in told if one.get("source")}
    for source, settings in sorted(asked, key=repr):
        try:
            for table in load_shop(source, settings=settings).tables.values():
                if "customer_id" in table.columns:
                    yield "source", source, table.select("customer_id").distinct().to_pyarrow()
        except Exception:  # of a driver, too: what is forgotten here is forgotten all the same
            yield "source", source, None


def _customers(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    ids = [str(row["customer_id"]) for row in rows if row.get("customer_id") is not None]
    return pa.table({"customer_id": pa.array(ids, pa.string())})


def _texts(table: pa.Table) -> pd.DataFrame:
    """Return a table's columns of ids, as texts."""
    names = [name for name in _IDS if name in table.column_names]
    texts = table.select(names).cast(pa.schema([(name, pa.string()) for name in names]))
    return pd.DataFrame(texts.to_pandas(), index=range(len(table)))


@dataclass(frozen=True)
class _Who:
    """Those to be forgotten, and what takes the place of ids, of decisions' ids, and on pages."""

    ids: list[str]
    words: re.Pattern[str]
    instead: Mapping[str, str]
    shown: dict[str, str]

    def theirs(self, table: pa.Table) -> Any:
        """Tell which rows are theirs; of those in quarantine, by any text that is their id."""
        if {"rule", "row"} <= {*table.column_names}:
            rows = map(json.loads, table["row"].to_pylist())
            return np.array([not self._told_by(row).isdisjoint(self.ids) for row in rows], bool)
        return _texts(table).isin([*self.instead]).any(axis=1).to_numpy(bool)

    def _told_by(self, row: Mapping[str, Any]) -> set[str]:
        """Return what may be ids: a quantity of 12, or product "12", is not customer 12."""
        own = {str(value).strip() for name, value in row.items() if name in _IDS}
        own |= {*re.split(r"[/\\]|\.\w+$", str(row.get("sound", "")))}  # of a call: named by a path
        texts = {value.strip() for value in row.values() if isinstance(value, str)}
        return own | {text for text in texts if not text.isdigit()}

    def coded(self, table: pa.Table) -> pa.Table:
        """Return a table with codes in it, in rows behind all others: no place tells whose."""
        columns, theirs = {n: table[n] for n in table.column_names}, self.theirs(table)
        for name, ids in _texts(table).items():
            kind = pa.int64() if pa.types.is_integer(table[name].type) else pa.string()
            ids.update(ids[ids.isin([*self.instead])].map(self.instead))
            columns[name] = pa.array(ids, pa.string()).cast(kind)
        if "most" in columns:  # an override: what a person wrote of whom
            columns["reason"] = pa.array(table["reason"].to_pandas().mask(theirs, ""), pa.string())
        mine = np.random.default_rng().permutation(np.flatnonzero(theirs))
        return pa.table(columns).take(np.append(np.flatnonzero(~theirs), mine))

    def leave_table(self, path: Path) -> int:
        """Let them leave a file of rows, or put codes in their places; return how many."""
        table, wholly = pq.read_table(path, partitioning=None), path.stem == "quarantine"
        if (theirs := self.theirs(table)).any():
            wholly |= path.parent.name == "shop"
            with folder.whole(path) as part:
                left = table.filter(~theirs) if wholly else self.coded(table)
                pq.write_table(left, part, compression="zstd")
        return int(theirs.sum())

    def leave_lines(self, path: Path) -> int:
        """Let them leave a log; of what nobody could read, whatever has their id as a word."""
        rows = folder.read_lines(path)
        kept = [row for row in rows if str(row.get("customer_id")) not in self.ids]
        kept = [row for row in kept if not self.words.search(str(row.get("line", "")))]
        if len(kept) < len(rows):
            folder.write_lines(path, kept)
        return len(rows) - len(kept)

    def leave_list(self, path: Path, titles: list[str], fresh: Mapping[str, str]) -> int:
        """Let them leave a list for the sending tool; its control sums are made anew."""
        rows, ids = _cells(path), [*self.ids, *neutralised(pd.Series(self.ids))]
        kept = rows[~rows.filter(titles).isin(ids).any(axis=1)]
        changed = rows[rows["sha256"].isin(fresh)] if path.name == CONTROL else rows[:0]
        for place, row in changed.iterrows():
            listed = _cells(path.with_name(row["file"]))
            sums = [len(listed), listed.filter(titles).iloc[:, 0].nunique(), fresh[row["sha256"]]]
            kept.loc[place, ["rows", "customers", "sha256"]] = [*map(str, sums)]
        if n := len(rows) - len(kept) + len(changed):
            mark = "\ufeff" * path.read_text("utf-8").startswith("\ufeff")  # that Excel looks for
            folder.write_whole(path, mark + kept.to_csv(index=False, lineterminator="\n"))
        return n

    def leave_page(self, path: Path) -> int:
        """Overwrite their pseudonyms on a page, and what is painted where one stands."""
        text = path.read_text("utf-8", errors="surrogateescape")
        for tag in _PICTURE.findall(text):
            if _with(tag, self.shown) != tag:  # a page comes before its notebook
                self.shown.update(dict.fromkeys(_PNG.findall(tag), _WHITE))
        if (made := _with(text, self.shown)) != text:
            with folder.whole(path) as part:
                part.write_text(made, "utf-8", errors="surrogateescape")
        return int(made != text)


def _cells(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _with(text: str, instead: Mapping[str, str]) -> str:
    """Return a text with others in the place of some of its parts."""
    for old, new in instead.items():
        text = text.replace(old, new)
    return text


def _carry_out(reports: Reports, told: dict[str, Any]) -> Erasure:
    """Do what is left to be done; each step changes a file or a week whole, or nothing."""
    key, salt, ids = folder.folder_key(reports.path), bytes.fromhex(told["salt"]), [*told["codes"]]
    shown = {folder.codes(key, [one])[0]: folder.codes(salt, [one])[0] for one in ids}
    words = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, ids))})(?![\w.-])", re.IGNORECASE)
    who = _Who(ids, words, told["codes"] | told["decisions"], shown)
    record, digests = reports.path / folder.FORGOTTEN, folder.digests_of(key, ids)
    # First of all: whatever becomes of this call, no week learns of them from now on.
    there = {row["digest"] for row in folder.forgotten_rows(reports.path)}
    new = [{"digest": one, **told["said"], "counts": {}} for one in digests if one not in there]
    folder.append_lines(record, new)
    for week in _weeks(reports):
        _forget_in(reports, week, told, who)
    counts = Counter(told["counts"])
    counts["refusals"] = folder.forget_suppressions(reports.path, ids, salt)
    for path, shop in _ledgers(reports):
        loop.remake(path, shop, who.coded)
    for page in (*reports.path.glob("*.html"), *reports.path.glob("*.md")):
        who.leave_page(page)
    shutil.rmtree(reports.path / ".failed", ignore_errors=True)  # what notebooks said as they broke
    rows = folder.read_lines(record)
    rows = [row | ({"counts": counts} if row["digest"] in digests else {}) for row in rows]
    folder.write_lines(record, rows)
    (reports.path / JOURNAL).unlink()
    marked = {week.name: m.get("to_be_refitted", ()) for week, m in _weeks(reports).items()}
    refit = tuple(f"{week}/{name}" for week, names in marked.items() for name in names)
    return Erasure(len(ids), dict(counts), refit, tuple(told["sources"]))


def _forget_in(reports: Reports, week: Path, told: dict[str, Any], who: _Who) -> None:
    """Write a folder anew beside itself, without them, and swap the two in one step."""
    found, fresh, models = Counter[str](), dict[str, str](), list[str]()
    send = read_operations(loop.settings_of(week)).send
    titles = ["customer_id", send.columns.get("customer_id", "")]
    with reports.staging(week.name) as staged:
        shutil.copytree(week, staged, symlinks=True, dirs_exist_ok=True)
        files = [path for path in staged.rglob("*") if path.is_file() and not path.is_symlink()]
        for path in sorted(files, key=lambda path: (path.name == CONTROL, path)):
            place, kind, n = path.relative_to(staged), "pages", 0
            if path.suffix == ".parquet":
                kind = "shop" if place.parts[0] == "shop" else "tables"
                n = who.leave_table(path)
            elif path.suffix == ".jsonl":
                kind, n = "log", who.leave_lines(path)
            elif place.parts[0] == "send":
                kind, n = "lists", who.leave_list(path, titles, fresh)
            elif b"\0" not in path.read_bytes()[:16]:
                n = who.leave_page(path)
            elif path.suffix != ".png" and not path.name.startswith("."):  # a saved model or result
                models.append(place.as_posix())
            found[kind] += n
            if n:
                fresh[folder.sha256_of(week / place)] = folder.sha256_of(path)
        told["known"] |= bool(found["shop"] + found["tables"])  # later weeks carry on what it made
        models = models if told["known"] else []
        if not (found.total() or models):
            return
        for name in models:
            (staged / name).unlink()
        manifest = folder.read_json(staged / MANIFEST) or {}
        made = json.loads(_with(json.dumps(manifest), fresh))
        if (digest := loop.nameless_digest(staged)) != loop.nameless_digest(week):
            raise StepError(f"{week.name} would not be what it was; it was left as it is")
        erased = {**told["said"], "customers": len(who.ids), "decisions": digest}
        made["erasures"] = [*made.get("erasures", ()), erased]
        made["to_be_refitted"] = sorted({*made.get("to_be_refitted", ()), *models})
        folder.write_json(staged / MANIFEST, made)
        told["counts"] = found + Counter(told["counts"])
        _note(reports, told)
        reports.publish(staged, week.name)
