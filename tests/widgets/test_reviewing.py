"""Review and release: what is shown is what the release, which a browser tests, would write."""

import numpy as np
import pytest

from promolab.campaign.plan import Overrides, override_plan
from promolab.widgets import review
from tests.refused import refused
from tests.widgets.explored import WEEK


@pytest.fixture(scope="module")
def draft(explored_week):
    return review(explored_week).prepared_now().draft


def test_the_newest_week_is_opened_by_itself_and_a_week_without_a_plan_is_refused(explored_week):
    out = explored_week.reports.path
    made = review(out=out)
    assert made.title == f"Review and release {WEEK}"
    assert made.state.promotion.partition("-")[0] in made.static().text
    assert review(explored_week.path).title == made.title
    refused("2024-W38", review, "2024-W38", out)


@pytest.mark.parametrize("seed", range(8))
def test_the_counts_shown_are_those_of_the_plan_that_is_written(draft, seed):
    rng = np.random.default_rng(seed)
    plan, ids = draft.plan, draft.ids
    forced = dict.fromkeys(rng.choice(ids, seed, replace=False).tolist(), "asked")
    promotion = draft.lists[seed % 4].promotion
    caps = {promotion: int(rng.integers(0, 40))} if seed % 3 else {}
    out = (promotion,) if seed == 5 else ()
    by_hand = Overrides(out, caps, forced)
    written = override_plan(plan, by_hand, draft.run.read_table("allocation")).plan
    assert draft.lists
    shown = draft.changed(draft.with_overrides(by_hand))
    for one, changed in zip(draft.lists, shown, strict=True):
        row = written.funnel.set_index(written.funnel["promotion_id"].astype(str))
        row = row.loc[one.promotion]
        assert changed.planned == row["planned"] and changed.contacts == row["to_contact"]
        assert changed.held == changed.planned - changed.contacts


def test_expected_answers_and_cost_are_scaled_from_the_draft(draft):
    nobody = tuple(one.promotion for one in draft.lists)
    half = {one.promotion: len(one.customers) // 2 for one in draft.lists}
    by_hand = (Overrides(), Overrides(caps=half), Overrides(nobody))
    each = [draft.changed(draft.with_overrides(by)) for by in by_hand]
    assert draft.lists
    for one, whole, some, none in zip(draft.lists, *each, strict=True):
        assert one.economics is not None
        assert whole.answers.ends == pytest.approx(one.economics.redemptions.ends)
        assert whole.cost.ends == pytest.approx(one.economics.cost.ends, nan_ok=True)
        assert whole.each.ends == pytest.approx(one.economics.break_even.ends, nan_ok=True)
        assert 0 < some.answers.value < whole.answers.value
        assert none.contacts == none.answers.value == 0


def test_changes_by_hand_show_at_once_and_can_be_undone(explored_week):
    made = review(explored_week)
    draft, first = made.prepared_now().draft, made.static().text
    code, who = draft.codes[3], draft.ids[3].item()
    assert "standing" not in first and code.startswith("C-")
    one = next(each for each in draft.lists if each.promotion == made.state.promotion)
    assert "a cap here" in made.move(most=7).text
    capped = made.press("cap").text
    assert "capped at 7 planned" in capped and "the first 7 of 7 planned" in capped
    made.move(customer=code.lower())
    assert "say why" in made.press("force").text
    made.move(reason="a <b>friend</b>")
    text = made.press("force").text
    assert made.state.forced == {who: "a <b>friend</b>"} and made.state.customer == ""
    assert "a &lt;b&gt;friend" in text and code in text and "taken out by hand" in text
    assert "7 ← " in text
    assert "Nobody is planned" in made.move(without=(one.promotion,)).text
    made.move(customer="nobody", reason="x")
    assert "no active customer is called" in made.press("force").text
    made.press("undo")
    made.move(most=len(one.customers))
    assert made.static().text == first
