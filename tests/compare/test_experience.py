"""Support: which scores lie inside what the model was tested on."""

from typing import Any

import numpy as np
import pandas as pd

from promolab.compare.backtest import support
from tests.refused import refused

TRAIN = pd.DataFrame(
    {"customer_id": [1, 2, 3], "contacts": [1, 4, 0], "promotion_type": ["A", "B", None]}
)


def rows(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_contacts_decide_who_is_new_and_support_is_told_by_customers_and_kinds() -> None:
    new = rows(customer_id=[1, 9, 9, 9], contacts=[0, 2, 0, np.nan], promotion_type=["A"] * 4)
    told = "new_customer inside new_customer new_customer"
    assert support(TRAIN, new).tolist() == told.split()
    assert support(TRAIN, rows(customer_id=[2, 9])).tolist() == ["inside", "new_customer"]
    new = rows(contacts=[1, 0, 1, 1], promotion_type=["C", "C", "B", None])
    assert support(TRAIN, new).tolist() == ["new_promotion", "new_promotion", "inside", "inside"]
    train = TRAIN.assign(channel=["mail", "app", "app"])
    new = rows(contacts=[1, 1], promotion_type=["A", "A"], channel=["mail", "app"])
    assert support(train, new).tolist() == ["inside", "new_promotion"]
    assert support(train, new, promotion_kind=["promotion_type"]).tolist() == ["inside"] * 2
    new = rows(contacts=[1], promotion_type=pd.Categorical(["A"]))  # type: ignore[arg-type]
    assert support(TRAIN, new).tolist() == ["inside"]
    assert support(TRAIN, new.head(0)).shape == (0,)
    assert support(TRAIN.head(0), new).tolist() == ["new_promotion"]
    refused("neither 'contacts' nor 'customer_id'", support, TRAIN, rows(promotion_type=["A"]))
    refused("must both have theme", support, TRAIN, rows(contacts=[1]), promotion_kind=["theme"])
