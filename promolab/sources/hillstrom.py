"""Hillstrom's e-mails: a real promotion with two e-mails and a control, drawn at random.

MineThatData E-Mail Analytics and Data Mining Challenge, Kevin Hillstrom, March 2008: 64,000
customers who had bought within twelve months; what they did in the two weeks after. No licence is
stated, so the file is not part of promolab.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.contract import Experiment
from promolab.errors import DataError, InputError
from promolab.wording import plural

if TYPE_CHECKING:
    import pandas as pd


VARIABLE = "PROMOLAB_DATA"
NAMES = (
    "hillstrom.csv.gz",
    "hillstrom.csv",
    "Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv",
    "hillstorm_no_indices.csv.gz",
)
ADDRESSES = (
    "http://www.minethatdata.com/"
    "Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv",
    "https://hillstorm1.s3.us-east-2.amazonaws.com/hillstorm_no_indices.csv.gz",
)
"""The author's own address, and the copy that scikit-uplift reads."""
CHECKSUMS = (
    "0e5893329d8b93cefecc571777672028290ab69865718020c78c7284f291aece",
    "00a6a868e05a9ffe7382da51629f6d6dce88c5acfc945e79d314ebc78fd3a2c0",
    "ff9e59285e9dc3f5fa3e0975419e6631ea5bdccd65d818991473d2367e02979c",
)
"""SHA-256 of the unpacked csv: the author's, that copy, the author's without its last, empty line.
All three hold the same rows."""
TIMEOUT = 20  # seconds

ARM, CONTROL = "segment", "No E-Mail"
OUTCOMES = ("visit", "conversion", "spend")
# history_segment is `history` in classes and says nothing more.
COVARIATES = ("recency", "history", "mens", "womens", "zip_code", "newbie", "channel")
COLUMNS = (*COVARIATES, "history_segment", ARM, *OUTCOMES)


def hillstrom(path: str | Path | None = None) -> Experiment:
    """Open Hillstrom's experiment.

    Parameters
    ----------
    path : str or Path, optional
        The csv file, packed with gzip or not; else it is looked for in the folder that
        ``PROMOLAB_DATA`` names, then in the cache (``~/.cache/promolab``), and else downloaded
        there and checked.

    Returns
    -------
    Experiment
        64,000 decisions; arms ``No E-Mail`` (control), ``Mens E-Mail``, ``Womens E-Mail``, each
        with chance 1/3; outcomes visit and conversion (0 or 1) and spend (US dollars of 2008), in
        the two weeks after. ``customer_id`` is the row's number: the file has no ids, and the rows
        that equal an earlier one are other customers, no errors.

    Raises
    ------
    InputError
        There is no such file, or it could not be downloaded; names the ways to get it.
    DataError
        The file is another one.
    """
    found = _found(path)
    content = _unpacked(found)
    if hashlib.sha256(content).hexdigest() in CHECKSUMS:
        notes = []
    else:
        notes = [f"{found.name} is not the published file: its checksum is another."]
    table = _table(content, found)
    notes += _mended(table)
    third = [[1 / 3] * 3] * len(table)
    return Experiment(
        table,
        ARM,
        CONTROL,
        COVARIATES,
        OUTCOMES,
        propensity=third,
        arms=(CONTROL, "Mens E-Mail", "Womens E-Mail"),
        name="Hillstrom",
        notes=notes,
    )


def _found(path: str | Path | None) -> Path:
    if path is not None:
        given = Path(path).expanduser()
        inside = [given / name for name in NAMES if (given / name).is_file()]
        if given.is_file() or inside:
            return given if given.is_file() else inside[0]
        raise InputError(f"there is no file {path}; {_ways()}")
    folder = os.environ.get(VARIABLE, "").strip()
    for place in (Path(folder).expanduser() if folder else None, _cache()):
        inside = [place / name for name in NAMES if (place / name).is_file()] if place else []
        if inside:
            return inside[0]
    return _downloaded()


def _ways() -> str:
    return (
        f"download {ADDRESSES[0]} and give it as load_experiment('hillstrom', path=…), or put it "
        f"as hillstrom.csv into a folder that the variable {VARIABLE} names"
    )


def _cache() -> Path:
    stated = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(stated) if stated else Path.home() / ".cache") / "promolab"


def _downloaded() -> Path:
    """Fetch the file into the cache; what has another checksum is not kept."""
    import http.client
    import urllib.request

    problems = []
    for address in ADDRESSES:
        host = address.split("/")[2]
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as reply:
                content = _plain(reply.read())
        except (OSError, EOFError, ValueError, http.client.HTTPException) as error:
            problems.append(f"{host}: {getattr(error, 'reason', error)}")
            continue
        if hashlib.sha256(content).hexdigest() in CHECKSUMS:
            try:
                return _kept(content)
            except OSError as error:
                raise InputError(
                    f"Hillstrom's file was downloaded, but {_cache()} cannot be written: {error}; "
                    f"{_ways()}"
                ) from error
        problems.append(f"{host}: another file than the published one came (its checksum differs)")
    raise InputError(
        f"Hillstrom's file is not here and could not be downloaded ({'; '.join(problems)}); "
        f"{_ways()}"
    )


def _kept(content: bytes) -> Path:
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    # Under its name at once and whole: another process may be looking.
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
        file.write(gzip.compress(content, mtime=0))
    return Path(file.name).replace(cache / NAMES[0])


def _plain(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _unpacked(path: Path) -> bytes:
    try:
        return _plain(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}; {_ways()}") from error


def _table(content: bytes, path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(content))
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no csv file: {error}; {_ways()}") from error
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise DataError(
            f"{path} is not Hillstrom's file, it has no column {lacking[0]!r}; {_ways()}. Any "
            "other experiment opens with load_experiment(path, arm=…, outcomes=…)"
        )
    table = table[[c for c in table.columns if c in COLUMNS]]
    table.insert(0, "customer_id", range(1, len(table) + 1))
    return table


def _mended(table: pd.DataFrame) -> list[str]:
    """Mend the one typing error in place; return what a reader should know."""
    notes = []
    wrong = table["zip_code"] == "Surburban"
    if wrong.any():
        table.loc[wrong, "zip_code"] = "Suburban"
        notes.append(f"zip_code: 'Surburban' is read as 'Suburban' ({plural(wrong.sum(), 'row')}).")
    twins = int(table.drop(columns="customer_id").duplicated().sum())
    if twins:
        notes.append(
            f"{plural(twins, 'row')} equal an earlier one: the file has no ids, and they are taken "
            "for different customers."
        )
    return notes
