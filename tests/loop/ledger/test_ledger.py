"""A week is written once; what happened is added; nothing that is released is written again."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import LEDGER_TABLES
from tests.refused import refused

WEEK = "2017-W44"
AS_OF = datetime(2017, 10, 30, 4)


def decisions(n: int = 5, chance: float = 0.5, week: str = WEEK) -> pd.DataFrame:
    columns = {"decision_id": [f"{week}-{i}" for i in range(n)], "customer_id": np.arange(n)}
    columns |= {"ts": pd.Timestamp(AS_OF), "action": "18", "propensity": chance}
    columns |= {"planned_action": "18", "holdout": "none"}
    return pd.DataFrame(columns)


def said(value: float = 0.1) -> pd.DataFrame:
    row = {"promotion_id": "18", "measure": "response_rate", "value": value, "ci_low": value / 2}
    return pd.DataFrame([row | {"ci_high": 2 * value, "per": "customer"}])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.duckdb", shop="Ours", create=True)


def test_a_week_is_read_as_it_was_written_and_text_ids_stay_text(ledger):
    models = pd.DataFrame({"name": ["response"], "fingerprint": ["ab"], "decision": ["champion"]})
    chances = decisions()[["decision_id", "action", "propensity"]]
    frames = {"decisions": decisions(), "decision_propensities": chances}
    frames |= {"predictions": said(), "models": models}
    assert ledger.record_week(WEEK, AS_OF, state="draft", run_key="k", **frames)
    found = ledger.decisions(WEEK)[decisions().columns]
    pd.testing.assert_frame_equal(found, decisions(), check_dtype=False)
    assert found["customer_id"].dtype.kind == "i"
    assert ledger.rows("decision_propensities", WEEK)["propensity"].tolist() == [0.5] * 5
    row = ledger.predictions()[["value", "ci_low", "level"]].to_numpy().tolist()
    assert row == [[0.1, 0.05, 0.9]]
    assert ledger.rows("models")["fingerprint"].tolist() == ["ab"]
    row = ledger.weeks()[["week", "state", "run_key"]].to_numpy().tolist()
    assert row == [[WEEK, "draft", "k"]]
    names = [f"00{i}" for i in range(5)]
    ledger.record_week(WEEK, AS_OF, state="draft", decisions=decisions().assign(customer_id=names))
    assert ledger.decisions(WEEK)["customer_id"].tolist() == names


def test_a_draft_is_replaced_and_a_released_week_is_not(ledger):
    ledger.record_week(WEEK, AS_OF, state="draft", decisions=decisions(9), predictions=said(0.3))
    again = {"decisions": decisions(), "predictions": said()}
    assert ledger.record_week(WEEK, AS_OF, state="draft", **again)
    assert not ledger.record_week(WEEK, AS_OF, state="draft", **again)
    assert len(ledger.decisions(WEEK)) == 5
    assert ledger.record_week(WEEK, AS_OF, state="released", **again)
    assert not ledger.record_week(WEEK, AS_OF, state="draft", **again)
    with pytest.raises(InputError, match=r"2017-W44 is released in the ledger .* never changes"):
        ledger.record_week(WEEK, AS_OF, state="released", decisions=decisions(chance=0.4))
    assert ledger.record_week(WEEK, AS_OF, state="closed", **again)
    assert ledger.weeks()["state"].tolist() == ["closed"]
    assert ledger.decisions(WEEK)["propensity"].tolist() == [0.5] * 5


def test_outcomes_are_provisional_until_settled_once(ledger: Ledger) -> None:
    def know(day: int, value: float, state: str) -> bool:
        known = datetime(2017, 12, day)
        return ledger.record_outcomes(WEEK, said(value), state=state, known_at=known)

    assert know(1, 0.1, "provisional") and know(1, 0.2, "provisional")
    assert not know(1, 0.2, "provisional") and know(8, 0.3, "provisional")
    assert ledger.outcomes()["value"].tolist() == [0.3]
    assert know(15, 0.4, "settled") and not know(22, 0.5, "settled")
    assert not know(22, 0.5, "provisional")
    assert ledger.outcomes()[["value", "state"]].to_numpy().tolist() == [[0.4, "settled"]]


def test_one_promotion_settles_before_another(ledger):
    both = pd.concat([said(), said().assign(promotion_id="19")])
    ledger.record_outcomes(WEEK, both, state="provisional", known_at=datetime(2017, 12, 1))
    ledger.record_outcomes(WEEK, said(0.7), state="settled", known_at=datetime(2017, 12, 8))
    later = both.assign(value=0.9)
    ledger.record_outcomes(WEEK, later, state="provisional", known_at=datetime(2017, 12, 15))
    found = ledger.outcomes().set_index("promotion_id")["value"].to_dict()
    assert found == {"18": 0.7, "19": 0.9}


def test_a_week_without_decisions_is_kept_and_one_without_decision_ids_is_refused(ledger):
    assert ledger.record_week(WEEK, AS_OF, state="draft", decisions=pd.DataFrame())
    assert ledger.weeks()["ids"].tolist() == ["text"]
    rows = {"state": "draft", "decisions": pd.DataFrame({"action": ["none"]})}
    refused("need a column decision_id", ledger.record_week, WEEK, AS_OF, **rows)


def test_no_ledger_reads_as_an_empty_one(tmp_path):
    none = Ledger(tmp_path / "none.duckdb", "Ours")
    for table in ("predictions", "outcomes", "models", "weeks"):
        rows = none.rows(table)
        assert rows.empty and list(rows) == list(LEDGER_TABLES[table])
    assert none.decisions(WEEK).empty
    refused("there is no ledger", Ledger.open, tmp_path / "none.duckdb", shop="Ours")


def test_rows_that_do_not_fit_are_refused_and_a_link_to_a_ledger_is_the_ledger(ledger, tmp_path):
    for table, frame, match in [
        ("predictions", pd.concat([said(), said()]), "repeat another's"),
        ("predictions", said().drop(columns="measure"), "need a column measure"),
        ("models", pd.DataFrame({"name": [None], "reason": ["x"]}), "name has no value"),
    ]:
        refused(match, ledger.record_week, WEEK, AS_OF, state="draft", **{table: frame})
        assert ledger.weeks().empty
    (tmp_path / "link.duckdb").symlink_to(ledger.path)
    linked = Ledger.open(tmp_path / "link.duckdb", shop="Ours", create=True)
    linked.record_week(WEEK, AS_OF, state="draft", predictions=said())
    assert len(ledger.predictions()) == 1 and linked.path == ledger.path
