"""The experiments that a shop names in ``[[experiments]]``, read out as they stand.

One reads a file of one row per customer. What cannot be read is a sentence, and no reason for a
report to fail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from promolab.abtest import ExperimentReadout, Metric, analyze_experiment
from promolab.contract import StatedExperiment, read_operations
from promolab.display import Html, join, say
from promolab.errors import PromolabError
from promolab.promotions import moment_of
from promolab.results import Result

if TYPE_CHECKING:
    from promolab.contract import Shop


WEEK = timedelta(days=7)


@dataclass(frozen=True)
class NamedExperiment(Result):
    """One experiment of a shop, as it stands.

    Parameters
    ----------
    name : str
        What readers call it.
    state : str
        ``final``, ``provisional`` before its end, ``to come``, or ``cannot be read``.
    readout : ExperimentReadout or None
        What it showed.
    why : str
        Why there is nothing; empty where there is something.
    ends : date or None
        The first day after its last one.
    """

    name: str
    state: str
    readout: ExperimentReadout | None
    why: str = ""
    ends: date | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to draw."""
        return self.readout is not None and bool(self.readout.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the state, and the figures where there are some."""
        told = {"state": self.state, "why": self.why}
        return told | ({} if self.readout is None else self.readout.to_dict())

    def facts(self) -> dict[str, Any]:
        """Return what it showed, in sentences."""
        return {"shown": f"{self.why}." if self.readout is None else self.readout.summary}


@dataclass(frozen=True)
class NamedExperiments(Result):
    """All experiments that a shop names; made by `read_experiments`.

    Parameters
    ----------
    experiments : tuple of NamedExperiment
        In the order of ``shop.toml``.
    """

    experiments: tuple[NamedExperiment, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to draw: an experiment that could be read."""
        return any(self.experiments)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per experiment, metric and arm."""
        found = [
            one.readout.to_frame().assign(experiment=one.name, state=one.state)
            for one in self.experiments
            if one.readout and one
        ]
        empty = pd.DataFrame(columns=["experiment", "state"])
        return pd.concat(found, ignore_index=True) if found else empty

    def to_dict(self) -> dict[str, Any]:
        """Return each experiment's figures by its name."""
        return {one.name: one.to_dict() for one in self.experiments}

    def facts(self) -> dict[str, Any]:
        """Return whether there is any."""
        return {"case": "some" if self.experiments else "none"}

    def table(self) -> Html:
        """Return the figures of each experiment."""
        parts: list[Html] = []
        for one in self.experiments:
            if one.readout and one:
                parts += [say(f"{one.name}:"), one.readout.to_table()]
        return join(parts)


def read_experiments(shop: Shop, as_of: Any, folder: str | Path = "") -> NamedExperiments:
    """Read out all experiments that a shop names, as they stand at a moment.

    Before its end an experiment is provisional: its intervals are those of a confidence sequence,
    that may be looked at every week, and nothing but harm is decided. Afterwards it is final.

    Parameters
    ----------
    shop : Shop
        Its settings name them.
    as_of : datetime
        UTC if it has no zone.
    folder : str or Path
        Where their files lie: the shop's source. Of a week's run, ``run.source``.

    Returns
    -------
    NamedExperiments
        One that cannot be read says why, in a sentence.
    """
    now = moment_of(as_of)
    named = read_operations(shop.settings).experiments
    return NamedExperiments(tuple(_read_one(one, shop, now, Path(folder)) for one in named))


def _read_one(said: StatedExperiment, shop: Shop, now: datetime, folder: Path) -> NamedExperiment:
    started = _moment(said.started, shop.zone)
    if started is not None and started >= now:
        return NamedExperiment(said.name, "to come", None, f"it starts on {said.started}")
    try:
        return _read_out(said, shop, now, folder)
    except PromolabError as error:
        why = str(error).rstrip(".")
    except Exception as error:  # a broken experiment must not take the week's report with it
        why = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    return NamedExperiment(said.name, "cannot be read", None, why, said.ends)


def _read_out(said: StatedExperiment, shop: Shop, now: datetime, folder: Path) -> NamedExperiment:
    """Analyse an experiment as it stands: with a band that may be looked at before its end."""
    file = (folder if folder.is_dir() else folder.parent) / Path(said.data)
    started, ends = _moment(said.started, shop.zone), _moment(said.ends, shop.zone)
    running = ends is not None and now < ends
    sequential = None
    if running or said.sequential:
        share = 1.0
        if running and started is not None and ends is not None:  # a file grows until its end
            share = (now - started) / (ends - started)
        sequential = max(int(_rows_of(file) / max(share, 0.05)), 1)
    # Guardrails are a bad thing where nothing else is said.
    guards = {n: Metric(**{"good": "down", **one}) for n, one in said.guardrails.items()}
    readout = analyze_experiment(
        file,
        {name: Metric(**one) for name, one in said.metrics.items()},
        guardrails=guards,
        arm=said.arm,
        customer=said.customer,
        control=said.control,
        cluster=said.cluster,
        segments=said.segments,
        propensity=said.propensity,
        shares=said.shares or None,
        money=said.money or None,
        primary=said.primary,
        level=said.level,
        multiplicity=said.multiplicity,
        sequential=sequential,
        weeks=math.nan if started is None else (min(now, ends or now) - started) / WEEK,
        early=f"it ends on {said.ends}" if running and not said.sequential else "",
    )
    state = "provisional" if running else "final"
    return NamedExperiment(said.name, state, readout, "", said.ends)


def _rows_of(file: Path) -> int:
    import ibis

    read = ibis.read_csv if file.name.removesuffix(".gz").endswith("csv") else ibis.read_parquet
    return int(read(file).count().execute())


def _moment(day: date | None, zone: str) -> datetime | None:
    """Return a local day's first instant, UTC."""
    if day is None:
        return None
    local = datetime.combine(day, time(), ZoneInfo(zone))
    return local.astimezone(UTC).replace(tzinfo=None)
