"""Where a search looks: the options of each kind of model and their ranges."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare.rolling import Setting
from promolab.errors import InputError, MissingExtraError, nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import Trial


STARTUP = 8  # trials drawn at random before the others are looked at


@contextmanager
def quiet() -> Iterator[Any]:
    """Give Optuna without its log lines and warnings; its settings are what they were afterwards.

    Raises
    ------
    MissingExtraError
        Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("the search for options", "search") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


class Store:
    """Trials of one search; the next proposal depends on them and the seed alone.

    So a search that goes on from a file proposes what it would have proposed without a break.
    Optuna holds the trials in memory; the file is a plain SQLite table with a row per finished
    trial, which a crash cannot spoil: what was cut off was never written.

    Parameters
    ----------
    path : str or Path, optional
        An SQLite file, made where there is none; in memory by default.
    name : str
        Of the search: its `fingerprint`.
    space : mapping of str to optuna.distributions.BaseDistribution
        What is searched.
    maximise : bool
        Whether more is better.
    warmup : int
        Folds that every trial is given before it can be stopped.
    seed : int
        Start of every random number.

    Raises
    ------
    InputError
        The file is no such store, or there is no folder for it.
    """

    def __init__(
        self,
        path: str | Path | None,
        name: str,
        space: Mapping[str, BaseDistribution],
        maximise: bool,
        warmup: int,
        seed: int,
    ) -> None:
        import optuna

        self.name, self.space, self.seed = name, dict(space), seed
        self.records: list[dict[str, Any]] = []
        self.study: Study = optuna.create_study(
            direction="maximize" if maximise else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup),
        )
        self._file = None if path is None else _open(Path(path))
        if self._file is not None:
            found = self._file.execute(
                "SELECT trial FROM trials WHERE search = ? ORDER BY number", (name,)
            )
            for (text,) in found.fetchall():
                self._replay(json.loads(text))
        self.resumed = len(self.records)

    def _replay(self, record: dict[str, Any]) -> None:
        from optuna.trial import create_trial

        steps = {int(k): float(v) for k, v in record["steps"]}
        value = record["value"]
        if record["state"] == "pruned":  # as Optuna does where a trial is stopped
            value = steps[max(steps)]
        trial = create_trial(
            state=_states()[record["state"]],
            value=value,
            params=record["params"],
            distributions=self.space,
            intermediate_values=steps,
        )
        self.study.add_trial(trial)
        self.records.append(record)

    def ask(self) -> Trial:
        """Return the next trial: the tree-structured Parzen estimator, seeded anew for each."""
        import optuna

        sequence = np.random.SeedSequence([self.seed, len(self.records)])
        self.study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, seed=int(sequence.generate_state(1)[0])
        )
        return self.study.ask(self.space)

    def tell(self, trial: Trial, value: float | None, state: str, **told: Any) -> None:
        """Keep how a trial ended: ``complete``, ``pruned`` or ``refused``."""
        frozen = self.study.tell(trial, value, state=_states()[state])
        steps = sorted(frozen.intermediate_values.items())
        record = {"params": trial.params, "state": state, "value": value, "steps": steps, **told}
        if self._file is not None:
            self._write(record)
        self.records.append(record)

    def _write(self, record: dict[str, Any]) -> None:
        assert self._file is not None
        row = (self.name, len(self.records), json.dumps(record))
        try:
            with self._file:
                self._file.execute("INSERT INTO trials VALUES (?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise InputError(
                "another process goes on with the same search in the same file; let one finish"
            ) from error
        except sqlite3.Error as error:
            raise InputError(f"the trial cannot be kept in store= ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _states() -> dict[str, Any]:
    from optuna.trial import TrialState

    return {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "refused": TrialState.FAIL,
    }


def _open(path: Path) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to keep the search in; make it first")
    if path.is_dir():
        raise InputError(f"{path} is a folder; store= is the name of a file")
    try:
        file = sqlite3.connect(path, timeout=30)
        with file:
            file.execute(
                "CREATE TABLE IF NOT EXISTS trials "
                "(search TEXT, number INTEGER, trial TEXT, PRIMARY KEY (search, number))"
            )
            file.execute("SELECT search, number, trial FROM trials LIMIT 1")
    except sqlite3.Error as error:
        raise InputError(
            f"{path} is no store of a search ({error}); name another file in store="
        ) from error
    return file


def fingerprint(setting: Setting, *parts: Any) -> str:
    """Return a name for a search on these rows, folds and settings: another one, another name.

    Parameters
    ----------
    setting : Setting
    *parts : object
        What else the search depends on; its ``repr`` counts.
    """
    from promolab import __version__

    digest = hashlib.sha256(repr((__version__, setting.outcome, setting.features, parts)).encode())
    frame = setting.frame[setting.features]
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    digest.update(setting.labels.tobytes())
    for fold in setting.folds.parts:
        digest.update(fold.train.tobytes() + b"|" + fold.test.tobytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        Both are tried.
    log : bool
        Whether twice as much counts the same everywhere, as for penalties and rates.
    whole : bool
        Whole numbers only.

    Examples
    --------
    >>> Span(1, 9, whole=True)
    Span(low=1, high=9, log=False, whole=True)
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"a span from {self.low} to {self.high}; give two numbers that ascend")
        if self.log and self.low <= 0:
            raise InputError(f"a logarithmic span from {self.low}; it has to start above 0")


Space = Mapping[str, Span | Sequence[Any]]

SPACES: Mapping[str, Space] = {
    "logistic": {"l2": Span(1.0, 1000.0, log=True), "l1": (0.0, 1.0, 3.0, 10.0)},
    "tree": {"depth": Span(2, 8, whole=True), "min_leaf": Span(10, 300, log=True, whole=True)},
    # More trees only cost time: their number is no matter of search.
    "forest": {
        "min_leaf": Span(1, 60, log=True, whole=True),
        "features": Span(0.05, 0.8, log=True),
    },
    "boosting": {
        "iterations": Span(25, 400, log=True, whole=True),
        "learning_rate": Span(0.01, 0.2, log=True),
        "leaves": Span(2, 31, log=True, whole=True),
        "min_leaf": Span(5, 100, log=True, whole=True),
        "l2": Span(0.1, 100.0, log=True),
    },
    "mlp": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
    "multitask": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
}
"""By kind; of what is not listed the default stays."""


def space_of(kind: str, space: Space | None = None, fixed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options to search, checked, in the order of their names.

    Parameters
    ----------
    kind : str
        Of the model.
    space : mapping, optional
        Option → `Span` or a sequence of choices; by default that of `SPACES`.
    fixed : sequence of str
        Options that are given and not searched.

    Raises
    ------
    InputError
        The kind has no such option, or nothing is left to search.

    Examples
    --------
    >>> space_of("tree", {"depth": [2, 4]})
    {'depth': (2, 4)}
    """
    from promolab.model.learners import learner_class

    known = learner_class(kind).DEFAULTS
    if space is not None and not isinstance(space, Mapping):
        raise InputError(f"space = {space!r}; give a mapping: {{option: Span(low, high)}}")
    found: dict[str, Any] = {}
    for name, where in sorted((SPACES.get(kind, {}) if space is None else space).items()):
        if name not in known:
            raise InputError(f"{kind} has no option {name!r}; {nearest(name, known)}")
        if name in fixed:
            continue
        if not isinstance(where, Span):
            if isinstance(where, str) or not isinstance(where, Sequence) or len(where) < 2:
                raise InputError(
                    f"{name} is to be searched in {where!r}; give a Span or at least two choices"
                )
            where = tuple(where)
        found[name] = where
    if not found:
        raise InputError(
            f"there is nothing to search for {kind}; give space={{option: Span(low, high)}}"
        )
    return found


def distributions(space: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Return the space as Optuna has it; choices go by their place, for they may be anything."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    made: dict[str, BaseDistribution] = {}
    for name, where in space.items():
        if not isinstance(where, Span):
            made[name] = CategoricalDistribution(list(range(len(where))))
        elif where.whole:
            made[name] = IntDistribution(int(where.low), int(where.high), log=where.log)
        else:
            made[name] = FloatDistribution(float(where.low), float(where.high), log=where.log)
    return made


def options_of(space: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Optuna proposes as options of the model."""
    return {
        name: params[name] if isinstance(where, Span) else where[params[name]]
        for name, where in space.items()
    }
