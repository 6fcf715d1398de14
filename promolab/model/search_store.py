"""The trials of a search, in memory or in a file, and what is proposed next."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, MissingExtraError
from promolab.model.rolling import Setting

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import Trial

__all__ = ["Store", "fingerprint", "quiet"]

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
