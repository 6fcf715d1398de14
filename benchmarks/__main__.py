"""Measure everything, print one table; exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks import (
    allocation,
    assignment,
    doors,
    experiments_readout,
    experiments_sequential,
    experiments_verdict,
    explorers,
    first_page,
    going_on,
    intervals,
    killed,
    loop,
    money,
    mutations,
    neural,
    offers,
    offpolicy,
    outlook,
    overspending,
    own_data,
    pages,
    point_in_time,
    prediction,
    promises,
    quality,
    ranking,
    recommend,
    segments,
    serve,
    simulated,
    size,
    small,
    spark,
    spending_gate,
    standing,
    training,
    true_profit,
    uplift_coverage,
    uplift_experiments,
    uplift_heavy,
    uplift_methods,
    uplift_metrics,
    uplift_models,
    uplift_policies,
    weekly_report,
    worth,
)
from benchmarks.table import MISSED, UNKNOWN, Row, render, surroundings


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; return 0, or 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the reports made, in this folder")
    parser.add_argument(
        "--only", choices=jobs(Path()), action="append", help="measure this part; may be repeated"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="five minutes: one report, and what users call on fewer rows; no more is measured",
    )
    parser.add_argument("--no-size", action="store_true", help="leave out the larger shops")
    parser.add_argument(
        "--large",
        action="store_true",
        help="go up to 10⁸ events and 1,000,000 simulated customers: an hour, 20 GB of disk",
    )
    options = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="promolab-bench-") as scratch:
        out = Path(options.keep or scratch).absolute()
        if options.quick:
            found = within(QUICK_SECONDS, quick_jobs(out))
        else:
            made = jobs(out, Path(scratch), large=options.large)
            left_out = {"size", "spark"} if options.no_size else set()
            parts = [part for part in options.only or made if part not in left_out]
            found = (row for part in parts for row in measured(made[part]))
        for row in found:
            say(f"{row.what}: {row.measured} (bar {row.bar}): {row.state}")
            rows.append(row)
    print(render(rows))
    print(f"\n{surroundings()}")
    missed, unknown = (sum(row.state == state for row in rows) for state in (MISSED, UNKNOWN))
    say(f"{missed} bars missed, {unknown} not measured")
    return 1 if missed else 0


Jobs = Mapping[str, Callable[[], Iterable[Row] | Row]]
"""What is measured, in words, and what measures it."""


def jobs(out: Path, scratch: Path = Path(), *, large: bool = False) -> Mapping[str, Jobs]:
    """Return by part what can be measured by itself: ``--only models``.

    Parameters
    ----------
    out, scratch : Path
        Where reports land, and shops made on the way.
    large : bool
        Whether to go up to the largest sizes.
    """
    of_a_million = {"a simulated shop of a million": simulated.a_large_shop_in_bounded_memory}
    seeds = {
        f"coverage of effects, seed {seed}": partial(uplift_coverage.coverage_holds, seed=seed)
        for seed in (1, 2)
    }
    return {
        "report": {"the weekly report": lambda: report(out)},
        "models": {
            "logistic models of a million rows, against a pipeline and a loop": doors.logistic,
            "training": training.training,
            "trees against what they are made of": doors.trees,
            "segments against what they are made of": doors.kmeans,
            "neural networks on a million rows": neural.network_epochs,
            "how well neural networks learn": neural.network_quality,
        },
        "metrics": {
            "ranking": ranking.ranking,
            "policies valued from a thousand logs": offpolicy.off_policy,
            "intervals of two thousand draws": intervals.intervals_cover,
        },
        "segments": {"a large shop": segments.large_shop},
        "worth": {"orders foretold": worth.orders_come, "a million": worth.million},
        "recommend": {
            "households": recommend.households,
            "films": recommend.films,
            "many events": recommend.at_size,
        },
        "offers": {"offers out of time": offers.offers_out_of_time},
        "simulated": {
            "a simulated shop of 100,000 customers": simulated.a_shop_in_a_minute,
            **(of_a_million if large else {}),
            "simulated shops that go on": going_on.rows,
            "ten simulated shops of 20,000 customers": simulated.promises,
        },
        "uplift": {
            "measures of uplift": uplift_metrics.uplift_metrics,
            **seeds,
            "coverage of money": uplift_coverage.money,
            "a boosted uplift model of a million rows": uplift_models.boosted_against_econml,
            "a linear uplift model of 200,000 rows": uplift_models.linear_against_econml,
            "Hillstrom's e-mails, ten cross-validations": uplift_experiments.hillstrom,
            "ways to learn effects, compared": uplift_methods.compared,
            "four made-up shops of heavy-tailed money": uplift_heavy.heavy_money,
            "four hundred shops without any effect": uplift_experiments.null_shops,
            "policies in five shops of 100,000 customers": uplift_policies.policies,
        },
        "policy": {
            "allocations of a million customers": allocation.allocations,
            "the money answer, a thousand made-up shops": money.money_holds,
            "nothing is spent": money.nothing_is_spent,
            "a thousand shops of heavy-tailed baskets": spending_gate.spending_gates,
            "allocations among four kinds, five shops": true_profit.true_profits,
            "five shops' weeks inside a budget": overspending.overspending,
        },
        "experiments": {
            "ten million customers, a thousand experiments": experiments_readout.readout,
            "thousands of verdicts": experiments_verdict.verdicts,
            "tests looked at every day": experiments_sequential.experiments_sequential,
            "a year of a standing holdout": standing.standing_readout,
        },
        "explorers": {"explorers": explorers.explorer_moves},
        "promises": {
            "what was said of a hundred weeks of five shops": promises.promises_hold,
            "alarms": promises.alarms,
        },
        "killed": {"killed reports": lambda: killed.killed_reports(out / "killed")},
        "mutations": {"mutations": mutations.mutations},
        "pages": {"pages": pages.every_case},
        "loop": {"the loop": partial(loop.loop_rows, large=large)},
        "serve": {"the service": lambda: serve.in_the_moment(out / "served", scratch / "stores")},
        "spark": {"Spark": partial(spark.spark_rows, scratch / "spark", large=large)},
        "size": {"larger shops": partial(size.measure_size, scratch / "size", large=large)},
    }


def measured(part: Jobs) -> Iterator[Row]:
    """Yield the rows of one job after the other."""
    for what, job in part.items():
        say(what)
        found = job()
        yield from [found] if isinstance(found, Row) else found


QUICK_SECONDS = 300
FEWER = 200_000
"""Rows of the quick comparisons."""


def quick_jobs(out: Path) -> Jobs:
    """Return what ``--quick`` measures, in words, the most telling first."""

    def one_report() -> Iterator[Row]:
        folder, usage = weekly_report.make_report(out / "first", 2)
        yield from weekly_report.time_and_memory([usage], [folder])

    return {
        "import promolab": small.import_time,
        "the weekly report": one_report,
        "logistic models": lambda: doors.logistic(runs=2, n=FEWER),
        "AUC against scikit-learn": ranking.auc_against_scikit_learn,
        "Qini, exact cases": uplift_metrics.exact_cases,
        "Qini against sorting and summing": uplift_metrics.qini_against_sort_and_sum,
        "allocations": lambda: allocation.allocations(FEWER, 2_000, (FEWER // 10, FEWER)),
        "off-policy values": lambda: offpolicy.off_policy(draws=200),
        "the money answer": lambda: money.money_holds(draws=100),
        "weeks over budget": lambda: overspending.overspending(seeds=2, customers=3_000),
        "true profit of an allocation": lambda: true_profit.true_profits(20_000, 1, more=0),
        "k-means": lambda: doors.kmeans(runs=1, n=FEWER),
        "boosting and forest": lambda: doors.trees(runs=1, n=FEWER, fewer=FEWER // 10),
    }


def within(limit: float, jobs: Jobs) -> Iterator[Row]:
    """Yield the rows of one job after the other; past the limit (seconds) none is begun."""
    begun = time.monotonic()
    for what, job in jobs.items():
        if (spent := time.monotonic() - begun) < limit:
            yield from measured({what: job})
        else:
            yield Row(what, "", f"not begun: {spent:.0f} of {limit:.0f} s were over", None)
    yield Row("all else", "", "left out by --quick", None)


def report(out: Path) -> Iterator[Row]:
    """Yield what concerns the weekly report; the reports made on the way land in ``out``."""
    # What is quick to time comes first, while this process holds nothing.
    say("importing promolab")
    yield small.import_time()
    reports = []
    for name, threads in (("first", 2), ("second", 2), ("one_thread", 1)):
        say(f"promolab report --week {weekly_report.WEEK} -p threads={threads} ({name})")
        reports.append(weekly_report.make_report(out / name, threads))
    folders, usages = map(list, zip(*reports, strict=True))
    yield from weekly_report.time_and_memory(usages[:2], folders)
    yield weekly_report.repeatable(folders[0], folders[1])
    yield weekly_report.threads_do_not_matter(folders[2], folders[0])
    say("features of all exposures, three times")
    yield from point_in_time.all_dates_against_one(folders[0] / "shop")
    say("backtests of model and baseline")
    pairs = prediction.known_pairs(folders[0] / "shop")
    yield prediction.one_promotion(folders[0], pairs)
    model, baseline = prediction.backtests(pairs)
    yield from prediction.against_baseline(model, baseline)
    yield prediction.no_leakage(model)
    yield from quality.last_quarter(pairs)
    yield outlook.forecasts_hold(model, pairs)
    yield outlook.costs_hold(folders[0] / "shop")
    say("first pages in a browser")
    yield from first_page.first_pages(out / "first_pages")
    say("an export of invoice lines, and a warehouse")
    yield own_data.an_export_by_a_few_lines(folders[0] / "shop", out / "invoices")
    yield from own_data.a_warehouse_gives_the_same(folders[0] / "shop")
    say("holding back of ten million customers")
    yield from assignment.assignment()


def say(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
