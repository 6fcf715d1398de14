"""Small mistakes, one at a time in a copy of the package: the tests named beside must see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.processes import ROOT
from benchmarks.table import Row

PROCESSES, SECONDS = 2, 900
COPIED = ("promolab", "tests", "benchmarks", "notebooks", "pyproject.toml", "README.md")
FAILED = 1
"""pytest's exit code where tests failed; others mean that none were found or could be read."""


@dataclass(frozen=True)
class Mutation:
    """A change of one place that would be a mistake, and the tests that must fail by it.

    Parameters
    ----------
    file : str
        In ``promolab/``.
    pattern, change : str
        Text that stands there exactly once, and what takes its place.
    tests : str
        A file in ``tests/``, and after ``::`` a test of it.
    """

    file: str
    pattern: str
    change: str
    tests: str

    def made_in(self, package: Path) -> str:
        """Return the file's text with the change.

        Raises
        ------
        ValueError
            The pattern does not stand there exactly once.
        """
        path = package / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if (there := text.count(self.pattern)) != 1:
            raise ValueError(
                f"promolab/{self.file} holds {self.pattern!r} {there} times; expected once: bring "
                "the mutation in benchmarks/mutations.py up to date"
            )
        return text.replace(self.pattern, self.change)


MUTATIONS = (
    # Offers, and who takes them.
    Mutation(
        "recommend/offer_features.py",
        "if lesson.ends_at <= moment and lesson.kind == kind",
        "if lesson.kind == kind",
        "recommend/test_offers.py::"
        "test_of_two_that_overlap_the_first_teaches_nothing_and_only_what_is_over_does",
    ),
    Mutation(
        "recommend/offer_features.py",
        "within_it = (past.age <= old) & (past.age > new)",
        "within_it = past.age <= old",
        "recommend/test_offers.py::"
        "test_products_are_the_offers_without_coupons_taken_while_the_promotion_ran",
    ),
    Mutation(
        "recommend/offer_features.py",
        """(plans["ends_at"] <= now) & (plans["starts_at"] >= graph.known_from)""",
        """plans["ends_at"] <= now""",
        "recommend/test_offers.py::"
        "test_of_two_that_overlap_the_first_teaches_nothing_and_only_what_is_over_does",
    ),
    Mutation(
        "recommend/cold_start.py",
        """graph.taken[graph.taken["promotion_id"] != promotion]""",
        "graph.taken",
        "recommend/test_cold_start.py::"
        "test_what_a_customer_redeemed_of_a_promotion_is_no_path_to_it",
    ),
    Mutation(
        "recommend/offer_ranking.py",
        """np.minimum(found["share"].to_numpy() * learned.each, 1.0)""",
        """found["share"].to_numpy() * learned.each""",
        "recommend/test_offers.py::"
        "test_no_offer_is_expected_more_than_once_and_places_hold_a_share_of_all_taken",
    ),
    Mutation(
        "recommend/offer_ranking.py",
        "min(places, hit.shape[1]) - 1] / many",
        "min(places, hit.shape[1]) - 1] / np.minimum(many, places)",
        "recommend/test_offers.py::"
        "test_no_offer_is_expected_more_than_once_and_places_hold_a_share_of_all_taken",
    ),
    # What a plan is worth, whether it pays, and what is drawn.
    Mutation(
        "policy/plan_values.py",
        "paid = float(cost[there.decided].mean())",
        "paid = float(cost.mean())",
        "policy/test_plan_values.py::"
        "test_who_can_get_nothing_is_no_decision_paid_for_and_what_more_returns_unknown",
    ),
    Mutation(
        "policy/plan_scores.py",
        "(1 - self.nothing) * self.gain.chance_of_loss(number, more)",
        "self.gain.chance_of_loss(number, more)",
        "policy/test_spending_gate.py::"
        "test_of_scores_alone_the_chance_of_nothing_follows_from_a_one_sided_p_value",
    ),
    Mutation(
        "policy/plan_scores.py",
        "gain.interval(2 * level - 1, number_of)",
        "gain.interval(level, number_of)",
        "policy/test_spending_gate.py::"
        "test_of_scores_alone_the_chance_of_nothing_follows_from_a_one_sided_p_value",
    ),
    Mutation(
        "policy/randomization.py",
        "fixed = np.where(picked & ~_barred(out, taken), taken, -1)",
        "fixed = np.where(picked, taken, -1)",
        "policy/test_limits.py::test_who_is_drawn_and_held_out_leaves_the_capacity_to_others",
    ),
    Mutation(
        "policy/plan_values.py",
        "0.0 if reach >= most else np.nan",
        "0.0",
        "policy/test_plan_values.py::"
        "test_who_can_get_nothing_is_no_decision_paid_for_and_what_more_returns_unknown",
    ),
    # What promotions cost.
    Mutation(
        "promotions/stacking.py",
        "/ (promotion.days * 86_400)",
        "/ (other.days * 86_400)",
        "promotions/test_values.py::"
        "test_what_runs_in_half_of_a_window_competes_there_and_fills_get_no_more_off",
    ),
    Mutation(
        "promotions/stacking.py",
        "kept[meets] = 1 - shared[meets] * (1 - ratio)",
        "kept[meets] = ratio",
        "promotions/test_values.py::"
        "test_what_runs_in_half_of_a_window_competes_there_and_fills_get_no_more_off",
    ),
    Mutation(
        "promotions/terms.py",
        "if self.minimum >= self.value:",
        "if self.minimum >= 0:",
        "promotions/test_values.py::"
        "test_what_runs_in_half_of_a_window_competes_there_and_fills_get_no_more_off",
    ),
    Mutation(
        "promotions/past_orders.py",
        "(rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at)",
        "(rows.ts >= rows.starts_at) & (rows.ts <= rows.ends_at)",
        "promotions/test_discount_cost.py::"
        "test_what_happens_later_changes_nothing_nor_what_comes_at_the_very_end",
    ),
    Mutation(
        "promotions/costs.py",
        """ends_at=table["ends_at"].clip(upper=as_of)""",
        """ends_at=table["ends_at"]""",
        "promotions/test_discount_cost.py::"
        "test_what_happens_later_changes_nothing_nor_what_comes_at_the_very_end",
    ),
    Mutation(
        "promotions/finance.py",
        "later=(firsts.ts >= firsts.cut)",
        "later=(firsts.ts > firsts.cut)",
        "promotions/test_finance.py::"
        "test_what_runs_and_what_starts_by_hand_an_answer_at_this_moment_being_to_come",
    ),
    Mutation(
        "promotions/spending.py",
        "late = np.minimum(days, RECENT)",
        "late = np.full_like(days, RECENT)",
        "promotions/test_spending.py::"
        "test_newcomers_count_for_the_days_since_they_came_and_not_all_is_lost_of_returns",
    ),
    Mutation(
        "promotions/spending.py",
        "np.clip(returned, 0.0, 0.95)",
        "np.clip(returned, 0.0, 1.0)",
        "promotions/test_spending.py::"
        "test_newcomers_count_for_the_days_since_they_came_and_not_all_is_lost_of_returns",
    ),
    # The week's budget.
    Mutation(
        "campaign/worth/effect_values.py",
        "(1 - funded) * discount + contact",
        "discount + contact",
        "campaign/worth/test_week_worth.py::test_what_a_supplier_pays_is_no_cost_of_the_shop",
    ),
    Mutation(
        "metrics/pooling.py",
        "usable = np.isfinite(x) & np.isfinite(v) & (v > 0)",
        "usable = np.isfinite(x)",
        "campaign/worth/test_week_worth.py::test_a_round_of_one_tells_nothing_of_how_rounds_differ",
    ),
    Mutation(
        "campaign/spending/allocation_result.py",
        """planned, mine = self.planned == j, self.sent == j""",
        """planned = mine = self.planned == j""",
        "campaign/test_week_policy.py::test_a_budget_is_kept_to_by_those_who_are_sent",
    ),
    Mutation(
        "campaign/spending/budget_decision.py",
        """(limits["scope"] == "promotion") & ~limits["unit"].isin(promotions)""",
        """~limits["unit"].isin(promotions)""",
        "campaign/test_week_policy.py::test_limits_come_from_a_file_and_a_wrong_one_is_said",
    ),
    Mutation(
        "campaign/spending/budget_decision.py",
        "cost_se=amounts.cost_luck()[place] if risk else None,",
        "cost_se=None,",
        "campaign/test_week_policy.py::test_a_reserve_leaves_some_of_the_budget_unspent",
    ),
    # The ledger: what came of a week, and ratings.
    Mutation(
        "loop/promises/outcomes.py",
        "nobody = week.got | ~group.inside",
        "nobody = week.got",
        "loop/promises/test_outcomes.py::test_a_segments_money_is_of_its_own_customers_alone",
    ),
    Mutation(
        "loop/promises/assignment.py",
        "compared >= max(FEWEST, 0.9 * self.got.sum()) and",
        "compared >= FEWEST and",
        "loop/promises/test_outcomes.py::"
        "test_where_half_could_not_have_got_nothing_there_is_no_comparison",
    ),
    Mutation(
        "loop/promises/windows.py",
        "_LATER: (span.low, min(span.high, until))",
        "_LATER: (span.ts, min(span.high, until))",
        "loop/promises/test_outcomes.py::"
        "test_what_is_bought_between_the_decision_and_the_start_is_not_what_came",
    ),
    Mutation(
        "loop/promises/forecast_errors.py",
        "np.log(np.maximum(values, 0.5))",
        "np.log(np.maximum(values, 1.0))",
        "loop/promises/test_forecast_errors.py::test_a_count_of_none_is_half_of_one",
    ),
    Mutation(
        "loop/monitoring/feedback.py",
        """if rows["customer_id"][mine].nunique() < FEWEST:""",
        "if mine.sum() < FEWEST:",
        "loop/monitoring/test_feedback.py::test_ten_ratings_of_one_customer_are_one_customers",
    ),
    # The service.
    Mutation(
        "serve/service.py",
        "if offer.ends_at <= standing.moment else",
        "if offer.ends_at < standing.moment else",
        "serve/test_service.py::test_a_promotion_is_over_at_its_very_end",
    ),
    Mutation(
        "serve/plans.py",
        "if action is None:",
        "if action is not None:",
        "serve/test_service.py::test_chance_holds_out_whom_the_plan_does",
    ),
    Mutation(
        "serve/stores.py",
        "self._entries[seen : seen + PAGE]",
        "self._entries[seen : seen + PAGE - 1]",
        "serve/test_service.py::test_a_log_longer_than_a_page_is_read_to_its_end",
    ),
    Mutation(
        "serve/service.py",
        'if said in ("new", "late") or (said == "conflicting" and refuses):',
        'if said == "new" or (said == "conflicting" and refuses):',
        "serve/test_refusals.py::test_who_said_no_before_the_week_and_is_heard_late_is_offered_nothing",
    ),
    Mutation(
        "serve/service.py",
        'if said in ("new", "late") or (said == "conflicting" and refuses):',
        'if said in ("new", "late"):',
        "serve/test_refusals.py::test_one_id_of_two_systems_swallows_no_refusal",
    ),
    Mutation(
        "serve/plans.py",
        "return len(self._given[action.name]) >= action.contacts",
        "return len(self._given[action.name]) > action.contacts",
        "serve/test_refusals.py::test_no_promotion_is_given_to_more_than_the_plan_contacts",
    ),
    Mutation(
        "campaign/plan/contact_records.py",
        "listed[~complained]",
        'listed[listed["kind"] == "unsubscribe"]',
        "serve/test_refusals.py::test_a_plan_and_its_release_read_the_list",
    ),
    # Experiments.
    Mutation(
        "abtest/decision.py",
        "WORSE if gain.ci_high < -metric.margin else OPEN",
        "WORSE if gain.ci_high < 0 else OPEN",
        "abtest/test_decision.py::test_worse_is_who_is_worse_by_more_than_the_margin",
    ),
    Mutation(
        "abtest/measured.py",
        "return max(arms.variance, pooled - 2 * arms.covariance)",
        "return arms.variance",
        "abtest/test_engine.py::"
        "test_a_small_arm_without_its_large_outcomes_yet_has_the_error_of_both",
    ),
    # Customers, and explorers.
    Mutation(
        "profiles/lifetime.py",
        "if old.days >= RECENT_DAYS and (old.orders > 1).any()",
        "if (old.orders > 1).any()",
        "profiles/test_lifetime.py::"
        "test_a_forecast_is_checked_only_where_it_looks_back_as_far_as_ahead",
    ),
    Mutation(
        "profiles/order_forecast.py",
        "((y - m) ** 2 - m).sum()",
        "((y - m) ** 2).sum()",
        "profiles/test_lifetime.py::test_orders_differ_by_what_is_beyond_chance",
    ),
    Mutation(
        "widgets/thresholds.py",
        "np.searchsorted(self.ends, wanted)",
        """np.searchsorted(self.ends, wanted, side="right")""",
        "widgets/test_thresholds.py::test_the_cut_stands_on_its_curve_and_goes_to_the_whole_list",
    ),
    Mutation(
        "widgets/thresholds.py",
        "found / top if top else float",
        "found / ranked.n if top else float",
        "widgets/test_thresholds.py::test_the_cut_stands_on_its_curve_and_goes_to_the_whole_list",
    ),
    Mutation(
        "widgets/spending.py",
        "(now & before & (choice != options.start))",
        "(now & (choice != options.start))",
        "widgets/test_spending.py::test_who_gains_and_who_loses_is_counted_against_the_start",
    ),
    Mutation(
        "widgets/plan_draft.py",
        "sent = left & (one.held == NONE)",
        "sent = left",
        "widgets/test_reviewing.py::test_the_counts_shown_are_those_of_the_plan_that_is_written",
    ),
)


