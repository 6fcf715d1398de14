"""What every test may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Figures are drawn without a screen, here and in every process that a test starts.
os.environ.setdefault("MPLBACKEND", "Agg")

MARKUP = "<script>alert('found')</script>"
"""What a small shop calls one of its promotions, its type, a category and an income group."""


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds pyproject.toml."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def journey_report(tmp_path_factory) -> Path:
    """Complete Journey's report of 2017-W44, made once; tests read it and leave it as it is."""
    import promolab

    page = promolab.run_report(week="2017-W44", out=tmp_path_factory.mktemp("journey") / "reports")
    return page.parent


@pytest.fixture(scope="session")
def small_shop(tmp_path_factory) -> Path:
    """A folder with all rows of 250 of Complete Journey's customers, and markup in its names."""
    from promolab.sources import load_shop, save_shop

    shop = load_shop("complete_journey")
    folder = tmp_path_factory.mktemp("shop") / "small"
    save_shop(shop, folder)
    con = shop.backend.con
    for path in folder.glob("*.parquet"):
        con.execute(f"CREATE TABLE small_{path.stem} AS FROM '{path}'")
    con.execute("CREATE TABLE kept AS FROM small_customers ORDER BY md5(customer_id) LIMIT 250")
    for name in ("customers", "events", "exposures", "responses"):
        con.execute(f"DELETE FROM small_{name} WHERE customer_id NOT IN (SELECT customer_id FROM kept)")
    con.execute(
        "DELETE FROM small_products WHERE product_id NOT IN (SELECT product_id FROM small_events)"
    )
    con.execute(
        "DELETE FROM small_promotion_products"
        " WHERE product_id NOT IN (SELECT product_id FROM small_products)"
    )
    text = MARKUP.replace("'", "''")
    con.execute(f"UPDATE small_customers SET income = '{text}' WHERE income = '50-74K'")
    con.execute(f"UPDATE small_promotions SET type = '{text}' WHERE type = 'Type B'")
    con.execute(
        f"UPDATE small_products SET category = '{text}' WHERE category ="
        " (SELECT category FROM small_events JOIN small_products USING (product_id)"
        "  GROUP BY ALL ORDER BY sum(amount) DESC, category LIMIT 1)"
    )
    for name in ("promotions", "promotion_products", "exposures", "responses"):
        # 16 runs in week 44 and is over by week 46; 13 was over lately.
        con.execute(
            f"UPDATE small_{name} SET promotion_id = '{text}' || promotion_id"
            " WHERE promotion_id IN ('13', '16')"
        )
    for path in folder.glob("*.parquet"):
        con.execute(f"COPY (FROM small_{path.stem} ORDER BY ALL) TO '{path}' (FORMAT parquet)")
    settings = (folder / "shop.toml").read_text(encoding="utf-8")
    (folder / "shop.toml").write_text(
        settings.replace('"Complete Journey"', '"Corner <b>shop</b>"'), encoding="utf-8"
    )
    return folder


@pytest.fixture
def copied_shop(small_shop, tmp_path) -> Path:
    """A copy of the small shop, to be spoilt."""
    return Path(shutil.copytree(small_shop, tmp_path / "shop"))


@pytest.fixture(scope="session")
def small_report(small_shop, tmp_path_factory) -> Path:
    """The small shop's reports folder with the weeks 2017-W44 and, made after it, 2017-W45."""
    import promolab

    out = tmp_path_factory.mktemp("small") / "reports"
    for week in ("2017-W44", "2017-W45"):
        promolab.run_report(small_shop, week=week, out=out)
    return out
