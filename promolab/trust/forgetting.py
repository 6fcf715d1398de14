"""Forgetting: a customer leaves a reports folder, week by week, each of them whole or not at all.

What is to be done stands in ``forgetting.json`` before anything changes, and goes in the end: a
call that was killed is finished by the next one. `promolab.folder.forgotten` has who is forgotten.
"""

from __future__ import annotations

import base64
import codecs
import io
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

import duckdb
import pandas as pd

from promolab import folder, loop
from promolab.campaign.plan import neutralised
from promolab.contract import read_operations, read_settings
from promolab.errors import InputError, StepError
from promolab.results import Result
from promolab.sources import load_shop

JOURNAL, CONTROL, MANIFEST = "forgetting.json", "control.csv", "manifest.json"
_DECIDED = ("decisions", "served")
_PICTURE, _PNG = re.compile(r"<img[^>]*>"), re.compile(r"(?<=base64,)[\w+/=]+")
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
        Sources that still hold one of them.
    unread : tuple of str
        Sources that could not be opened.
    """

    customers: int
    counts: Mapping[str, int]
    refit: tuple[str, ...]
    sources: tuple[str, ...]
    unread: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return how many rows and files were concerned."""
        return {"rows": sum(self.counts.values())}


def forget_customers(
    customers: Iterable[Any] | str = (),
    out: str | Path = "reports",
    reason: str = "",
    *,
    exactly: bool = False,
) -> Erasure:
    """Forget customers: their ids leave a reports folder, and nothing is learned from them again.

    Their rows leave send files, quarantines, dead letters, the served log and the cleaned shop; in
    the ledger and the weeks' tables random codes take the place of their ids. Saved models that
    were learned from them are deleted. Pseudonyms on pages are overwritten in place; figures stay,
    for they name nobody. Whatever the source holds, later reports leave the customers out.

    Parameters
    ----------
    customers : sequence of ids
        As the shop writes them. None of them: an earlier call that was killed is finished.
    out : str or Path
        The reports folder.
    reason : str
        Goes on record in ``forgotten.jsonl``, beside the code and a keyed digest; never an id.
    exactly : bool
        Where an id is written in more than one way (by case, blanks or type): these and no others.

    Returns
    -------
    Erasure

    Raises
    ------
    InputError
        No reason, an unknown id, one that is spelled in several ways, a service that runs on the
        folder, or another command that writes into it.

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
        left = folder.read_json(reports.path / JOURNAL)
        told = left or _intent(reports, given, reason, exactly)
        done = _carry_out(reports, told)
    later = [one for one in given if one not in told["codes"]]
    return forget_customers(later, out, reason, exactly=exactly) if later else done


@contextmanager
def _alone(reports: Reports) -> Iterator[None]:
    """Hold the folder and its released weeks; refuse where a command or a service has one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(reports.locked(wait=0))
        except StepError as error:
            raise InputError(f"nobody was forgotten: {error}") from error
        reports.tidy()
        for week in reports.weeks():
            if reports.state(week) != "draft":
                held = folder.claim(reports.run(week).path / loop.SERVED / ".lock")
                if held is None:
                    raise InputError(f"nobody was forgotten: a service answers from {week}; end it")
                stack.enter_context(held)
        yield


def _intent(reports: Reports, given: Sequence[str], reason: str, exactly: bool) -> dict[str, Any]:
    """Check what is asked for, and write down what is to be done, and with which codes."""
    if not given:
        raise InputError("nobody is named, and no earlier call is left to finish; give their ids")
    if not reason.strip():
        raise InputError("there is no reason; say why with --reason: it goes on record, no id does")
    loop.released_plans(reports)  # refuses what is not as it was released
    ways = _ways(reports, {*map(_alike, given)})
    for one in given:
        mine = {known: ways[known] for known in ways if _alike(known) == _alike(one)}
        told = ", ".join(f"{json.dumps(k, ensure_ascii=False)} in {p}" for k, p in mine.items())
        if one not in map(str, mine):
            told = f"there is {told}" if told else "give it as the shop writes it"
            raise InputError(f"no table holds a customer {one}; {told}. Nothing was changed")
        if len(mine) > 1 and not exactly:
            said = "Name each that is meant, and give --exactly: then it is these and no others"
            raise InputError(f"customer {one} is written in more than one way: {told}. {said}")
    numbers = {str(known) for known in ways if isinstance(known, int)}
    codes = {one: folder.new_code(whole=one in numbers) for one in given}
    intent = {"codes": codes, "salt": secrets.token_hex(32), "known": False, "counts": {}}
    intent |= {"at": loop.stamp(), "reason": reason.strip()}
    _note(reports, intent)
    return intent