def mutations(chosen: Sequence[Mutation] = MUTATIONS, root: Path = ROOT) -> Iterator[Row]:
    """Yield a row per mutation that no test caught, and one for all of them.

    Parameters
    ----------
    chosen : sequence of Mutation
    root : Path
        The repository; it is copied and left as it is.

    Raises
    ------
    ValueError
        A pattern does not stand in its file exactly once, or a test fails without any change.
    """
    for one in chosen:
        one.made_in(root / "promolab")
    with tempfile.TemporaryDirectory(prefix="promolab-mutations-") as place:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(PROCESSES):
            copies.put(_copy(root, Path(place) / str(number)))
        with ThreadPoolExecutor(PROCESSES) as pool:
            tests = sorted({one.tests for one in chosen})
            parts = [part for n in range(PROCESSES) if (part := tests[n::PROCESSES])]
            for code, said in pool.map(lambda part: _tested(copies, part), parts):
                if code:
                    raise ValueError(f"tests fail without any change:\n{said}")
            ends = list(pool.map(lambda one: _tested(copies, [one.tests], one), chosen))
    missed = [(one, *end) for one, end in zip(chosen, ends, strict=True) if end[0] != FAILED]
    for one, code, said in missed:
        what = f"mutation of {one.file}: {' '.join(one.pattern.split())[:60]}"
        why = f"not caught by {one.tests}" if not code else said.splitlines()[-1]
        yield Row(what, "caught", why, ok=False)
    caught = len(chosen) - len(missed)
    yield Row("mutations caught by the tests", "all", f"{caught} of {len(chosen)}", not missed)


def _copy(root: Path, folder: Path) -> Path:
    """Copy what tests need."""
    folder.mkdir()
    for name in COPIED:
        if (source := root / name).is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def _tested(
    copies: SimpleQueue[Path], tests: Sequence[str], one: Mutation | None = None
) -> tuple[int, str]:
    """Run tests in a copy that is free, with a change or without; return how they ended."""
    folder = copies.get()
    path = folder / "promolab" / (one.file if one else "__init__.py")
    before = path.read_text(encoding="utf-8")
    try:
        if one is not None:
            _write(path, one.made_in(folder / "promolab"))
        line = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*line, *(f"tests/{name}" for name in tests)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS if one else None,
        )
        return done.returncode, done.stdout[-2000:]
    except subprocess.TimeoutExpired:  # what never ends any more is seen, too
        return FAILED, ""
    finally:
        _write(path, before)
        copies.put(folder)


def _write(path: Path, text: str) -> None:
    """Write a module, and forget what was compiled of it: it may be of the same size and second."""
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
