"""The files for the sending tool: whom to contact, who is held out, and the control sums."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import read_operations
from promolab.errors import InputError
from promolab.recommend import JOINED

if TYPE_CHECKING:
    from promolab.campaign.plan.result import Plan
    from promolab.contract import SendColumns, Settings


LONGEST = 180  # bytes, well below the 255 of common file systems


def file_names(pairs: Sequence[tuple[Any, str]]) -> list[str]:
    """Return the file's name of each promotion and channel: ``<promotion>__<channel>.csv``.

    Letters, digits, dots, hyphens and single underscores of ASCII stay, and so do letters without
    case of other scripts, such as Chinese; all else becomes its UTF-8 bytes as ``%XX``. Two names
    that differ by case or by how Unicode composes them alone, or one that is very long, carry a
    hash of what they stand for behind a ``~``.

    Parameters
    ----------
    pairs : sequence of (promotion_id, channel)
        Each once.

    Returns
    -------
    list of str

    Examples
    --------
    >>> file_names([(18, "mail"), ("A/B", "e mail"), ("p1", "app"), ("P1", "app")])
    ['18__mail.csv', 'A%2FB__e%20mail.csv', 'p1__app~d8cd0e2716081cea.csv', ...]
    >>> file_names([("满减/W50", "app")])
    ['满减%2FW50__app.csv']
    """
    stems = [f"{_safe(str(promotion))}__{_safe(channel)}" for promotion, channel in pairs]
    alike = Counter(map(_folded, stems))
    return [
        (f"{_cut(stem)}~{_hash(stem)}" if alike[_folded(stem)] > 1 or _cut(stem) != stem else stem)
        + ".csv"
        for stem in stems
    ]


def _safe(text: str) -> str:
    """Return a text of which no two are alike, without the two underscores that divide a name."""
    kept = re.sub(r"[^A-Za-z0-9._-]|^[.-]|^_|_$|(?<=_)_", _in_a_name, text)
    return kept or "%"


def _in_a_name(found: re.Match[str]) -> str:
    if unicodedata.category(found[0]) == "Lo":
        return found[0]
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _folded(stem: str) -> str:
    """Return what file systems may take for the same name."""
    return unicodedata.normalize("NFKC", stem).casefold()


def _cut(stem: str) -> str:
    """Return as much of a name as is not too long, no character of it cut in two."""
    return stem.encode("utf-8")[:LONGEST].decode("utf-8", "ignore")


def _hash(stem: str) -> str:
    return hashlib.sha256(stem.encode("utf-8")).hexdigest()[:16]


HOLDOUT = "holdout.csv"
CONTROL = "control.csv"
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"


def neutralised(cells: pd.Series[Any]) -> pd.Series[str]:
    """Return cells as text, with an apostrophe before what a spreadsheet would run as a formula.

    That is what begins with ``=``, ``+``, ``-``, ``@`` (their full-width forms included), a tab or
    a line break, apostrophes before it or not: so two ids never become one, and `restored` finds
    each again.

    Examples
    --------
    >>> neutralised(pd.Series(["=1+1", "A-7", "'=x", "'x"])).tolist()
    ["'=1+1", 'A-7', "''=x", "'x"]
    """
    text = cells.astype("str").reset_index(drop=True)
    return text.where(~text.str.contains(_FORMULA, regex=True), "'" + text)


def restored(cells: pd.Series[Any]) -> pd.Series[str]:
    """Return the ids that `neutralised` made the cells of.

    Examples
    --------
    >>> restored(pd.Series(["'=1+1", "A-7", "''=x", "'x"])).tolist()
    ['=1+1', 'A-7', "'=x", "'x"]
    """
    text = cells.astype("str").reset_index(drop=True)
    changed = text.str.startswith("'") & text.str.contains(_FORMULA, regex=True)
    return text.where(~changed, text.str.slice(1))


def write_send(
    plan: Plan,
    folder: Path,
    settings: Settings,
    costs: Mapping[str, float] | None = None,
    offers: pd.DataFrame | None = None,
    titles: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Write the files that the sending tool loads, the holdout apart, and the control sums.

    Parameters
    ----------
    plan : Plan
        By `promolab.campaign.plan_week`.
    folder : Path
        Made if it is missing; must be empty.
    settings : Settings
        The shop's: the columns of ``[send]`` and the costs of ``[economics]``.
    costs : mapping of str to float, optional
        What each promotion (its id as text) is expected to cost, discounts included
        (`promolab.campaign.outlook.launch_economics`); nan where that is not known.
    offers : DataFrame, optional
        ``promotion_id, customer_id, place, offer`` (`promolab.recommend.rank_offers`): the column
        ``offers`` of the files, ids joined by ``|``, the best first. Where ``[send] columns`` does
        not name it, files of promotions with offers have it last; where ``[send] columns`` is
        stated, they hold what it states.
    titles : mapping of str to str, optional
        `promolab.contract.Shop.titles`: the column ``promotion_name``, likewise.

    Returns
    -------
    DataFrame
        What ``control.csv`` holds, one row per other file: file, rows (without the heading),
        customers (distinct), expected_cost (of ``costs``, in the shop's currency; missing where it
        is not known), sha256.

    Raises
    ------
    InputError
        If the folder holds something already, or is a file.

    Notes
    -----
    ``<promotion>__<channel>.csv`` for every promotion and channel, that of nobody included;
    ``holdout.csv`` with customer_id, promotion_id, holdout. UTF-8, with the mark that Excel looks
    for where ``[send] encoding`` is ``utf-8-sig``; lines end in a line feed, customers in the order
    of their ids. Ids that a spreadsheet would run as a formula carry an apostrophe (`neutralised`);
    whoever loads the files takes it off again (`restored`).

    Examples
    --------
    >>> import tempfile
    >>> from promolab.campaign.plan.planning import plan_week
    >>> from promolab.contract import Settings, Shop
    >>> nobody = pd.DataFrame({"customer_id": [], "promotion_id": [], "p_redeemed": []})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plan = plan_week(Shop({}), nobody, "2017-03-06", [])
    ...     write_send(plan, Path(folder) / "send", Settings())[["file", "rows"]].values.tolist()
    [['holdout.csv', 0]]
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; the send files go into a folder of their own")
    folder.mkdir(parents=True, exist_ok=True)
    said = read_operations(settings)
    encoding, rows = said.send.encoding, []
    planned = plan.promotions
    names = file_names(list(zip(planned["promotion_id"], planned["channel"], strict=True)))
    contacts = plan.to_contact.merge(
        planned[["promotion_id", "starts_at", "ends_at", "contact_cost"]], on="promotion_id"
    )
    for name, promotion in sorted(zip(names, planned["promotion_id"], strict=True)):
        part = _with_offers(contacts[contacts["promotion_id"] == promotion], promotion, offers)
        part = part.assign(promotion_name=(titles or {}).get(str(promotion), ""))
        columns = {title: _cells(part[field]) for field, title in _columns(said.send, part)}
        cost = (costs or {}).get(str(promotion), np.nan)
        rows.append(_written(folder / name, pd.DataFrame(columns), part, cost, encoding))
    held = plan.held_out[["customer_id", "promotion_id", "holdout"]]
    table = pd.DataFrame({column: _cells(held[column]) for column in held})
    rows.append(_written(folder / HOLDOUT, table, held, 0.0, encoding))
    control = pd.DataFrame(rows, columns=["file", "rows", "customers", "expected_cost", "sha256"])
    cost_text = [f"{cost:.2f}" if np.isfinite(cost) else "" for cost in control["expected_cost"]]
    _write(folder / CONTROL, control.assign(expected_cost=cost_text), encoding)
    return control


def _with_offers(part: pd.DataFrame, promotion: Any, offers: pd.DataFrame | None) -> pd.DataFrame:
    """Return a promotion's contacts with their offers; empty for whoever has none."""
    if offers is None:
        return part.assign(offers="")
    those = offers["promotion_id"].eq(promotion) & offers["customer_id"].isin(part["customer_id"])
    mine = offers[those].sort_values("place")
    joined = mine["offer"].astype(str).groupby(mine["customer_id"]).agg(JOINED.join)
    return part.assign(offers=part["customer_id"].map(joined).fillna(""))


def _columns(send: SendColumns, part: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the fields of a file and their headings."""
    told = list(send.columns.items())
    if not send.stated and "offers" not in send.columns and (part["offers"] != "").any():
        told.append(("offers", "offers"))
    if not send.stated and (part["promotion_name"] != "").any():
        told.append(("promotion_name", "promotion_name"))
    return told


def _cells(values: pd.Series[Any]) -> pd.Series[str]:
    if values.dtype.kind == "M":
        return pd.Series(values.dt.strftime("%Y-%m-%dT%H:%M:%SZ").reset_index(drop=True))
    return neutralised(values)


def _written(
    path: Path, table: pd.DataFrame, part: pd.DataFrame, cost: float, encoding: str
) -> dict[str, Any]:
    return {
        "file": path.name,
        "rows": len(table),
        "customers": int(part["customer_id"].nunique()),
        "expected_cost": cost,
        "sha256": _write(path, table, encoding),
    }


def _write(path: Path, table: pd.DataFrame, encoding: str) -> str:
    content = table.to_csv(index=False, lineterminator="\n").encode(encoding)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
