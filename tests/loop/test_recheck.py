"""A draft that is to be released is checked again: by rights, limits, settings and other weeks."""

import functools
import json
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promolab import cli
from promolab.campaign.plan.result import STEPS
from promolab.errors import InputError
from promolab.loop import recheck, week_lifecycle
from promolab.loop.ledger import Ledger
from promolab.loop.week_plans import plan_files
from promolab.report.running import PAGES
from tests.draws import draws
from tests.refused import refused
from tests.report.made_weeks import DAY, MadeShop

release_week = functools.partial(week_lifecycle.release_week, pages=PAGES)
reconcile_week = functools.partial(week_lifecycle.reconcile_week, pages=PAGES)
PLAN = {"list_size": 20, "holdout": 0.2, "standing_holdout": 0.1}


@pytest.fixture(scope="module")
def cut():
    """The made-up shop as of each morning, cleaned, and drafts of it, for all that leave it so."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def _cleaned_once():
    """Clean equal tables once for each moment: most tests change plans and limits alone."""
    known, clean = {}, recheck._cleaned

    def cleaned(whole, planned, *moments):
        files = sorted(item for item in whole.fingerprints.items() if "toml" not in item[0])
        everybody = replace(planned, table=whole.customers.select("customer_id").execute())
        key = (*files, *moments)
        if key not in known:
            known[key] = clean(whole, everybody, *moments)
        shop, quarantined = known[key]
        return replace(shop, settings=whole.settings), quarantined

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recheck, "_cleaned", cleaned)
        yield


@pytest.fixture
def made(tmp_path_factory, cut):
    """A shop with a limit of one contact in 14 days; a promotion starts in each of three weeks."""
    return MadeShop(tmp_path_factory.mktemp("made"), cut=cut)


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_drafts_released_one_after_the_other_keep_the_limit(made, capsys):
    made.draft(0, lead_days=7, **PLAN)
    made.draft(1, lead_days=7, **PLAN)
    both = set(made.files(0)["customer_id"]) & set(made.files(1)["customer_id"])
    assert len(both) > 3  # as drafted
    first, second = (str(made.week(k)) for k in (0, 1))
    assert made.manifest(1)["plan"]["released"] == {}
    release_week(first, made.out)
    before = everything(made.out / second)
    refused(f"{len(both)} over the limit", release_week, second, made.out)
    assert everything(made.out / second) == before
    capsys.readouterr()
    drafted = made.files(1)
    assert cli.main(["release", second, "--drop", "--out", str(made.out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{made.out / second / 'send'}\n"
    assert f"since this draft: {len(both)} over the limit" in said.err
    kept = drafted[~drafted["customer_id"].isin(both)].reset_index(drop=True)
    pd.testing.assert_frame_equal(made.files(1), kept)
    frozen = made.manifest(1)["release"]
    assert frozen["since_draft"]["to_contact"] == {"over the limit": len(both)}
    assert frozen["files"] == plan_files(made.out / second)
    consistent(made, 1)


def consistent(made: MadeShop, number: int) -> None:
    """All that a week's folder says of its plan is the plan that its send files hold."""
    week, tables = str(made.week(number)), functools.partial(made.table, number)
    names = ("planned", "decisions", "decision_propensities")
    planned, decisions, chances = map(tables, names)
    funnel = tables("funnel").set_index("promotion_id")
    assert (funnel[list(STEPS)].sum(axis=1) == funnel["active"]).all()
    held = ("standing", "held_out_standing"), ("promotion", "held_out_promotion")
    for holdout, column in (("none", "to_contact"), *held):
        counts = planned.loc[planned["holdout"] == holdout, "promotion_id"].value_counts()
        assert (funnel[column] == counts.reindex(funnel.index, fill_value=0)).all()
    if "dropped" in {path.stem for path in (made.out / week / "tables").iterdir()}:
        are_out(planned, decisions, tables("dropped"))
    sums = chances.groupby("decision_id")["propensity"].sum()
    assert set(sums.index) == set(decisions["decision_id"]) and np.allclose(sums, 1)
    own = chances.merge(decisions, on=["decision_id", "action"])
    assert len(own) == len(decisions) and (own["propensity_x"] == own["propensity_y"]).all()
    to_contact = planned[planned["holdout"] == "none"]
    assert set(made.files(number)["customer_id"]) == set(to_contact["customer_id"].astype(str))
    control = pd.read_csv(made.out / week / "send" / "control.csv").set_index("file")
    files = plan_files(made.out / week)
    for name, row in control.iterrows():
        path = made.out / week / "send" / str(name)
        assert row["rows"] == len(pd.read_csv(path)) and row["sha256"] == files[f"send/{name}"]
    metrics = json.loads((made.out / week / "metrics.json").read_text())
    assert metrics["plan"]["customers_to_contact"] == to_contact["customer_id"].nunique()
    economics = tables("economics").set_index("promotion_id")
    counts = to_contact["promotion_id"].value_counts()
    assert (economics["contacts"] == counts.reindex(economics.index, fill_value=0)).all()
    assert set(metrics["economics"]) == set(economics.index.astype(str))


