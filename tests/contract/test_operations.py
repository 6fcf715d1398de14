"""What a shop says of itself and of its weekly work: understood, refused, and written again."""

import math
import tomllib
from datetime import date, datetime

from promolab.contract import Settings, read_settings
from promolab.contract.operations import ContactLimit, SendColumns, read_operations
from promolab.contract.operations import StatedRate as Rate
from promolab.contract.settings import _toml
from tests.refused import refused

FULL = """
currency = "GBP"

[contact]
limits = [{ channel = "email", contacts = 2, days = 7 }, { contacts = 5, days = 30 }]
quiet_days_after_complaint = 60
quiet_days_after_unsubscribe = 365
never_statuses = ["blocked", "closed"]
exclusive = [["P18", "P19"], [7, 8]]
[contact.bundles]
summer = ["P1", "P2"]
"in two words" = ["P3", "P4"]

[send]
columns = { promotion_id = "Campaign", customer_id = "CustomerKey" }

[economics]
margin_rate = 0.4
contact_cost = 1
currency = "GBP"
assumed = ["margin_rate"]

[attribution]
windows = { redeem = 28, purchase = 14 }
return_days = 20

[release]
owner = "Ana"
deadline = "Monday 12:00"

[privacy]
least = 25

[replies]
precision = 0.8
foreign = 1.0

[replies.intents."too late"]
text = { en = "Soon.", zh = "快了。" }
offer = "{offer}, {discount_rate} off"
examples = ["Where is it?"]

[notify]
on_success = ["tell", "the team", ""]
"""


TRIAL = '[[experiments]]\nname = "A"\ndata = "a.csv"\nmetrics = ["visit"]\n'


def read(tmp_path, text: str) -> Settings:
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    return read_settings(tmp_path / "shop.toml")


def test_all_sections_are_understood(tmp_path):
    found = read_operations(read(tmp_path, FULL))
    rules = found.contact
    assert rules.limits == (ContactLimit(2, 7, "email"), ContactLimit(5, 30))
    assert (rules.quiet_days_after_complaint, rules.quiet_days_after_unsubscribe) == (60, 365)
    assert rules.never_statuses == ("blocked", "closed")
    assert rules.bundles == {"summer": ("P1", "P2"), "in two words": ("P3", "P4")}
    assert rules.rivals("P18") == ("P19",) and rules.rivals(7) == ("8",) and not rules.rivals("P1")
    assert list(found.send.columns) == ["promotion_id", "customer_id"]
    assert [*found.send.columns.values()] == ["Campaign", "CustomerKey"]
    assert found.economics.margin_rate == Rate(0.4, assumed=True)
    assert found.economics.contact_cost == Rate(1.0, assumed=False)
    assert found.economics.assumed == ("margin_rate", "coupon_cost")
    assert found.attribution.windows == {"redeem": 28, "purchase": 14}
    assert found.attribution.return_days == 20
    assert found.least == 25 and read_operations(Settings()).least == 10 and not found.privacy
    assert (found.release.owner, found.release.deadline) == ("Ana", "Monday 12:00")
    late = found.replies.intents["too late"]
    assert (found.replies.precision, late.examples) == (0.8, ("Where is it?",))
    assert found.replies.foreign == 1 and read_operations(Settings()).replies.foreign == 0.1
    assert late.text["zh"] == "快了。" and late.offer == {"": "{offer}, {discount_rate} off"}
    assert found.notify.on_success == ("tell", "the team", "") and found.notify.on_failure == ()


def test_what_is_not_said_has_a_default_and_send_files_are_for_excel_or_not(tmp_path):
    found = read_operations(Settings())
    assert found.economics.assumed == ("margin_rate", "contact_cost", "coupon_cost")
    # A margin stated above the sections is stated.
    assert read_operations(Settings(margin_rate=0.3)).economics.margin_rate == Rate(0.3, False)
    told = Settings(operations={"send": {"encoding": "utf-8-sig"}})
    assert read_operations(told).send == SendColumns(encoding="utf-8-sig")
    stated = read_operations(read(tmp_path, "[economics]\nbudget = 42000"))
    assert stated.economics.budget == 42_000.0


