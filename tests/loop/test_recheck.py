"""A draft that is to be released is checked again: by rights, limits, settings and other weeks."""

import functools
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
from promolab.folder import read_json
from promolab.loop import recheck, week_lifecycle
from promolab.loop.ledger import Ledger
from promolab.loop.week_plans import plan_files
from promolab.report.running import PAGES
from tests.draws import draws
from tests.refused import refused
from tests.report.made_weeks import DAY, MadeShop

release_week = functools.partial(week_lifecycle.release_week, pages=PAGES)
reconcile_week = functools.partial(week_lifecycle.reconcile_week, pages=PAGES)
PLAN = {"lead_days": 7, "list_size": 20, "holdout": 0.2, "standing_holdout": 0.1}


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


@pytest.fixture
def release(made, capsys):
    """Return what releases a week by the command, with its exit code and what it says."""

    def call(number, *options):
        code = cli.main(["release", str(made.week(number)), "--out", str(made.out), *options])
        return code, capsys.readouterr().err

    return call


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_drafts_released_one_after_the_other_keep_the_limit(made, release):
    for number in (0, 1):
        made.draft(number, **PLAN)
    drafted, folder = made.files(1), made.out / str(made.week(1))
    both = set(made.files(0)["customer_id"]) & set(drafted["customer_id"])
    assert len(both) > 3  # as drafted
    assert release(0)[0] == 0
    before = everything(folder)
    code, said = release(1)
    assert code == 2 and f"{len(both)} over the limit" in said and everything(folder) == before
    code, said = release(1, "--drop")
    assert code == 0 and f"since this draft: {len(both)} over the limit" in said
    kept = drafted[~drafted["customer_id"].isin(both)].reset_index(drop=True)
    pd.testing.assert_frame_equal(made.files(1), kept)
    assert made.manifest(1)["release"]["since_draft"]["to_contact"] == {"over the limit": len(both)}
    consistent(made, 1)


def consistent(made, number):
    """All that a week's folder says of its plan is the plan that its send files hold."""
    folder, table = made.out / str(made.week(number)), functools.partial(made.table, number)
    planned, decisions, chances = map(table, ("planned", "decisions", "decision_propensities"))
    funnel, economics = (table(name).set_index("promotion_id") for name in ("funnel", "economics"))
    assert (funnel[list(STEPS)].sum(axis=1) == funnel["active"]).all()
    held = {"standing": "held_out_standing", "promotion": "held_out_promotion"}
    for holdout, column in {"none": "to_contact", **held}.items():
        counts = planned.loc[planned["holdout"] == holdout, "promotion_id"].value_counts()
        assert (funnel[column] == counts.reindex(funnel.index, fill_value=0)).all()
    if (folder / "tables" / "dropped.parquet").exists():  # who is out is planned for nothing
        gone = table("dropped")
        assert planned.merge(gone, on=["customer_id", "promotion_id"]).empty
        mine = decisions.set_index("customer_id").loc[gone["customer_id"]]
        assert (mine[["planned_action", "action"]] == "none").all(axis=None)
        assert (mine["propensity"] == 1).all()
    sums = chances.groupby("decision_id")["propensity"].sum()
    assert set(sums.index) == set(decisions["decision_id"]) and np.allclose(sums, 1)
    own = chances.merge(decisions, on=["decision_id", "action"])
    assert len(own) == len(decisions) and (own["propensity_x"] == own["propensity_y"]).all()
    to_contact = planned[planned["holdout"] == "none"]
    assert set(made.files(number)["customer_id"]) == set(to_contact["customer_id"].astype(str))
    files = plan_files(folder)
    assert made.manifest(number)["release"]["files"] == files
    for name, row in pd.read_csv(folder / "send" / "control.csv").set_index("file").iterrows():
        rows = pd.read_csv(folder / "send" / str(name))
        assert row["rows"] == len(rows) and row["sha256"] == files[f"send/{name}"]
    metrics = read_json(folder / "metrics.json")
    assert metrics["plan"]["customers_to_contact"] == to_contact["customer_id"].nunique()
    counts = to_contact["promotion_id"].value_counts()
    assert (economics["contacts"] == counts.reindex(economics.index, fill_value=0)).all()
    assert set(metrics["economics"]) == set(economics.index.astype(str))


