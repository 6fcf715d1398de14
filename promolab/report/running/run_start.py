"""What a run was asked for, what the shop says to it before any notebook runs, and its folder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.checks import choice, whole_number
from promolab.compare import check_methods
from promolab.contract import TABLES, Freshness, Notify, freshness, read_operations
from promolab.errors import DataError, InputError, PromolabError, nearest
from promolab.folder import (
    STEP_VARIABLE,
    WAIT,
    RunFolder,
    RunRecord,
    Weeks,
    open_run,
    sha256_of,
    write_json,
)
from promolab.language import ENGLISH, check_language
from promolab.plots import lacking_font
from promolab.promotions import read_promotions
from promolab.report.running.execute import CELL_TIMEOUT
from promolab.report.running.redaction import (
    hidden_in,
    lost_connection_error,
    replaced,
    says_lost,
    shown_source,
    telling,
)
from promolab.report.running.steps import Step, find_notebooks, literal, read_steps
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


_State = tuple[int, int, int]


@dataclass(frozen=True)
class InputFiles:
    """Size, time and number (inode) of each input file at one moment.

    Parameters
    ----------
    states : mapping of Path to tuple
        None where there was no such file.
    """

    states: Mapping[Path, _State | None]

    @classmethod
    def of(cls, files: Iterable[str | Path]) -> InputFiles:
        """Note how files are now."""
        return cls({Path(file): _state(Path(file)) for file in files})

    @classmethod
    def under(cls, source: str | Path, most: int = 10_000) -> InputFiles:
        """Note how a file, or the files of a folder and of the folders in it, are now."""
        path = Path(source)
        if not path.is_dir():
            return cls.of([path] if path.is_file() else [])
        inside = (file for form in ("*", "*/*") for file in path.glob(form))
        return cls.of(itertools.islice((file for file in inside if file.is_file()), most))

    def only(self, files: Iterable[str | Path]) -> InputFiles:
        """Keep these files; those not noted before are noted now."""
        states = {Path(f): self.states.get(Path(f)) or _state(Path(f)) for f in files}
        return InputFiles(states)

    def changed(self) -> Path | None:
        """Return the first file that is no longer what it was, None where all are."""
        return next((path for path, was in self.states.items() if _state(path) != was), None)

    def check(self) -> None:
        """Refuse to go on with files that changed while they were read.

        Raises
        ------
        DataError
            If one did, or went away.
        """
        path = self.changed()
        if path is None:
            return
        if not path.exists():
            raise DataError(f"{path} went away while it was read; run again when it is back")
        raise DataError(f"{path} changed while it was read; run again when it is complete")


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True)
class Request:
    """What a run was asked for.

    Parameters
    ----------
    source : str
        As the notebooks need it (`located`).
    shop_file : str, optional
        A ``shop.toml`` in place of the source's own.
    week : Week, optional
        None means the shop's default.
    seed : int
        Of everything random.
    parameters : mapping of str to object
        Further parameters of the notebooks, checked.
    steps : sequence of Step
        The notebooks.
    timeout : int
        Seconds that one cell may take.
    out, progress, workers, wait, strict, ledger
        How the week is made, which changes nothing in it: as for `run_report`.
    """

    source: str
    shop_file: str | None
    week: Week | None
    seed: int
    parameters: Mapping[str, Any]
    steps: Sequence[Step]
    timeout: int
    out: str | Path = "reports"
    progress: bool | None = None
    workers: int | None = None
    wait: float = WAIT
    strict: bool = False
    ledger: str | Path | None = None

    @property
    def written_source(self) -> str:
        """The source as the manifest names it."""
        return written(self.source)

    @property
    def language(self) -> str:
        """What the campaign report speaks."""
        return str(self.parameters.get("lang", ENGLISH))

    @property
    def hidden(self) -> dict[str, str]:
        """The values of the environment that the source names, and what stands for them."""
        return hidden_in(self.source)

    def asked(self, week: Week) -> dict[str, Any]:
        """Return what the manifest says was asked for."""
        asked = {"source": self.written_source, "week": str(week), "seed": self.seed}
        return asked | {"shop_file": self.shop_file, **self.parameters}

    def is_like(self, manifest: Mapping[str, Any], week: Week) -> bool:
        """Tell whether a week was made from these parameters; what is left out has its default."""
        told = manifest.get("parameters")
        return isinstance(told, dict) and self._whole(told) == self._whole(self.asked(week))

    def _whole(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        from promolab.results import plain

        defaults: dict[str, Any] = {}
        for step in reversed(self.steps):
            defaults |= step.parameters
        whole: dict[str, Any] = plain({**defaults, "folder": ".", **asked})
        return whole

    @property
    def experiment(self) -> list[Path]:
        """The file of decisions that page 05 is about, where one is given."""
        path = Path(str(self.parameters.get("experiment") or ""))
        return [path] if path.is_file() else []

    @property
    def lead_days(self) -> int:
        """Days from the decision to the week's start."""
        defaults = (s.parameters["lead_days"] for s in self.steps if "lead_days" in s.parameters)
        return max(0, int(self.parameters.get("lead_days", next(defaults, 0))))