def test_the_saved_shop_keeps_them_and_experiments_whatever_their_values(tmp_path):
    more = '[[experiments]]\nname = "B"\ndata = "b.csv"\nmetrics = ["visit"]\n'
    more += "started = 2021-03-01\n"
    more += 'guardrails = {left = {column = "unsubscribed", margin = 0.002}}\n'
    settings = read(tmp_path, FULL + TRIAL + more)
    again = read(tmp_path, settings.to_toml())
    assert again == settings and read_operations(again) == read_operations(settings)
    assert list(again.operations["send"]["columns"]) == ["promotion_id", "customer_id"]
    first, second = read_operations(again).experiments
    assert (first.data, first.metrics) == ("a.csv", {"visit": {"column": "visit"}})
    assert (second.data, second.started) == ("b.csv", date(2021, 3, 1))
    assert second.guardrails == {"left": {"column": "unsubscribed", "margin": 0.002}}
    odd = ['"\\\n\t\x00\x7f é 你', {"": [1e300, -math.inf, True]}, {'a."b': {}}, [[], -(2**63)], ""]
    assert tomllib.loads(f"key = {_toml(odd)}")["key"] == odd


def test_what_is_wrong_is_said(tmp_path):
    for text, message in [
        ("[contct]\n", r"unknown key 'contct'; did you mean 'contact'"),
        ("[privacy]\nleast = 0\n", r"\[privacy\] least = 0; expected a whole number from 1 on"),
        ("[replies]\nprecision = 90", "precision = 90; expected a share between 0 and 1"),
        ("[replies]\nforeign = 0", "foreign = 0; expected a share above 0"),
        ("[replies.intents.late]\ntext = 'Soon.'", "intents.late: .* lacks examples; write text"),
        ("[replies.late]\ntext = 'Soon.'", "unknown key 'late'; known: .*intents"),
        ("[[contact]]\nlimits = []", r"\[contact\] is .*, must be a table of key = value"),
        ("[contact]\nlimits = 3", r"\[contact\] limits = 3, must be a list"),
        ("[contact]\nlimits = [{contacts = 2}]", r"lacks days; write \{ channel"),
        ("[contact]\nlimits = [{contacts = 0, days = 7}]", "contacts = 0; expected a whole number"),
        ("[contact]\nquiet_days_after_complaint = -1", "-1; expected a whole number from 0 on"),
        ('[contact]\nnever_statuses = "blocked"', "'blocked', must be a list"),
        ('[contact]\nunlisted = "yes"', "'yes' is unknown; known: may be contacted, no right"),
        ('[contact]\nexclusive = [["P1", "P1"]]', "must name two promotions or more, each once"),
        ('[contact]\nbundles = {none = ["P1", "P2"]}', '"none" cannot be the name of a bundle'),
        ('[contact]\nbundles = {a = ["1", "2"], b = ["2", "3"]}', "holds '2', which 'a'"),
        ('[contact]\nexclusive = [["1", "2"]]\nbundles = {a = ["1", "2"]}', "exclude each other"),
        ('[send]\ncolumns = {custmer_id = "x"}', "did you mean 'customer_id'"),
        ('[send]\nencoding = "gbk"', r"\[send\] encoding = 'gbk'.*utf-8-sig"),
        ('[send]\ncolumns = {channel = "x"}', "lacks customer_id"),
        ('[send]\ncolumns = {customer_id = "x", channel = "x"}', "gives two columns one name"),
        ('[send]\ncolumns = {customer_id = "=x"}', "run as a formula"),
        ("[economics]\nmargin_rate = 40", r"expected a share between 0 and 1 \(0\.4, not 40\)"),
        ("margin_rate = 0.3\n[economics]\nmargin_rate = 0.4", "state it once"),
        ('[economics]\nbudget = "much"', "budget = 'much'; expected a number from 0"),
        ('[economics]\ncurrency = "EUR"', "the shop's amounts are in 'USD'"),
        ('[economics]\nassumed = ["coupon_cost"]', "names 'coupon_cost', which is not stated"),
        ("[attribution]\nwindows = {redem = 28}", "did you mean 'redeem'"),
        ("[attribution]\nwindows = {redeem = 0}", "0; expected a whole number from 1 on"),
        ('[notify]\non_success = "tell me"', "no shell runs it"),
        ("experiments = 3", r"experiments must be tables of their own: write \[\[experiments\]\]"),
        ('[experiments]\nname = "A"', r"write \[\[experiments\]\], in two brackets"),
        (TRIAL.replace('name = "A"', ""), 'lacks name; write name = "Spring e-mail"'),
        (TRIAL + TRIAL, "name = 'A' is another one's as well"),
        (TRIAL.replace("data", "#"), 'lacks data; write name = "Spring e-mail", data = '),
        (TRIAL.replace("metrics", "#"), "metrics is not stated; name columns"),
        (TRIAL + 'guardrails = ["visit"]', "'visit' is a metric and a guardrail"),
        (TRIAL + 'guardrails = {x = {colum = "y"}}', r"guardrails.x has an unknown key 'colum'"),
        (TRIAL + "guardrails = {x = {winsorise = 99}}", "winsorise = 99; expected a share between"),
        (TRIAL + 'guardrails = {x = {kind = "rate"}}', "'rate' is unknown"),
        (TRIAL + 'primary = "visits"', "primary = 'visits' is unknown; did you mean 'visit'"),
        (TRIAL + "shares = {a = 0.5, b = 0.4}", "shares add up to 0.9, must add up to 1"),
        (TRIAL + 'multiplicity = "bonferoni"', "multiplicity = 'bonferoni' is unknown"),
        (TRIAL + 'started = "March"', "started = 'March'; expected a day such as 2017-10-30"),
        (TRIAL + "started = 2021-03-02\nends = 2021-03-02", "is not after started"),
        (TRIAL + "money = {contact_cost = 1}", "must name the margin"),
        ('zonne = "UTC"', "unknown key 'zonne'; did you mean 'zone'"),
        ('zone = "Europe/Roma"', "'Europe/Roma' is no time zone; write an IANA name"),
        ("name = 5", "name = 5; expected a text"),
        ('naive_times = "here"', "naive_times = 'here' is unknown; known: local, utc"),
        ("odd_quantity = 0", "odd_quantity = 0; expected a number above 0"),
        ("evening_from = 24", "evening_from = 24; expected a whole number from 0 to 23"),
        ('opened = "last year"', "opened = 'last year'; expected a day such as 2017-01-01"),
        ("name = ", "cannot be read as TOML"),
        ("name = " + "[" * 5000 + "]" * 5000, "TOML: lists or tables stand in each other"),
        ("name = " + "{a=" * 5000 + "1" + "}" * 5000, "TOML: lists or tables stand in each other"),
    ]:
        assert "shop.toml" in refused(message, read, tmp_path, text)
    refused("there is no settings file", read_settings, tmp_path / "none.toml")


def test_settings_are_read_and_life_is_in_utc_across_summer_time(tmp_path):
    text = 'name = "Bäcker"\nzone = "Europe/Rome"\nmargin_rate = 0.4\n'
    text += "opened = 2021-03-28\nevening_from = 18"
    got = read(tmp_path, text)
    assert (got.name, got.margin_rate, got.evening_from) == ("Bäcker", 0.4, 18)
    assert got.life() == (datetime(2021, 3, 27, 23), None)
    life = Settings(zone="America/New_York", opened="2017-01-01", closed="2017-07-01").life()
    assert life == (datetime(2017, 1, 1, 5), datetime(2017, 7, 1, 4))
    assert Settings().life() == (None, None)