def _note(reports: Reports, told: Mapping[str, Any]) -> None:
    folder.write_secret(reports.path / JOURNAL, json.dumps(told).encode())


def _alike(one: Any) -> str:
    return str(one).strip().lower()


def _weeks(reports: Reports) -> dict[Path, dict[str, Any]]:
    """Return the weeks' folders, in order of time, and others beside them; with their manifests."""
    every = [path for path in sorted(reports.path.iterdir()) if path.is_dir()]
    own = [p for p in every if not p.is_symlink() and not p.name.startswith(".")]
    return {path: folder.read_json(path / MANIFEST) or {} for path in own}


def _ledgers(reports: Reports) -> set[tuple[Path, str]]:
    """Return the ledgers that the weeks write, and whose each is."""
    told = {(m.get("ledger") or "", m.get("shop")) for m in _weeks(reports).values()}
    paths = {(reports.path / (name or "ledger.duckdb"), str(shop)) for name, shop in told if shop}
    return {(path, shop) for path, shop in paths if path.is_file()}


def _ways(reports: Reports, keys: set[str]) -> dict[Any, str]:
    """Return the ids that are these but for case, blanks and type, and where each stands."""
    found: dict[Any, str] = {}
    texts: dict[Any, str] = {}  # of numbers, too
    con, like = duckdb.connect(), f"WHERE lower(trim({{0}}::VARCHAR, ' \"')) IN {_listed(keys)}"
    for path in (path for week in _weeks(reports) for path in sorted(week.rglob("*.parquet"))):
        for name in {"customer_id", "as_sent", "row"} & {*_columns(con, path)}:
            cell = "(row->'$.customer_id')" if name == "row" else name
            rows = con.execute(f"SELECT {cell} FROM {_quoted(path)} {like.format(cell)}").fetchall()
            for one in {json.loads(one) if name == "row" else one for (one,) in rows}:
                sure = name == "row" or path.parent.name == "shop" or isinstance(one, int)
                place = path.relative_to(reports.path).as_posix()
                (found if sure else texts).setdefault(one, place)
    kept = [*folder.read_suppressions(reports.path)]
    kept += [row for week in _weeks(reports) for row in loop.read_served(week)]
    texts |= {i: "the service's" for row in kept if _alike(i := row.get("customer_id")) in keys}
    for path, shop in _ledgers(reports):
        with loop.reading(path, shop) as ledger:
            for table in ("decisions", "served", "overrides"):
                query = f"SELECT customer_id FROM {table} {like.format('customer_id')}"
                texts |= {one: path.name for (one,) in ledger.execute(query).fetchall()}
    found |= {one: source for one, source in _held(reports, keys) if one not in {None, *found}}
    return {one: p for one, p in texts.items() if str(one) not in map(str, found)} | found


def _held(reports: Reports, keys: set[str]) -> list[tuple[Any, str]]:
    """Return which of the ids the weeks' sources hold; None for a source that does not open."""
    told = [manifest.get("parameters", {}) for manifest in _weeks(reports).values()]
    asked = {(one["source"], one.get("shop_file")) for one in told if one.get("source")}
    found: list[tuple[Any, str]] = []
    for source, settings in sorted(asked, key=repr):
        try:
            for table in load_shop(source, settings=settings).tables.values():
                if "customer_id" in table.columns:
                    ids = table.select("customer_id").distinct().execute()["customer_id"].dropna()
                    found += [(one, source) for one in ids.tolist() if _alike(one) in keys]
        except Exception:  # of a driver, too: what is forgotten here is forgotten all the same
            found.append((None, source))
    return found


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _listed(texts: Iterable[str]) -> str:
    return f"({', '.join(map(_quoted, texts))})"


def _columns(con: Any, table: object) -> dict[str, str]:
    """Return the columns of a table or file, and their types."""
    name = _quoted(table) if isinstance(table, Path) else table
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()}