@dataclass(frozen=True)
class Call:
    """A request, and what the shop says to it.

    Parameters
    ----------
    request : Request
        What was asked for.
    week : Week
        The week to make.
    weeks : Weeks
        All that could be made.
    shop : str
        What readers call the shop.
    fingerprints : mapping of str to str
        SHA-256 of each input file of the shop.
    experiment : mapping of str to str
        The same of an experiment's file, where one is given.
    files : InputFiles
        How the input files were.
    notify : Notify
        Commands to run in the end.
    freshness : Freshness
        How fresh the data are, against what the week needs.
    zone : str
        IANA zone of the shop's weeks.
    boxes : str
        That names of the shop cannot be drawn here, in a sentence; empty where they can.
    """

    request: Request
    week: Week
    weeks: Weeks
    shop: str
    fingerprints: Mapping[str, str] = field(repr=False)
    experiment: Mapping[str, str] = field(repr=False)
    files: InputFiles = field(repr=False)
    notify: Notify
    freshness: Freshness
    zone: str = "UTC"
    boxes: str = ""

    @property
    def record(self) -> RunRecord:
        """What the week's folder is of."""
        lead = self.request.lead_days
        return RunRecord(self.week, as_of=self.week.start(self.zone, lead), lead_days=lead)

    def parameters_of(self, step: Step) -> dict[str, Any]:
        """Return what to tell a notebook: of all that is known, what it declares."""
        # The notebooks run inside the week's folder, so that no page names a path of this machine.
        known: dict[str, Any] = {
            "source": self.request.source,
            "week": str(self.week),
            "seed": self.request.seed,
            "folder": ".",
            **self.request.parameters,
        }
        if self.request.shop_file is not None:
            known["shop_file"] = self.request.shop_file
        return {name: known[name] for name in step.parameters if name in known}

    def shown_paths(self) -> dict[str, str]:
        """Return this machine's paths, and secrets, and what pages show in their place."""
        source, file = self.request.source, self.request.shop_file
        settings = shown_source(file) if file else {}
        settings |= shown_source(str(self.request.parameters.get("experiment", "")))
        return {**settings, **shown_source(source), **telling(self.request.hidden, source)}

    def told(self, error: Exception, out: Path) -> str:
        """Return an error as pages may show it, on one line."""
        known = isinstance(error, PromolabError)
        text = str(error) if known else f"unexpected {type(error).__name__}: {error}"
        instead = {**self.shown_paths(), **self.request.hidden, f"{out}/": ""}
        return replaced(" ".join(text.split()), instead)

    def unchanged(self) -> bool:
        """Tell whether what the shop said still holds, as far as its files tell."""
        return bool(self.files.states) and self.files.changed() is None