def test_what_is_changed_by_hand_is_rewritten_everywhere_and_on_record(made, release, tmp_path):
    folder = made.draft(0, **PLAN).path
    before = made.table(0, "planned")
    promotion, n, ids = before["promotion_id"].iloc[0], len(before), before["customer_id"].tolist()
    file = tmp_path / "out.csv"
    file.write_text(f"customer_id,reason\n{ids[0]},asked at the till\n{ids[1]},staff\n")
    code, said = release(0, "--cap", "99")
    assert code == 2 and "--cap 99 is not understood" in said
    call = (0, "--by", "ann", "--cap", f"{promotion}=9", "--force-out", str(file))
    code, said = release(*call)
    words = f"promotion {promotion} capped at 9 planned; 2 customers forced out"
    assert code == 0 and words in said.lower()
    consistent(made, 0)
    assert len(made.table(0, "planned")) == 9
    assert not set(ids[:2]) & set(made.table(0, "decisions")["customer_id"])
    frozen, rows = made.manifest(0)["release"], made.table(0, "overrides")
    assert rows["planned"].tolist() == [1, 1, n - 11]
    assert "tables/overrides.parquet" in frozen["files"]
    assert frozen["overrides"]["forced out"] == 2 and frozen["by"] == "ann"
    ledger = Ledger.open(made.out / "ledger.duckdb", shop="Corner shop")
    for told in (rows, ledger.rows("overrides")):
        assert told["reason"].tolist() == ["asked at the till", "staff", ""]
    assert len(ledger.decisions(made.week(0))) == len(made.table(0, "decisions"))
    was = everything(folder)
    code, said = release(*call)
    assert code == 2 and "was released already, by ann" in said and everything(folder) == was


def test_what_changed_in_the_shop_is_said_by_kind_and_those_concerned_are_taken_out(made, release):
    folder = made.draft(0, **PLAN).path
    with_pages(folder)
    planned, promotions = made.table(0, "planned"), made.frames["promotions"]
    ids = planned.query("holdout == 'none'")["customer_id"].tolist()
    held = planned.query("holdout != 'none'")["customer_id"].iloc[0]
    new = promotions.tail(3).head(1).assign(promotion_id=99)
    barred = pd.DataFrame({"customer_id": np.repeat(ids[:2], 2), "channel": ["email", "app"] * 2})
    barred = barred.assign(allowed=False)
    asked = made.frames["responses"].iloc[:1].assign(customer_id=ids[2], kind="complaint")
    asked["ts"] = pd.Timestamp("2021-03-30")
    customers = made.frames["customers"].set_index("customer_id")
    customers.loc[[ids[3], held], "status"] = "Blocked"
    for name, more in {"contact_rights": barred, "responses": asked, "promotions": new}.items():
        made.frames[name] = pd.concat([made.frames[name], more])
    made.frames["customers"] = customers.reset_index()
    made.limits = "[{ contacts = 1, days = 7 }]"
    made.write()
    since = "since this draft: 2 opted out, 1 blocked, 1 complained, 1 held back likewise, "
    since += "promotion 99 added, [contact] changed"
    code, said = release(0)
    assert code == 2 and since in said and f"promolab release {made.week(0)} --drop" in said
    code, said = release(0, "--drop")
    assert code == 0 and f"{since}; 5 customers are taken out" in said
    assert set(made.table(0, "dropped")["customer_id"]) == {*ids[:4], held}
    consistent(made, 0)
    assert f"{len(made.files(0))} on the list" in (folder / "index.html").read_text()
    page = (folder / "08_plan.html").read_text()
    assert "Released without some of the draft" in page and "2 opted out, 1 blocked" in page
    assert "The counts below are the draft's" in page.replace("&#39;", "'")
    assert not (folder / ".steps").exists() and not list(made.out.glob(".staging*"))


