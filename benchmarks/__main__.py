"""Measure everything, print one table; exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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

PARTS = (
    "report",
    "models",
    "metrics",
    "segments",
    "worth",
    "recommend",
    "offers",
    "simulated",
    "uplift",
    "policy",
    "experiments",
    "explorers",
    "promises",
    "killed",
    "mutations",
    "pages",
    "loop",
    "serve",
    "spark",
    "size",
)
"""What can be measured by itself: ``--only models``."""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; return 0, or 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the reports made, in this folder")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="measure this part; may be repeated"
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
    parts = [
        part
        for part in options.only or PARTS
        if part not in ("size", "spark") or not options.no_size
    ]
    with tempfile.TemporaryDirectory(prefix="promolab-bench-") as scratch:
        out = Path(options.keep or scratch).absolute()
        made = {
            "report": lambda: report(out),
            "models": models,
            "metrics": metrics,
            "segments": segments.large_shop,
            "worth": customers_worth,
            "recommend": recommendations,
            "offers": offers.offers_out_of_time,
            "simulated": lambda: simulated_shops(large=options.large),
            "uplift": uplift,
            "policy": policy,
            "experiments": experiments,
            "explorers": explorers.explorer_moves,
            "promises": compare_forecasts,
            "killed": lambda: killed.killed_reports(out / "killed"),
            "mutations": mutations.mutations,
            "pages": pages.every_case,
            "loop": lambda: loop.loop_rows(large=options.large),
            "serve": lambda: serve.in_the_moment(out / "served", Path(scratch) / "stores"),
            "spark": lambda: spark.spark_rows(Path(scratch) / "spark", large=options.large),
            "size": lambda: size.measure_size(Path(scratch) / "size", large=options.large),
        }
        if options.quick:
            made, parts = {"quick": lambda: within(QUICK_SECONDS, quick_jobs(out))}, ["quick"]
        rows: list[Row] = []
        for part in parts:
            say(part)
            for row in made[part]():
                say(f"{row.what}: {row.measured} (bar {row.bar}): {row.state}")
                rows.append(row)
    print(render(rows))
    print(f"\n{surroundings()}")
    missed, unknown = (sum(row.state == state for row in rows) for state in (MISSED, UNKNOWN))
    say(f"{missed} bars missed, {unknown} not measured")
    return 1 if missed else 0


def customers_worth() -> Iterator[Row]:
    """Yield how well orders are foretold, and how fast."""
    yield from worth.orders_come()
    yield from worth.million()


def recommendations() -> Iterator[Row]:
    """Yield how well products are recommended, and how fast."""
    yield from recommend.households()
    yield from recommend.films()
    yield from recommend.at_size()


QUICK_SECONDS = 300
FEWER = 200_000
"""Rows of the quick comparisons."""


def quick_jobs(out: Path) -> Mapping[str, Callable[[], Iterator[Row]]]:
    """Return what ``--quick`` measures, in words, the most telling first."""

    def one_report() -> Iterator[Row]:
        folder, usage = weekly_report.make_report(out / "first", 2)
        yield from weekly_report.time_and_memory([usage], [folder])

    return {
        "import promolab": lambda: iter([small.import_time()]),
        "the weekly report": one_report,
        "logistic models": lambda: doors.logistic(runs=2, n=FEWER),
        "AUC against scikit-learn": ranking.auc_against_scikit_learn,
        "Qini, exact cases": lambda: iter([uplift_metrics.exact_cases()]),
        "Qini against sorting and summing": uplift_metrics.qini_against_sort_and_sum,
        "allocations": lambda: allocation.allocations(FEWER, 2_000, (FEWER // 10, FEWER)),
        "off-policy values": lambda: offpolicy.off_policy(draws=200),
        "the money answer": lambda: money.money_holds(draws=100),
        "weeks over budget": lambda: overspending.overspending(seeds=2, customers=3_000),
        "true profit of an allocation": lambda: true_profit.true_profits(20_000, 1, more=0),
        "k-means": lambda: iter([doors.kmeans(runs=1, n=FEWER)]),
        "boosting and forest": lambda: doors.trees(runs=1, n=FEWER, fewer=FEWER // 10),
    }


def within(limit: float, jobs: Mapping[str, Callable[[], Iterator[Row]]]) -> Iterator[Row]:
    """Yield the rows of one job after the other; past the limit (seconds) none is begun."""
    begun = time.monotonic()
    for what, job in jobs.items():
        say(what)
        if (spent := time.monotonic() - begun) < limit:
            yield from job()
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


def models() -> Iterator[Row]:
    """Yield how fast models learn and score."""
    say("logistic models of a million rows, against a pipeline and a loop")
    yield from doors.logistic()
    yield training.training()
    say("trees and segments against what they are made of")
    yield from doors.trees()
    yield doors.kmeans()
    say("neural networks on a million rows")
    yield from neural.network_epochs()
    yield neural.network_quality()


def metrics() -> Iterator[Row]:
    """Yield how fast and how right the measures and their intervals are."""
    yield from ranking.ranking()
    say("policies valued from a thousand logs")
    yield from offpolicy.off_policy()
    say("intervals of two thousand draws")
    yield from intervals.intervals_cover()


def simulated_shops(*, large: bool) -> Iterator[Row]:
    """Yield what simulated shops take, and whether they keep their promises."""
    say("a simulated shop of 100,000 customers")
    yield from simulated.a_shop_in_a_minute()
    if large:
        say("a simulated shop of a million customers")
        yield simulated.a_large_shop_in_bounded_memory()
    say("simulated shops that go on")
    yield from going_on.rows()
    say("ten simulated shops of 20,000 customers")
    yield from simulated.promises()


def uplift() -> Iterator[Row]:
    """Yield what uplift models and their measures are worth against a known truth."""
    say("measures of uplift")
    yield from uplift_metrics.uplift_metrics()
    for seed in (1, 2):
        say(f"coverage of effects, seed {seed}")
        yield from uplift_coverage.coverage_holds(seed=seed)
    yield from uplift_coverage.money()
    say("a boosted uplift model of a million rows")
    yield from uplift_models.boosted_against_econml()
    say("a linear uplift model of 200,000 rows")
    yield from uplift_models.linear_against_econml()
    say("Hillstrom's e-mails, ten cross-validations")
    yield from uplift_experiments.hillstrom()
    say("ways to learn effects, compared")
    yield from uplift_methods.compared()
    say("four made-up shops of heavy-tailed money")
    yield from uplift_heavy.heavy_money()
    say("four hundred shops without any effect")
    yield from uplift_experiments.null_shops()
    say("policies in five shops of 100,000 customers")
    yield from uplift_policies.policies()


def policy() -> Iterator[Row]:
    """Yield whether what plans are said to add is true, and whether they spend where it pays."""
    say("allocations of a million customers")
    yield from allocation.allocations()
    say("the money answer, a thousand made-up shops")
    yield from money.money_holds()
    yield from money.nothing_is_spent()
    say("a thousand shops of heavy-tailed baskets, with and without effects")
    yield from spending_gate.spending_gates()
    say("allocations among four kinds, five shops of 100,000 customers")
    yield from true_profit.true_profits()
    say("five shops' weeks inside a budget")
    yield from overspending.overspending()


def experiments() -> Iterator[Row]:
    """Yield how experiments are planned, looked at every day and read out."""
    say("ten million customers of an experiment, a thousand experiments of known truth")
    yield from experiments_readout.readout()
    say("thousands of verdicts on experiments of known truth")
    yield from experiments_verdict.verdicts()
    say("tests that are looked at every day, and tests as they were planned")
    yield from experiments_sequential.experiments_sequential()
    say("a year of a standing holdout")
    yield from standing.standing_readout()


def compare_forecasts() -> Iterator[Row]:
    """Yield whether what was said of weeks holds, and how seldom the alarm rings falsely."""
    say("what was said of a hundred weeks of five shops")
    yield from promises.promises_hold()
    yield from promises.alarms()


def say(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
