"""The cards of a week: each figure is one of the week's own, and small groups stand in none."""

import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from promolab.folder import RunFolder
from promolab.glossary import GLOSSARY
from promolab.trust import write_cards
from promolab.weeks import Week

CARDS = ("model_card.md", "data_card.md")
SPENT = {"epsilon": 1.0, "delta": 1e-6, "budget": 10.0, "spent": 3.7, "releases": 9, "left": 43}
DIGITS = re.compile(r"\d+(?:[,.]\d+)*")
WORDS = Path(__file__).parents[2] / "promolab" / "trust" / "words.toml"


def figures(told: Any) -> set[str]:
    """Return what the figures and texts of a file are written as, lists as how long they are."""
    if isinstance(told, str):
        return set(DIGITS.findall(told))
    if isinstance(told, dict | list):
        parts = [*told, *told.values()] if isinstance(told, dict) else told
        return {str(len(told))}.union(*map(figures, parts))
    shares = {f"{100 * abs(told or 0):,.{d}f}" for d in range(4)}
    return shares | {f"{abs(told or 0):,.{d}f}" for d in range(6)}


def read(folder: Path) -> list[str]:
    return [(folder / name).read_text("utf-8") for name in CARDS]


def cards_of(folder: Path, made: Path, least: int = 10, **metrics: Any) -> list[str]:
    """Return the cards of a week's files, some of the metrics changed."""
    folder.mkdir(exist_ok=True)
    for name in ("metrics.json", "manifest.json", "spoken.json"):
        if (made / name).exists():
            shutil.copy(made / name, folder / name)
    told = json.loads((folder / "metrics.json").read_text("utf-8")) | metrics
    told["shop"]["least"] = least
    (folder / "metrics.json").write_text(json.dumps(told), encoding="utf-8")
    write_cards(RunFolder(folder, Week.parse("2017-W44")))
    return read(folder)


@pytest.fixture(scope="module")
def week(small_reports) -> Path:
    return Path(small_reports["first"].out / "2017-W44")


def test_every_figure_is_one_of_metrics_json_or_the_manifest(week, chinese_invoices, tmp_path):
    fixed = set(DIGITS.findall(WORDS.read_text("utf-8")))
    fixed |= {d for term in GLOSSARY.values() for d in DIGITS.findall(term.label)}
    turn = itertools.count(1)  # each figure becomes one that is like no other
    anew = {"parse_int": lambda _: 1_117 * next(turn), "parse_float": lambda _: next(turn) / 3_331}
    metrics = json.loads((week / "metrics.json").read_text("utf-8"), **anew)
    changed = cards_of(tmp_path / "other", week, 1, **metrics)
    other = cards_of(tmp_path / "chinese", chinese_invoices)
    both = {tmp_path / "other": changed, tmp_path / "chinese": other}
    for made, cards in ({week: read(week)} | both).items():
        files = [made / f"{name}.json" for name in ("metrics", "manifest", "spoken")]
        told = [json.loads(file.read_text("utf-8")) for file in files if file.exists()]
        for card in cards:
            assert set(DIGITS.findall(card)) <= fixed.union({"2017", "44"}, *map(figures, told))
    assert changed != read(week)


def test_a_week_says_what_its_model_is_for_learned_from_and_how_well_it_does(week):
    model, data = read(week)
    told = " ".join(model.split())
    assert "- For: choosing whom to contact about Coupons 18." in model
    assert "Not for: credit, insurance, employment" in told and "Not for: prices that" in told
    assert "Not for: claims about what a promotion adds. That is not identified" in told
    assert "233 contacts of 85 customers in 14 promotions that were over; 58 answered." in told
    assert "AUC 0.72 [0.57, 0.83] over all, 0.71 [0.56, 0.82] within promotions (91 con" in told
    assert "19 of 67 contacts answered" in told and "Coupons 12" not in told  # 7 customers
    assert "Loyal (segment): AUC" in told and "Champions (segment)" not in told
    assert "1 of 34 features drifted in the last 4 weeks." in told
    assert "Answer rate: stability index 0.61 [0.18, 1.04]." in told
    assert "No model was trained with a privacy guarantee." in told and "Not released yet" in told
    assert "- Promotion products: 28,645 rows kept, 1,416 quarantined, 0 dated later" in data
    assert "Events from 2017-01-01 to 2017-10-29, days of the zone America/New_York" in data
    assert "Source: small, 7 files" in data and str(week.parent) not in data
    for card in (model, data):
        assert "<b>shop" not in card.replace("\\<", "")


def test_the_page_links_to_both(small_reports):
    for made in small_reports.values():
        for one in made.out.glob("20*"):
            page = (one / "index.html").read_text("utf-8")
            assert all(f'href="{name}"' in page and (one / name).exists() for name in CARDS)
            assert 'href="model_card.md"' not in (one / "03_segments.html").read_text("utf-8")


def test_a_chinese_week_has_chinese_cards(chinese_invoices, tmp_path):
    model, data = cards_of(tmp_path, chinese_invoices)
    assert model.startswith("# 模型卡：Online Retail") and "本周没有响应模型" in model
    assert "18 个特征中有 0 个发生漂移（近 4 周）" in model and "尚未发布" in model
    assert "因疑似个人信息而留在来源处：events.Contact。" in data
    assert "- 行为：保留 54,468 行，隔离 2 行" in data


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"uplift": {"identification": "randomised"}}, "is measured by chance on page 05"),
        ({"uplift": {"identification": "adjusted"}}, "compares, adjusted for what is known"),
        ({"privacy": SPENT}, "ε = 3.70 of the 10.00 stated is spent (δ = 1e-06)"),
        ({"least": 68}, "Groups of fewer than 68 customers"),
        ({"response": {"summary": "Too *few*."}}, r"stands behind this week: Too \*few\*."),
        ({"learning": {}, "response": {}, "uplift": None}, "stands behind this week: –"),
    ],
)
def test_what_a_week_knows_decides_what_is_said(week, tmp_path, metrics, said):
    model, _ = cards_of(tmp_path, week, **metrics)
    assert said in model
    assert ("19 of 67" in model) == ("response" not in metrics and "least" not in metrics)