def with_pages(folder):
    """Put notebooks as they ran beside a plan: that of the plan, and one that counts its list."""
    table, plan = "| reads | writes |\n|---|---|\n| {} | {} |", "`tables/planned.parquet`"
    code = "import pandas as pd\nplanned = pd.read_parquet('tables/planned.parquet')\n"
    code += "print((planned['holdout'] == 'none').sum(), 'on the list')"
    (folder / "notebooks").mkdir()
    for stem, needs, cell in (
        ("08_plan", table.format("`shop/*`", plan), "'as drafted'"),
        ("10_campaign_report", table.format(plan, "`index`"), code),
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
    moved = before.assign(ends_at=before["ends_at"] + DAY, channel="letter")
    renamed = '[send]\ncolumns = { customer_id = "Key" }\n'
    for change, more, sentences in (
        (before[before["promotion_id"] != mine], "", ["was planned and is no longer in the data"]),
        (moved, renamed, ["with the end", "with the channel", r"\[send\] in shop.toml changed"]),
    ):
        made.frames["promotions"], made.more = change, more
        made.write()
        said = refused(".*".join(sentences), release_week, week, made.out, drop=True)
        assert said.endswith("Make the report again")
    rights = made.source / "contact_rights.parquet"
    aside = rights.rename(rights.with_suffix(".away"))
    lacks = "made with the table contact_rights, which Corner shop lacks"
    refused(lacks, release_week, week, made.out, drop=True)
    aside.rename(rights)
    toml = made.out / week / "shop" / "shop.toml"
    toml.write_text(toml.read_text().replace("days = 14", "days = 13"))
    changed = "shop/shop.toml was changed since the plan was made"
    refused(changed, release_week, week, made.out, drop=True)


def test_a_quiet_week_is_released(made):
    made.draft(3, **PLAN)
    release_week(str(made.week(3)), made.out)
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


@settings(max_examples=draws(1, most=20))
@given(st.integers(1, 2**32 - 1))
def test_no_customer_is_ever_beyond_a_limit(tmp_path_factory, cut, seed):
    """Drafts, releases and sendings read back, in any order, against contacts counted by hand."""
    rng, weeks = np.random.default_rng(seed), 3
    channels = rng.permutation(["", "email", "app"])[: rng.integers(1, 3)]
    limits = [(int(rng.choice([1, 1, 2])), int(rng.choice([7, 8, 14, 20])), c) for c in channels]
    told = ", ".join(
        f"{{ contacts = {n}, days = {days}" + (f', channel = "{c}" }}' if c else " }")
        for n, days, c in limits
    )
    made = MadeShop(tmp_path_factory.mktemp("any"), limits=f"[{told}]", cut=cut)
    sent, order = {}, rng.permutation(np.repeat(range(weeks), 3)).tolist()
    for place, k in enumerate(order):
        week, done = str(made.week(k)), order[:place].count(k)
        if done == 0:
            made.draft(k, **PLAN | {"lead_days": int(rng.choice([0, 7])), "list_size": 24})
        elif done == 1:
            try:
                release_week(week, made.out)
            except InputError:
                release_week(week, made.out, drop=True)
                consistent(made, k)
            sent[k] = made.files(k)[["customer_id", "channel"]]
            keep_to_limits(made, limits, sent, k)
        else:
            rows = made.files(k)[rng.random(len(made.files(k))) < 0.8]
            wrong = rng.choice(40, min(3, len(rows)), replace=False).astype(str)
            rows = pd.concat([rows, rows.head(len(wrong)).assign(customer_id=wrong)])
            rows.to_csv(made.root / "sent.csv", index=False)
            reconcile_week(week, made.root / "sent.csv", made.out, force=True)
            sent[k] = rows[["customer_id", "channel"]]


def keep_to_limits(made, limits, sent, number):
    """No span of a limit's days that holds this week's sending holds more than it allows."""
    own = made.frames["exposures"]
    local = own["ts"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    own = own.assign(customer_id=own["customer_id"].astype(str), at=local)
    at = {k: pd.Timestamp(made.week(k).monday()) for k in sent}
    rows = pd.concat([own, *(t.assign(at=at[k]) for k, t in sent.items())])
    for contacts, days, channel in limits:
        counted, mine = (t[t["channel"] == channel] if channel else t for t in (rows, sent[number]))
        for customer in mine["customer_id"].unique():
            days_of = counted.loc[counted["customer_id"] == customer, "at"]
            for end in days_of[(days_of >= at[number]) & (days_of < at[number] + days * DAY)]:
                inside = ((days_of > end - days * DAY) & (days_of <= end)).sum()
                assert inside <= contacts, (customer, number, days_of.tolist())