@dataclass(frozen=True)
class _Who:
    """Those to be forgotten: what takes the place of their ids, decisions and pseudonyms."""

    codes: Mapping[str, Any]
    salt: str
    shown: dict[str, str]

    def selected(self, columns: Mapping[str, str], decisions: Iterable[str]) -> tuple[str, str]:
        """Return the columns of a table ``t`` with codes in them, and which rows have one."""
        ids = f"IN {_listed(self.codes)}"
        cases = "".join(f" WHEN {_quoted(i)} THEN {_quoted(c)}" for i, c in self.codes.items())
        told, theirs = {name: f't."{name}"' for name in columns}, ["FALSE"]
        for name in {"customer_id", "as_sent"} & {*columns}:
            kind = "BIGINT" if "INT" in columns[name] else "VARCHAR"
            told[name] = f"(CASE t.{name}::VARCHAR{cases} ELSE t.{name}::VARCHAR END)::{kind}"
            theirs.append(f"t.{name}::VARCHAR {ids}")
        if "decision_id" in columns and decisions:
            made = f"SELECT decision_id FROM {{}} WHERE customer_id::VARCHAR {ids}".format
            theirs.append(f"t.decision_id IN ({' UNION ALL '.join(map(made, decisions))})")
            code = f"'forgotten-' || left(sha256('{self.salt}' || t.decision_id), 16)"
            told["decision_id"] = f"CASE WHEN {theirs[-1]} THEN {code} ELSE t.decision_id END"
        if "most" in columns:  # an override: what a person wrote of whom
            told["reason"] = f"CASE WHEN t.customer_id::VARCHAR {ids} THEN '' ELSE t.reason END"
        if {"rule", "row"} <= {*columns}:  # of the quarantine
            texts = (_quoted(json.dumps(one, ensure_ascii=False)) for one in self.codes)
            theirs.append(f"(t.row->>'$.customer_id') {ids}")
            theirs += map("contains(t.row, {})".format, texts)
        mask = " OR ".join(f"coalesce({one}, FALSE)" for one in theirs)
        return ", ".join(f'{value} AS "{name}"' for name, value in told.items()), f"({mask})"

    def leave_table(self, con: Any, path: Path, week: Path, *, wholly: bool) -> int:
        """Let them leave a file of rows, or have codes behind all others; return how many."""
        every = [week / name / "decisions.parquet" for name in ("tables", "shop")]
        made = [_quoted(decided) for decided in every if decided.is_file()]
        told, mask = self.selected(_columns(con, path), made)
        rows = f"read_parquet({_quoted(path)}, file_row_number = true) AS t"
        (n,) = con.execute(f"SELECT count(*) FROM {rows} WHERE {mask}").fetchone()
        if n:
            chance = f"CASE WHEN {mask} THEN sha256('{self.salt}' || file_row_number) ELSE '' END"
            told = "* EXCLUDE (file_row_number)" if wholly else told
            query = f"SELECT {told} FROM {rows} WHERE NOT ({wholly} AND {mask})"
            query += f" ORDER BY {mask}, {chance}, file_row_number"
            with folder.whole(path) as part:
                con.execute(f"COPY ({query}) TO {_quoted(part)} (FORMAT parquet, COMPRESSION zstd)")
        return int(n)

    def leave_lines(self, path: Path) -> int:
        """Let them leave a log; of what nobody could read, whatever has their id as a word."""
        rows, word = folder.read_lines(path), "|".join(map(re.escape, self.codes))
        odd = re.compile(rf"(?<![\w.-])({word})(?![\w.-])", re.IGNORECASE)
        kept = [row for row in rows if str(row.get("customer_id")) not in self.codes]
        kept = [row for row in kept if not odd.search(str(row.get("line", "")))]
        if len(kept) < len(rows):
            folder.write_lines(path, kept)
        return len(rows) - len(kept)

    def leave_list(self, path: Path, title: str, fresh: Mapping[str, str]) -> int:
        """Let them leave a list for the sending tool; its control sums are made anew."""
        marked = path.read_bytes().startswith(codecs.BOM_UTF8)
        rows, theirs = _cells(path), {*self.codes, *neutralised(pd.Series([*self.codes]))}
        kept = rows
        for name in {title, "customer_id"} & {*rows}:
            kept = kept[~kept[name].isin(theirs)]
        again = rows["sha256"].isin(fresh) if path.name == CONTROL else pd.Series(dtype=bool)
        for place in again.index[again]:
            listed = _cells(path.with_name(rows["file"][place]))
            who = listed["customer_id" if "customer_id" in listed else title]
            sums = [str(len(listed)), str(who.nunique()), fresh[rows["sha256"][place]]]
            kept.loc[place, ["rows", "customers", "sha256"]] = sums
        if len(kept) < len(rows) or again.any():
            text = kept.to_csv(index=False, lineterminator="\n")
            with folder.whole(path) as part:
                part.write_bytes(text.encode("utf-8-sig" if marked else "utf-8"))
        return len(rows) - len(kept) + int(again.any())

    def leave_page(self, path: Path) -> int:
        """Overwrite their pseudonyms on a page, and what is painted where one stands."""
        text = path.read_text("utf-8", errors="surrogateescape")
        for tag in _PICTURE.findall(text):
            if _with(tag, self.shown) != tag:  # a page comes before its notebook
                self.shown.update({png: _white(png) for png in _PNG.findall(tag)})
        if (made := _with(text, self.shown)) != text:
            with folder.whole(path) as part:
                part.write_text(made, "utf-8", errors="surrogateescape")
        return int(made != text)


