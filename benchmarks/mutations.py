"""Small mistakes, made one at a time in a copy of the package: the tests named beside must see them."""

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

PROCESSES, SECONDS = 2, 300
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
        "recommend/offers/on_offer.py",
        "if lesson.ends_at <= moment and lesson.kind == kind",
        "if lesson.kind == kind",
        "recommend/test_offers.py::test_of_two_that_overlap_the_first_teaches_the_second_nothing",
    ),
    Mutation(
        "recommend/offers/on_offer.py",
        "within_it = (past.age <= old) & (past.age > new)",
        "within_it = past.age <= old",
        "recommend/test_offers.py::test_products_taken_are_those_bought_while_the_promotion_ran",
    ),
    Mutation(
        "recommend/offers/on_offer.py",
        """(plans["ends_at"] <= now) & (plans["starts_at"] >= graph.known_from)""",
        """plans["ends_at"] <= now""",
        "recommend/test_offers.py::test_only_what_is_over_and_began_with_purchases_known_teaches",
    ),
    Mutation(
        "recommend/graph/paths.py",
        """rows = taken[taken["promotion_id"] != promotion]""",
        "rows = taken",
        "recommend/test_paths.py::"
        "test_what_a_customer_redeemed_of_a_promotion_foretells_nothing_of_it",
    ),
    Mutation(
        "recommend/offers/ranking.py",
        """np.minimum(found["share"].to_numpy() * learned.each, 1.0)""",
        """found["share"].to_numpy() * learned.each""",
        "recommend/test_offers.py::test_no_offer_is_expected_more_than_once_by_who_takes_it",
    ),
    Mutation(
        "recommend/offers/ranked_before.py",
        "min(places, hit.shape[1]) - 1] / many",
        "min(places, hit.shape[1]) - 1] / np.minimum(many, places)",
        "recommend/test_offers.py::"
        "test_what_the_first_places_held_is_a_share_of_all_that_was_taken",
    ),
    # What a plan is worth, whether it pays, and what is drawn.
    Mutation(
        "policy/money.py",
        "paid = float(cost[there.decided].mean())",
        "paid = float(cost.mean())",
        "policy/test_money.py::test_who_can_get_nothing_is_no_decision_that_is_paid_for",
    ),
    Mutation(
        "policy/paying.py",
        "there.gain(window, NOTHING_SHARES).interval(2 * level - 1)",
        "there.gain(window, NOTHING_SHARES).interval(level)",
        "policy/test_paying.py::test_both_bounds_are_one_sided",
    ),
    Mutation(
        "policy/paying.py",
        "gain.interval(2 * sure - 1, number_of)",
        "gain.interval(sure, number_of)",
        "policy/test_paying.py::test_both_bounds_are_one_sided",
    ),
    Mutation(
        "policy/chances.py",
        "fixed = np.where(picked & ~_barred(out, taken), taken, -1)",
        "fixed = np.where(picked, taken, -1)",
        "policy/test_limits.py::test_who_is_drawn_and_held_out_leaves_the_capacity_to_others",
    ),
    Mutation(
        "policy/budgets.py",
        "0.0 if reach >= most else np.nan",
        "0.0",
        "policy/test_money.py::"
        "test_what_more_would_return_is_unknown_where_the_budgets_end_below_the_most",
    ),
    # What promotions cost.
    Mutation(
        "promotions/off_orders.py",
        "/ (promotion.days * 86_400)",
        "/ (other.days * 86_400)",
        "promotions/test_values.py::test_what_runs_in_half_of_a_window_competes_in_half_of_it",
    ),
    Mutation(
        "promotions/off_orders.py",
        "kept[meets] = 1 - shared[meets] * (1 - ratio)",
        "kept[meets] = ratio",
        "promotions/test_values.py::test_what_runs_in_half_of_a_window_competes_in_half_of_it",
    ),
    Mutation(
        "promotions/off_orders.py",
        "fill = min(coupon.value, least)",
        "fill = coupon.value",
        "promotions/test_values.py::"
        "test_an_order_filled_up_to_a_coupons_minimum_gets_no_more_than_that_off",
    ),
    Mutation(
        "promotions/costs/windows.py",
        "(rows.ts >= rows.starts_at) & (rows.ts < rows.ends_at)",
        "(rows.ts >= rows.starts_at) & (rows.ts <= rows.ends_at)",
        "promotions/test_discount_cost.py::"
        "test_a_purchase_at_the_very_end_of_a_window_is_none_of_it_nor_one_to_come",
    ),
    Mutation(
        "promotions/costs/discount_cost.py",
        """ends_at=table["ends_at"].clip(upper=as_of)""",
        """ends_at=table["ends_at"]""",
        "promotions/test_discount_cost.py::"
        "test_a_purchase_at_the_very_end_of_a_window_is_none_of_it_nor_one_to_come",
    ),
    Mutation(
        "promotions/finance.py",
        "later=(firsts.ts >= firsts.cut)",
        "later=(firsts.ts > firsts.cut)",
        "promotions/test_finance.py::"
        "test_an_answer_at_the_very_moment_that_is_compared_is_one_still_to_come",
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
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
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
