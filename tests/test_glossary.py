"""The glossary covers every column, and the data dictionary is what the code says."""

import dataclasses
import re
import tomllib

import promolab.glossary as glossary
from promolab.contract import Settings
from promolab.contract.tables import TABLES, dictionary
from promolab.features.customers import ORDER
from promolab.language import speaking
from promolab.profiles import AXES
from tests.refused import refused


def test_every_feature_and_axis_is_described_in_order():
    assert tuple(glossary.GROUPS["Customers"]) == ORDER
    assert list(glossary.GROUPS["Profiles"])[: len(AXES)] == list(AXES)


def test_terms_are_written_for_readers_and_labels_tell_columns_apart():
    assert sum(len(g) for g in glossary.GROUPS.values()) == len(glossary.GLOSSARY) > 0
    for term in glossary.GLOSSARY.values():
        assert term.label.strip() and "_" not in term.label and term.meaning.endswith("."), term
        assert not re.search(r"\s\s|\n", term.meaning), term
        assert term.chinese_meaning.endswith("。") and term.chinese, term
    for name, group in glossary.GROUPS.items():
        for labels in ({t.label for t in group.values()}, {t.chinese for t in group.values()}):
            assert len(labels) == len(group), name


def test_labels_and_tables_keep_the_order_and_name_the_nearest():
    assert glossary.label("household_size") == "household size"
    assert glossary.describe(["orders", "auc"]).index.tolist() == ["orders", "auc"]
    assert glossary.describe().index.tolist()[0] == "customer_id"
    with speaking("zh"):
        assert glossary.describe(["orders"])[["word", "meaning"]].iloc[0].str.len().max() > 20
        assert glossary.label("orders") == "订单数" and glossary.meaning("nothing") == ""
    refused("did you mean 'orders'", glossary.describe, ["ordres"])


def to_markdown(groups):
    """Return groups of terms as tables of Markdown."""
    lines = []
    for name in groups:
        lines += [f"### {name}", "", "| name | in words | unit | meaning |", "|---|---|---|---|"]
        terms = glossary.GROUPS[name].values()
        lines += [*(f"| {t.name} | {t.label} | {t.unit} | {t.meaning} |" for t in terms), ""]
    return "\n".join(lines)


def between(text: str, marker: str) -> str:
    found = re.search(rf"<!-- {marker}: [^\n]*-->\n\n(.*?)\n<!-- /{marker} -->", text, re.DOTALL)
    assert found, f"data/README.md has no part {marker!r}"
    return found.group(1)


def test_the_data_dictionary_is_what_contract_glossary_and_settings_say(repository):
    text = (repository / "data" / "README.md").read_text(encoding="utf-8")
    assert between(text, "tables") == dictionary()
    for name in TABLES:
        assert f"\n### {name}\n" in text
    groups = ["Keys and times", "Customers", "Customer and promotion"]
    assert between(text, "features") == to_markdown(groups)
    table = text.split("## shop.toml")[1].split("```")[0]
    named = {n for cell in re.findall(r"^\| ([a-z_, ]+) \|", table, re.M) for n in cell.split(", ")}
    stated = {field.name for field in dataclasses.fields(Settings)} - {"mapping", "operations"}
    assert named - {"key"} == stated
    example = tomllib.loads(re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1))
    Settings(**example)