def _cells(path: Path) -> pd.DataFrame:
    """Return a list's cells as they are written."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _white(png: str) -> str:
    """Return a white picture in the place of one, as large."""
    from PIL import Image

    made, size = io.BytesIO(), Image.open(io.BytesIO(base64.b64decode(png))).size
    Image.new("1", size, 1).save(made, "png")
    return base64.b64encode(made.getvalue()).decode()


def _with(text: str, instead: Mapping[str, str]) -> str:
    """Return a text with others in the place of some of its parts."""
    for old, new in instead.items():
        text = text.replace(old, new)
    return text


def _carry_out(reports: Reports, told: dict[str, Any]) -> Erasure:
    """Do what is left to be done; each step changes a file or a week whole, or nothing."""
    key, salt, ids = folder.folder_key(reports.path), bytes.fromhex(told["salt"]), [*told["codes"]]
    shown = {folder.codes(key, [one])[0]: folder.codes(salt, [one])[0] for one in ids}
    who, digests = _Who(told["codes"], told["salt"], shown), folder.digests_of(key, ids)
    there = {row["digest"] for row in folder.forgotten_rows(reports.path)}
    said = {"at": told["at"], "reason": told["reason"], "counts": {}}
    # First of all: whatever becomes of this call, no week learns of them from now on.
    new = [{"digest": digest, **said} for digest in digests if digest not in there]
    folder.append_lines(reports.path / folder.FORGOTTEN, new)
    for week in _weeks(reports):
        _forget_in(reports, week, told, who)
    counts = Counter(told["counts"])
    counts["refusals"] = folder.forget_suppressions(reports.path, ids, salt)
    for path, shop in _ledgers(reports):
        loop.remake(path, shop, lambda con, name: who.selected(_columns(con, name), _DECIDED)[0])
    for page in (*reports.path.glob("*.html"), *reports.path.glob("*.md")):
        who.leave_page(page)
    shutil.rmtree(reports.path / ".failed", ignore_errors=True)  # what notebooks said as they broke
    rows = folder.forgotten_rows(reports.path)
    rows = [row | ({"counts": counts} if row["digest"] in digests else {}) for row in rows]
    folder.write_lines(reports.path / folder.FORGOTTEN, rows)
    (reports.path / JOURNAL).unlink()
    held = _held(reports, {*map(_alike, ids)})
    still = dict.fromkeys(source for one, source in held if str(one) in told["codes"])
    unread = dict.fromkeys(source for one, source in held if one is None)
    marked = {week.name: m.get("to_be_refitted", ()) for week, m in _weeks(reports).items()}
    refit = tuple(f"{week}/{name}" for week, names in marked.items() for name in names)
    return Erasure(len(ids), dict(counts), refit, tuple(still), tuple(unread))


def _forget_in(reports: Reports, week: Path, told: dict[str, Any], who: _Who) -> None:
    """Write a folder anew beside itself, without them, and swap the two in one step."""
    con, toml, models = duckdb.connect(), week / "shop" / "shop.toml", list[str]()
    send = read_operations(read_settings(toml)).send.columns if toml.is_file() else {}
    found, fresh = Counter[str](), dict[str, str]()
    with reports.staging(week.name) as staged:
        shutil.copytree(week, staged, symlinks=True, dirs_exist_ok=True)
        files = [path for path in staged.rglob("*") if path.is_file() and not path.is_symlink()]
        for path in sorted(files, key=lambda path: (path.name == CONTROL, path)):
            place, kind, n = path.relative_to(staged), "pages", 0
            if path.suffix == ".parquet":
                kind = "shop" if place.parts[0] == "shop" else "tables"
                wholly = kind == "shop" or path.stem == "quarantine"
                n = who.leave_table(con, path, week, wholly=wholly)
            elif path.suffix == ".jsonl":
                kind, n = "log", who.leave_lines(path)
            elif place.parts[0] == "send":
                kind, n = "lists", who.leave_list(path, send.get("customer_id", ""), fresh)
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
        erased = {"at": told["at"], "reason": told["reason"], "customers": len(who.codes)}
        made["erasures"] = [*made.get("erasures", ()), erased | {"decisions": digest}]
        made["to_be_refitted"] = sorted({*made.get("to_be_refitted", ()), *models})
        folder.write_json(staged / MANIFEST, made)
        told["counts"] = found + Counter(told["counts"])
        _note(reports, told)
        reports.publish(staged, week.name)
