"""What is left when `promolab report` is killed at random moments, and run again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.table import Row

SOURCE = "simulated:customers=400,variant=weekly,weeks=26"
KILLS = 20


def killed_reports(folder: Path, kills: int = KILLS, seed: int = 0) -> Iterator[Row]:
    """Yield whether a shop's two weeks come out the same where half of the kills hit each.

    Parameters
    ----------
    folder : Path
        Where the reports land: of the weeks made at once, and of those whose runs were killed.
    kills : int
        Random moments between the start of a run and a little past its end.
    seed : int
        Of the moments.
    """
    rng = random.Random(seed)
    whole, torn = folder / "whole", folder / "torn"
    weeks, took = _weeks(), {}
    for week in weeks:
        begun = time.monotonic()
        if _start(week, whole).wait():
            yield Row("report killed", "same figures", f"the report of {week} failed", None)
            return
        took[week] = time.monotonic() - begun
    hit = dict.fromkeys(weeks, 0)
    each = kills // len(weeks)
    for week in weeks:
        # A run that is over before its moment was not killed: it is started again.
        for number in range(3 * each):
            if hit[week] == each:
                break
            # Two of a week's kills are meant for its end, where the week and the ledger are
            # written.
            moment = rng.uniform(0.93 if number < 2 else 0.0, 1.05) * took[week]
            hit[week] += _killed(_start(week, torn), moment)
        if week != weeks[-1] and _start(week, torn).wait():
            break
    failed = _start(weeks[-1], torn).wait()
    same = [_figures(whole, week) == _figures(torn, week) for week in weeks]
    ledgers = _ledger(whole) == _ledger(torn)
    told = (
        f"{sum(hit.values())} of {kills} runs killed ({' and '.join(map(str, hit.values()))} in "
        f"runs of {' and '.join(f'{s:.0f}' for s in took.values())} s); metrics.json equal in "
        f"{sum(same)} of {len(weeks)} weeks, ledger {'equal' if ledgers else 'not equal'}"
    )
    met = not failed and all(same) and ledgers and sum(hit.values()) == each * len(weeks)
    yield Row("kill −9 of promolab report, run again", "same figures and ledger", told, met)


def _weeks() -> list[str]:
    """Return the last two weeks of the shop."""
    from promolab.sources import load_shop
    from promolab.weeks import Week

    shop = load_shop(SOURCE)
    last = Week.containing(shop.span()[1], shop.zone).previous()
    return [str(last.previous()), str(last)]


def _start(week: str, out: Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "promolab.cli", "report", "--source", SOURCE, "--week", week]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*line, "--out", str(out), "--workers", "1"],
        env=os.environ | {"PYTHONPATH": path, "PROMOLAB_KEY": "the same in both folders"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _killed(run: subprocess.Popen[bytes], moment: float) -> bool:
    """Return whether a run was still going at its moment; it is then no more."""
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        return True
    return False


def _figures(out: Path, week: str) -> object:
    path = out / week / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _ledger(out: Path) -> dict[str, str]:
    """Return all that a ledger holds."""
    from promolab.folder import ReportsFolder
    from promolab.loop import Ledger

    ledger = Ledger.open(out / "ledger.duckdb", shop=ReportsFolder(out).shop)
    names = ("weeks", "predictions", "outcomes", "models")
    found = {name: getattr(ledger, name)().to_csv() for name in names}
    for week in ledger.weeks()["week"]:
        found[f"decisions {week}"] = ledger.decisions(week).to_csv()
        found[f"chances {week}"] = ledger.decision_propensities(week).to_csv()
    return found