def are_out(planned: pd.DataFrame, decisions: pd.DataFrame, gone: pd.DataFrame) -> None:
    """Who was taken out is planned for nothing, for sure."""
    assert not planned.merge(gone, on=["customer_id", "promotion_id"]).size
    mine = decisions.set_index("customer_id")
    assert (mine.loc[gone["customer_id"], "planned_action"] == "none").all()
    assert (mine.loc[gone["customer_id"], "action"] == "none").all()
    assert (mine.loc[gone["customer_id"], "propensity"] == 1).all()


def test_what_is_changed_by_hand_is_rewritten_everywhere_and_on_record(made, capsys, tmp_path):
    run, week = made.draft(0, **PLAN), str(made.week(0))
    before = made.table(0, "planned")
    promotion, n = int(before["promotion_id"].iloc[0]), len(before)
    ids = before["customer_id"].tolist()
    with_pages(run.path)
    file = tmp_path / "out.csv"
    file.write_text(f"customer_id,reason\n{ids[0]},asked at the till\n{ids[1]},staff\n")
    told = ["release", week, "--out", str(made.out), "--by", "ann"]
    was = everything(made.out / week)
    for wrong, sentence in [
        (["--without", "99"], "promotion '99' is none of the plan's"),
        (["--cap", "99"], "--cap 99 is not understood"),
        (["--force-out", str(tmp_path / "none.csv")], "there is no file"),
    ]:
        assert cli.main([*told, *wrong]) == 2
        assert sentence in capsys.readouterr().err
    assert everything(made.out / week) == was
    assert cli.main([*told, "--cap", f"{promotion}=9", "--force-out", str(file)]) == 0
    said = capsys.readouterr().err
    assert f"promotion {promotion} capped at 9 planned; 2 customers forced out" in said.lower()
    consistent(made, 0)
    assert len(made.table(0, "planned")) == 9
    assert not set(ids[:2]) & set(made.table(0, "decisions")["customer_id"])
    rows = made.table(0, "overrides")
    assert rows["reason"].tolist() == ["asked at the till", "staff", ""]
    assert rows["planned"].tolist() == [1, 1, n - 11]
    frozen = made.manifest(0)["release"]
    assert frozen["files"] == plan_files(made.out / week)
    assert "tables/overrides.parquet" in frozen["files"]
    assert frozen["overrides"]["forced out"] == 2 and frozen["by"] == "ann"
    ledger = Ledger.open(made.out / "ledger.duckdb", shop="Corner shop")
    assert ledger.rows("overrides")["reason"].tolist() == ["asked at the till", "staff", ""]
    assert len(ledger.decisions(week)) == len(made.table(0, "decisions"))
    page = (made.out / week / "08_plan.html").read_text()
    assert "Changed by hand at the release" in page
    was = everything(made.out / week)
    assert cli.main([*told, "--without", str(promotion)]) == 2
    assert "was released already, by ann" in capsys.readouterr().err
    assert everything(made.out / week) == was