def request_of(
    source: str | Path,
    week: str | None,
    seed: int,
    parameters: Mapping[str, Any] | None,
    shop_file: str | Path | None,
    notebooks: str | Path | None = None,
    timeout: int = CELL_TIMEOUT,
    **how: Any,
) -> Request:
    """Return what is asked for, checked as far as that needs no look at the shop.

    Raises
    ------
    InputError
        If it is wrong; the arguments are those of `run_report`.
    """
    asked = None if week is None else Week.parse(str(week))
    whole_number("seed", seed, 0, 2**32 - 1)
    if how.get("workers") is not None:
        whole_number("workers", how["workers"], 1)
    steps = read_steps(Path(notebooks) if notebooks else find_notebooks())
    checked = check_parameters(steps, parameters or {})
    check_language(str(checked.get("lang", ENGLISH)))
    check_plan_parameters(checked)
    check_uplift_parameters(checked)
    check_methods(checked)
    where, settings = located(source, shop_file)
    return Request(where, settings, asked, seed, checked, steps, timeout, **how)


# These have an argument of their own, so that a week or a source is never said twice.
_OWN_OPTION = {
    "source": "--source",
    "week": "--week",
    "seed": "--seed",
    "shop_file": "--shop",
    "folder": "--out",
}


def check_parameters(steps: Sequence[Step], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check parameters against what the notebooks declare.

    Parameters
    ----------
    steps : sequence of Step
        The notebooks.
    given : mapping of str to object
        Values by name; a text is read as a Python literal where the default is not a text.

    Returns
    -------
    dict of str to object
        The values, in the types of the defaults; of the files ``experiment`` and ``constraints``
        the whole path.

    Raises
    ------
    InputError
        If no notebook knows a name (the nearest is given), or a value has another type than the
        default's.
    """
    known: dict[str, Any] = {}
    for step in steps:
        for name, default in step.parameters.items():
            known.setdefault(name, default)
    free = [name for name in known if name not in _OWN_OPTION]
    checked = {}
    for name, value in given.items():
        if name in _OWN_OPTION:
            raise InputError(f"{name} is not set with -p; use {_OWN_OPTION[name]}")
        if name not in known:
            raise InputError(f"no notebook has a parameter {name!r}; {nearest(name, free)}")
        checked[name] = _converted(name, value, known[name])
    return {name: _found(name, value) for name, value in checked.items()}


def check_plan_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse shares, sizes and a budget that no plan can have, before anything is run.

    Raises
    ------
    InputError
        If one is out of its range, or there is no such file of limits.
    """
    from promolab.adaptive import BANDITS, GREEDY
    from promolab.campaign.plan import share_of
    from promolab.contract import budget_of

    for name, none_too in (("holdout", False), ("standing_holdout", True)):
        if name in parameters:
            share_of(name, parameters[name], none_too=none_too)
    for name in ("lead_days", "list_size"):
        if name in parameters:
            whole_number(name, parameters[name], 0)
    choice("policy", parameters.get("policy", GREEDY), BANDITS)
    budget_of(parameters.get("budget"))
    limits = str(parameters.get("constraints") or "")
    if limits and not Path(limits).is_file():
        raise InputError(
            f"constraints = {limits!r}: there is no such file; give a csv file with the columns "
            "scope, unit, min, max"
        )


def check_uplift_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse what no effects can be learned with, before anything is run.

    Raises
    ------
    InputError
        If there is no such kind, learner or file, or columns are named without a file.
    """
    from promolab.sources import HILLSTROM

    if "horizon_days" in parameters:
        whole_number("horizon_days", parameters["horizon_days"], 0)
    if {"kind", "learner"} & set(parameters):
        from promolab.effects import UpliftModel

        UpliftModel(parameters.get("kind", "dr"), parameters.get("learner") or None)
    experiment = str(parameters.get("experiment") or "")
    if experiment not in ("", HILLSTROM) and not Path(experiment).is_file():
        raise InputError(
            f"experiment = {experiment!r}: there is no such file; give a csv, Excel or parquet "
            f"file of decisions, or {HILLSTROM}"
        )
    columns = ("arm", "outcomes", "customer", "propensity", "covariates")
    if not experiment and set(columns) & set(parameters):
        from promolab.campaign.readout import check_no_columns

        check_no_columns({name: str(parameters.get(name) or "") for name in columns})


def _found(name: str, value: Any) -> Any:
    """Return a file's whole path: notebooks run in a folder of their own."""
    if name not in ("experiment", "constraints") or not value:
        return value
    path = Path(value).expanduser()
    return str(path.absolute()) if path.is_file() else value


def _converted(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, str):
        if isinstance(value, str):
            return value
    else:
        value = literal(value, value) if isinstance(value, str) else value
        if default is None or type(value) is type(default):
            return value
        if isinstance(default, float) and type(value) is int:
            return float(value)
        if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
            return type(default)(value)
    raise InputError(
        f"parameter {name} = {value!r} is of type {type(value).__name__}, "
        f"must be of type {type(default).__name__} like its default {default!r}"
    )


def located(source: str | Path, shop_file: str | Path | None) -> tuple[str, str | None]:
    """Return source and settings file as the notebooks need them, which run in another folder.

    Raises
    ------
    InputError
        If there is no such settings file.
    """
    if shop_file is not None and not Path(shop_file).expanduser().is_file():
        raise InputError(f"--shop {shop_file}: there is no such file")
    settings = None if shop_file is None else str(Path(shop_file).expanduser().absolute())
    from promolab.engines import file_of, is_url
    from promolab.sources import BUILT_IN

    if is_url(str(source)):
        scheme, _, rest = str(source).partition("://")
        is_file = file_of(str(source)) is not None and not rest.startswith(("/", "~", "$"))
        return (f"{scheme}://{Path(rest).absolute()}" if is_file else str(source)), settings
    path = Path(source).expanduser()
    is_path = str(source) not in BUILT_IN and path.exists()
    return (str(path.absolute()) if is_path else str(source)), settings


def written(source: str) -> str:
    """Return a located source as a manifest names it: of a warehouse, not who logs in to it."""
    from promolab.engines import is_url, shown

    return shown(source) if is_url(source) else source


def checked_call(request: Request, now: datetime, earlier: Call | None = None) -> Call:
    """Look at the shop; its tables do not outlive this, so that the kernels have the memory.

    Parameters
    ----------
    request : Request
        What is asked for.
    now : datetime
        The present, UTC without a zone.
    earlier : Call, optional
        Another week's call of the same source: while its files are as they were, they are not
        checked again.

    Raises
    ------
    InputError
        If the shop cannot be used, the week is none of its own, or a file changed meanwhile.
    StepError
        If a connection was lost.
    """
    known = earlier if earlier is not None and earlier.unchanged() else None
    before = known.files if known else InputFiles.under(request.source)
    try:
        shop = _opened(request)
        if known is None:
            checks = shop.check()
            if not checks.usable:
                raise DataError(checks.summary())
        files = before.only([*shop.files, *request.experiment])
        weeks = known.weeks if known else Weeks.of(shop, now, request.lead_days)
        week = weeks.chosen(request.week)
        _check_history(shop, week, request.lead_days)
        _check_terms(shop, week, request.lead_days)
        found: dict[str, Any] = {
            "fingerprints": known.fingerprints if known else dict(shop.fingerprints),
            "experiment": {f"experiment/{p.name}": sha256_of(p) for p in request.experiment},
            "notify": read_operations(shop.settings).notify,
            "freshness": freshness(shop, week.start(shop.zone, request.lead_days)),
            "zone": shop.zone,
            "boxes": known.boxes if known else lacking_font(_names(shop)),
        }
    except Exception as error:
        before.check()  # and if one changed, this is why
        if not isinstance(error, PromolabError) and says_lost(str(error)):
            raise lost_connection_error(str(error)) from error
        raise
    files.check()
    return Call(request, week, weeks, shop.settings.name, files=files, **found)


def _names(shop: Shop) -> Iterator[str]:
    """Give what figures may name: the shop, its categories and its promotions."""
    yield shop.settings.name
    for table, column in (("products", "category"), ("promotions", "promotion_id")):
        if shop.has(table, column):
            names = getattr(shop, table)[[column]].distinct().limit(10_000).execute()[column]
            yield from sorted(names.dropna().astype(str))


def _opened(request: Request) -> Shop:
    from promolab import sources

    threads = request.parameters.get("threads")
    return sources.load_shop(request.source, settings=request.shop_file, threads=threads)


def _check_history(shop: Shop, week: Week, lead_days: int) -> None:
    first = shop.span()[0]
    if lead_days and week.start(shop.zone, lead_days) <= first:
        most = (week.start(shop.zone) - first).days
        raise InputError(
            f"lead_days = {lead_days} leads to before the data begin; for {week} it may be "
            f"{most} at most"
        )


def _check_terms(shop: Shop, week: Week, lead_days: int) -> None:
    """Refuse wrong terms of a promotion that starts or runs, before any step has taken its time."""
    if not shop.has("promotions"):
        return
    table = shop.promotions
    # What cleaning will remove is no promotion.
    sound = table.promotion_id.notnull() & table.kind.isin(TABLES["promotions"]["kind"].values)
    kept = table.filter(sound & (table.starts_at < table.ends_at))
    begin = week.start(shop.zone, lead_days)
    now = kept.filter((kept.starts_at < week.end(shop.zone)) & (kept.ends_at > begin))
    ids = now.promotion_id.execute()
    read_promotions(shop.with_tables({**shop.tables, "promotions": kept}), ids)


def begin_run(
    folder: str | Path, *, source: str | Path, week: str | Week, shop: Shop, lead_days: int = 0
) -> RunFolder:
    """Make a run folder, or begin the one that is there anew.

    Under `promolab report` the folder is there and says what it is of. In JupyterLab its manifest
    is written here; numbers and tables of another week or source that lie in it go.

    Parameters
    ----------
    folder : str or Path
        The folder.
    source : str or Path
        Where the shop came from.
    week : str or Week
        The week that the run is for.
    shop : Shop
        The shop as it was loaded.
    lead_days : int
        Days before the week at which the plan is made.

    Returns
    -------
    RunFolder

    Raises
    ------
    InputError
        If the folder cannot be made, is a week of a reports folder, or holds tables of no week.

    Examples
    --------
    >>> import tempfile
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> lab = Path(tempfile.mkdtemp()) / "lab"
    >>> begin_run(lab, source="complete_journey", week="2017-W44", shop=shop).as_of
    datetime.datetime(2017, 10, 30, 4, 0)
    >>> open_run(lab, week="2019-W10")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: the tables in ... are of 2017-W44, not of 2019-W10: run 01_data ...
    """
    path, asked = Path(folder), week if isinstance(week, Week) else Week.parse(week)
    if os.environ.get(STEP_VARIABLE):
        return open_run(path, week=asked, lead_days=lead_days)
    run = RunFolder(path, asked)
    if run.manifest.get("status") == "good":
        raise InputError(
            f"{path} is the report of a week, which promolab report makes; give another folder, "
            'such as "../reports/lab"'
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be used as a run folder: {error.strerror}") from error
    if (path / "tables").is_dir() and not run.manifest:
        raise InputError(f"{path} holds tables of no week that is known; give another folder")
    told = {"source": written(located(source, None)[0]), "week": str(asked)}
    record = RunRecord(asked, as_of=asked.start(shop.zone, lead_days), lead_days=lead_days)
    manifest = record.manifest(told, shop.settings.name, shop.fingerprints) | {"status": "lab"}
    before = RunRecord.of(path)
    write_json(path / "manifest.json", manifest)
    if before is not None and before != RunRecord.of(path):
        (path / "manifest.json").unlink()  # while any is left they are tables of no week
        for old in (*path.glob("metrics.json"), *path.glob("spoken.json"), *path.glob("tables/*")):
            old.unlink()
        write_json(path / "manifest.json", manifest)
    return run