def test_what_changed_in_the_shop_is_said_by_kind_and_those_concerned_are_taken_out(made, capsys):
    with_pages(made.draft(0, **PLAN).path)
    ids = made.table(0, "planned").query("holdout == 'none'")["customer_id"].tolist()
    held = made.table(0, "planned").query("holdout != 'none'")["customer_id"].tolist()
    promotions, week = made.frames["promotions"], str(made.week(0))
    new = promotions.tail(3).head(1).assign(promotion_id=99)
    rights, late = made.frames["contact_rights"], pd.Timestamp("2021-03-30")
    barred = pd.DataFrame({"customer_id": ids[:2], "channel": "email", "allowed": False})
    barred = pd.concat([barred, barred.assign(channel="app")])
    asked = made.frames["responses"].iloc[:1].assign(customer_id=ids[2], kind="complaint", ts=late)
    customers = made.frames["customers"].set_index("customer_id")
    customers.loc[[ids[3], held[0]], "status"] = "Blocked"
    answers = pd.concat([made.frames["responses"], asked])
    made.frames |= {"contact_rights": pd.concat([rights, barred]), "responses": answers}
    made.frames["customers"] = customers.reset_index()
    made.frames["promotions"] = pd.concat([promotions, new])
    made.limits = "[{ contacts = 1, days = 7 }]"
    made.write()
    assert cli.main(["release", week, "--out", str(made.out)]) == 2
    said = capsys.readouterr().err
    since = "since this draft: 2 opted out, 1 blocked, 1 complained, 1 held back likewise, "
    since += "promotion 99 added, [contact] changed"
    assert since in said and f"promolab release {week} --drop" in said
    assert cli.main(["release", week, "--drop", "--out", str(made.out)]) == 0
    assert f"{since}; 5 customers are taken out" in capsys.readouterr().err
    assert set(made.table(0, "dropped")["customer_id"]) == {*ids[:4], held[0]}
    consistent(made, 0)
    folder = made.out / week
    assert f"{len(made.files(0))} on the list" in (folder / "index.html").read_text()
    page = (folder / "08_plan.html").read_text()
    assert "Released without some of the draft" in page and "2 opted out, 1 blocked" in page
    assert "The counts below are the draft's" in page.replace("&#39;", "'")
    assert not (folder / ".steps").exists() and not list(made.out.glob(".staging*"))


def with_pages(folder):
    """Put notebooks as they ran beside a plan: that of the plan, and one that counts its list."""
    table = "| reads | writes |\n|---|---|\n| {} | {} |"
    plan, report = "`tables/planned.parquet`", "`index`"
    code = "import pandas as pd\nplanned = pd.read_parquet('tables/planned.parquet')\n"
    code += "print((planned['holdout'] == 'none').sum(), 'on the list')"
    (folder / "notebooks").mkdir()
    for stem, needs, cell in (
        ("08_plan", table.format("`shop/*`", plan), "'as drafted'"),
        ("10_campaign_report", table.format(plan, report), code),
    ):
        cells = [nbformat.v4.new_markdown_cell(text) for text in (f"# {stem}", needs)]
        told = nbformat.v4.new_code_cell('week = "2021-W10"\nfolder = "."')
        told.metadata["tags"] = ["parameters"]
        made = nbformat.v4.new_notebook(cells=[*cells, told, nbformat.v4.new_code_cell(cell)])
        nbformat.write(made, folder / "notebooks" / f"{stem}.ipynb")


def test_lists_that_would_be_others_are_made_again_not_mended(made):
    made.draft(0, **PLAN)
    week, before = str(made.week(0)), made.frames["promotions"]
    mine = made.table(0, "planned")["promotion_id"].iloc[0]
    for change, sentence in (
        (before[before["promotion_id"] != mine], "was planned and is no longer in the data"),
        (before.assign(ends_at=before["ends_at"] + DAY), "was planned with the end"),
        (before.assign(channel="letter"), "was planned with the channel"),
    ):
        made.frames["promotions"] = change
        made.write()
        said = refused(sentence, release_week, week, made.out, drop=True)
        assert said.endswith("Make the report again")
    made.frames["promotions"] = before
    made.more = '[send]\ncolumns = { customer_id = "Key" }\n'
    made.write()
    refused(r"\[send\] in shop.toml changed", release_week, week, made.out, drop=True)
    made.more = ""
    made.write()
    toml = made.out / week / "shop" / "shop.toml"
    toml.write_text(toml.read_text().replace("days = 14", "days = 13"))
    changed = "shop/shop.toml was changed since the plan was made"
    refused(changed, release_week, week, made.out, drop=True)


def test_a_quiet_week_is_released_but_not_without_the_tables_it_was_made_with(made):
    made.draft(3, **PLAN)
    rights = made.source / "contact_rights.parquet"
    aside = rights.rename(rights.with_suffix(".away"))
    lacks, week = "made with the table contact_rights, which Corner shop", str(made.week(3))
    refused(lacks, release_week, week, made.out, drop=True)
    aside.rename(rights)
    release_week(week, made.out)
    assert made.table(3, "planned").empty and made.manifest(3)["state"] == "released"


def test_a_week_that_is_played_back_reads_nothing_later_and_one_that_goes_on_does(made):
    """Of data as they were at the draft what is dated after the sending is not read."""
    rights = made.frames["contact_rights"].assign(since=pd.Timestamp("2021-01-02"))
    late = rights.assign(allowed=False, since=pd.Timestamp("2021-03-10"))
    made.frames["contact_rights"] = pd.concat([rights, late])
    made.write()
    made.draft(0, **PLAN)
    last, week = made.frames["events"]["ts"].max(), str(made.week(0))
    refused("opted out", release_week, week, made.out, now=(last + 13 * DAY).to_pydatetime())
    release_week(week, made.out, now=(last + 300 * DAY).to_pydatetime())  # it ended long ago


# Whatever the order.


@pytest.fixture(scope="module")
def any_order(tmp_path_factory, cut):
    return MadeShop(tmp_path_factory.mktemp("any"), cut=cut)


@settings(max_examples=draws(1, most=20))
@given(st.integers(1, 2**32 - 1))
def test_no_customer_is_ever_beyond_a_limit(any_order, seed):
    """Drafts, releases and sendings read back, in any order, against a ledger kept by hand."""
    made, rng = any_order, np.random.default_rng(seed)
    channels = rng.permutation(["", "email", "app"])[: rng.integers(1, 3)]
    limits = [(int(rng.choice([1, 1, 2])), int(rng.choice([7, 8, 14, 20])), c) for c in channels]
    made.limits = ", ".join(
        f"{{ contacts = {n}, days = {days}" + (f', channel = "{channel}" }}' if channel else " }")
        for n, days, channel in limits
    )
    made.limits = f"[{made.limits}]"
    made.reports = f"reports-{seed}-{len(list(made.root.iterdir()))}"
    made.write_settings()
    ledger, order = History(made, limits), rng.permutation([0, 0, 0, 1, 1, 1, 2, 2, 2]).tolist()
    for place, k in enumerate(order):
        week, done = str(made.week(k)), order[:place].count(k)
        if done == 0:
            sizes = {"list_size": 24, "holdout": 0.2, "standing_holdout": 0.1}
            made.draft(k, lead_days=int(rng.choice([0, 7])), **sizes)
        elif done == 1:
            try:
                release_week(week, made.out)
            except InputError:
                release_week(week, made.out, drop=True)
                consistent(made, k)
            ledger.sent[k] = made.files(k)[["customer_id", "channel"]].astype(str)
            ledger.check(k)
        else:
            sent = made.files(k)[rng.random(len(made.files(k))) < 0.8]
            wrong = rng.choice(40, min(3, len(sent)), replace=False).astype(str)
            sent = pd.concat([sent, sent.head(len(wrong)).assign(customer_id=wrong)])
            sent.to_csv(made.root / "sent.csv", index=False)
            reconcile_week(week, made.root / "sent.csv", made.out, force=True)
            ledger.sent[k] = sent[["customer_id", "channel"]].astype(str)


class History:
    """Who was contacted when and how: the shop's exposures, and what each week sent."""

    def __init__(self, made: MadeShop, limits: list[tuple[int, int, str | None]]) -> None:
        self.made, self.limits = made, limits
        self.sent: dict[int, pd.DataFrame] = {}
        own = made.frames["exposures"].assign(customer_id=lambda t: t["customer_id"].astype(str))
        self.before = own.assign(at=self._local(own["ts"]))[["customer_id", "channel", "at"]]

    @staticmethod
    def _local(ts: pd.Series) -> pd.Series:
        local = ts.dt.tz_localize("UTC").dt.tz_convert("America/New_York")
        return pd.Series(local.dt.tz_localize(None))

    def check(self, number: int) -> None:
        """No span of a limit's days that holds this week's sending holds more than it allows."""
        at = {k: pd.Timestamp(self.made.week(k).monday()) for k in self.sent}
        rows = pd.concat([self.before, *(t.assign(at=at[k]) for k, t in self.sent.items())])
        mine = self.sent[number]
        for contacts, days, channel in self.limits:
            counted = rows if not channel else rows[rows["channel"] == channel]
            own = mine if not channel else mine[mine["channel"] == channel]
            for customer in own["customer_id"].unique():
                days_of = counted.loc[counted["customer_id"] == customer, "at"]
                for end in days_of[(days_of >= at[number]) & (days_of < at[number] + days * DAY)]:
                    inside = ((days_of > end - days * DAY) & (days_of <= end)).sum()
                    assert inside <= contacts, (customer, number, days_of.tolist())
