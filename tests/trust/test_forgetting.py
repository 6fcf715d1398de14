"""The right to be forgotten: what leaves a reports folder, what stays, and who is refused."""

import base64
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image

from promolab import cli
from promolab.campaign.outlook import past_pairs
from promolab.campaign.plan import Plan, with_suppressions
from promolab.cleaning import clean, known_by
from promolab.folder import (
    ReportsFolder,
    append_lines,
    append_suppressions,
    claim,
    codes,
    folder_key,
    forgotten_rows,
    read_suppressions,
    reports_folder,
    sha256_of,
)
from promolab.loop import (
    Ledger,
    nameless_digest,
    read_served,
    reconcile_week,
    release_week,
    released_plans,
    with_released_decisions,
)
from promolab.model import ResponseModel
from promolab.report.running import PAGES
from promolab.serve.service import Service
from promolab.serve.stores import MemoryStore
from promolab.serve.week import open_week
from promolab.sources import load_shop, save_shop
from promolab.trust import fairness, forget_customers, private_week, write_cards
from tests.refused import refused
from tests.report.made_weeks import FIRST, MadeShop

WEEK, NEXT, WHO, OTHER = str(FIRST), str(FIRST.next()), 4007, 4008
REASON = "asked by mail"
STATED = """
[privacy]
epsilon = 10
delta = 1e-6
bounds = { orders = [0, 20] }

[fairness]
columns = ["region"]
"""


PNG = io.BytesIO()
Image.new("1", (4, 3), 0).save(PNG, "png")
BLACK = base64.b64encode(PNG.getvalue()).decode()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A released week, read back as sent, and a draft after it, with all that may hold an id."""
    root = tmp_path_factory.mktemp("made")
    made = MadeShop(root, customers=40, first_id=4000, more=STATED)
    folder_key(made.out)
    made.draft(0, list_size=25, holdout=0.2)
    week, out = made.run(0).path, made.out
    pseudonym = made.run(0).pseudonym([WHO])[0]
    tag = f'<img alt="Customer {pseudonym}" src="data:image/png;base64,{BLACK}"/>'
    (week / "04_response.html").write_text(f"<p>{pseudonym} and C-AAAAAAAAAA</p>{tag}")
    shown = {"data": {"image/png": BLACK, "text/plain": f"Customer {pseudonym}"}}
    notebook = {"cells": [{"cell_type": "code", "outputs": [shown]}]}
    (week / "notebooks").mkdir()
    (week / "notebooks" / "04_response.ipynb").write_text(json.dumps(notebook, indent=1))
    model = ResponseModel().fit(pd.DataFrame({"x": range(40)}), np.arange(40) % 2)
    model.save(week / "model.safetensors")
    release_week(WEEK, out, "ann", pages=PAGES)
    made.files(0).to_csv(made.root / "sent.csv", index=False)
    reconcile_week(WEEK, made.root / "sent.csv", out, pages=PAGES)
    served = {"ts": "2021-03-08T12:00:00Z", "action": "none", "propensity": 1.0, "planned": True}
    served |= {"planned_action": "none", "holdout": "none", "chances": {"none": 1.0}}
    said = {"channel": None, "kind": "complaint", "ts": "2021-03-01T12:00:00Z"}
    for one in (WHO, OTHER):
        row = {"decision_id": f"20210308T-{one}", "customer_id": one, **served}
        append_lines(week / "served" / "decisions.jsonl", [row])
        letter = {"at": "", "reason": "odd", "line": f'{{"customer": {one}, ha'}
        append_lines(week / "served" / "dead_letters.jsonl", [letter])
        append_suppressions(out, [{"customer_id": one, "event_id": f"e{one}", **said}])
    made.draft(1, list_size=25, holdout=0.2)
    for number in (0, 1):
        rows = [f'{{"customer_id":{one},"ts":null}}' for one in (WHO, OTHER)]
        odd = {"number": [0, 1], "table": "events", "rule": "missing_key", "row": rows}
        pd.DataFrame(odd).to_parquet(made.run(number).table_path("quarantine"), index=False)
    return made


@pytest.fixture
def made(prepared, tmp_path):
    """The folders, to be changed; WHO is in all of them."""
    shutil.copytree(prepared.root, tmp_path / "made", symlinks=True)
    found = MadeShop(tmp_path / "made", customers=40, first_id=4000, more=STATED)
    for path in found.out.glob("*/manifest.json"):
        text = path.read_text().replace(str(prepared.source), str(found.source))
        path.write_text(text)
    return found


def decoded(folder):
    """Give every cell of every table, and every text, of a folder: (place, text)."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        place, frames = path.relative_to(folder).as_posix(), {}
        if path.suffix == ".parquet":
            frames = {"": pq.read_table(path).to_pandas()}
        elif path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as con:
                names = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
                frames = {name: con.execute(f"FROM {name}").df() for (name,) in names}
        for frame in frames.values():
            for name in frame:
                yield from (
                    (f"{place} {name}", str(cell)) for cell in frame[name].dropna().unique()
                )
        if not frames:
            yield place, path.read_bytes().decode("utf-8", "replace")
        yield f"{place} bytes", path.read_bytes().decode("latin-1")


def where(out, customer):
    """Return where an id, or its pseudonym, stands as a word."""
    pseudonym = codes((out / ".key").read_bytes(), [customer])[0]
    word = re.compile(rf"(?<![\w.]){customer}(?![\w.])|{pseudonym}")
    return sorted({place for place, text in decoded(out) if word.search(text)})


def test_no_file_holds_the_id_any_more_and_all_others_are_as_they_were(made):
    out, week = made.out, made.run(0).path
    before = {place.split(" ")[0] for place in where(out, WHO)}
    kinds = {"shop/events.parquet", "tables/decisions.parquet", "tables/quarantine.parquet"}
    kinds |= {"tables/sent.parquet", "send/holdout.csv", "served/decisions.jsonl"}
    kinds |= {"served/dead_letters.jsonl", "04_response.html", "notebooks/04_response.ipynb"}
    assert {f"{WEEK}/{name}" for name in kinds} - before <= {f"{WEEK}/send/holdout.csv"}
    assert {"ledger.duckdb", "suppressions.jsonl", f"{NEXT}/tables/scores.parquet"} <= before
    theirs, digest = where(out, OTHER), nameless_digest(week)
    sums = pd.read_parquet(week / "tables" / "funnel.parquet")
    plain = pd.read_parquet(week / "tables" / "decisions.parquet")
    ledger = Ledger.open(out / "ledger.duckdb", shop="Corner shop")
    names = ("decisions", "decision_propensities", "served")
    rows = {name: len(ledger.rows(name)) for name in names}
    done = forget_customers([WHO], out, REASON)
    assert where(out, WHO) == [] and where(out, OTHER) == theirs
    assert not (out / "forgetting.json").exists() and not list(out.rglob("*.part"))
    # What was decided, by which chances, and all sums are as they were.
    assert nameless_digest(week) == digest
    chances = week / "tables" / "decision_propensities.parquet"
    told, whole = pd.read_parquet(chances), chances.read_bytes()
    other = dict(zip(ids := told["decision_id"].unique(), np.roll(ids, 1), strict=True))
    told.assign(decision_id=told["decision_id"].map(other)).to_parquet(chances)
    assert nameless_digest(week) != digest  # chances of other decisions
    chances.write_bytes(whole)
    assert_frame_equal(pd.read_parquet(week / "tables" / "funnel.parquet"), sums)
    assert {name: len(ledger.rows(name)) for name in rows} == rows
    coded = pd.read_parquet(week / "tables" / "decisions.parquet")
    assert len(coded) == len(plain) and (coded["customer_id"] < -(2**62)).sum() == 1
    mine = coded[coded["customer_id"] < 0].iloc[0]
    was = plain[plain["customer_id"] == WHO].iloc[0]
    same = ["ts", "action", "propensity", "planned_action", "holdout"]
    assert mine[same].tolist() == was[same].tolist()
    chances = pd.read_parquet(week / "tables" / "decision_propensities.parquet")
    assert mine["decision_id"] in set(chances["decision_id"])
    in_ledger = ledger.rows("decisions", WEEK)
    assert str(mine["customer_id"]) in set(in_ledger["customer_id"])
    assert mine["decision_id"] in set(in_ledger["decision_id"])
    # Digests and control sums are made anew; each week can be read and is as it was released.
    assert [str(plan.week) for plan in released_plans(ReportsFolder(out))] == [WEEK]
    control = pd.read_csv(week / "send" / "control.csv")
    for row in control.to_dict("records"):
        assert row["sha256"] == sha256_of(week / "send" / row["file"])
        assert row["rows"] == len(pd.read_csv(week / "send" / row["file"]))
    files = json.loads((week / "manifest.json").read_text())["release"]["files"]
    assert all(sha256_of(week / name) == noted for name, noted in files.items())
    # Pages: overwritten in place, pictures in which the pseudonym is painted as well.
    page = (week / "04_response.html").read_text()
    assert re.match(r"<p>C-[A-Z2-7]{10} and C-AAAAAAAAAA</p><img", page) and BLACK not in page
    notebook = json.loads((week / "notebooks" / "04_response.ipynb").read_text())
    shown = base64.b64decode(notebook["cells"][0]["outputs"][0]["data"]["image/png"])
    assert Image.open(io.BytesIO(shown)).getextrema() == (255, 255)
    # The models that were learned from WHO are gone, and marked; on record without the id.
    assert done.refit == (f"{WEEK}/model.safetensors",) and done.customers == 1
    noted = json.loads((week / "manifest.json").read_text())
    assert noted["to_be_refitted"] == ["model.safetensors"]
    assert noted["erasures"][0]["decisions"] == digest
    (record,) = forgotten_rows(out)
    assert record["reason"] == REASON and record["counts"]["log"] == 2 < record["counts"]["shop"]
    assert set(record) == {"digest", "at", "reason", "counts"}
    assert oct((out / "suppressions.jsonl").stat().st_mode & 0o777) == "0o640"
    assert done.sources == (str(made.source),) and str(made.source) in done.summary()


def test_who_said_no_stays_refused_by_the_keyed_digest_alone(made):
    out = made.out
    forget_customers([WHO], out, REASON)
    mine, other = read_suppressions(out)
    assert mine["customer_id"].startswith("hmac-sha256:") and mine["intact"] and other["intact"]
    assert other["customer_id"] == OTHER and mine["event_id"] != f"e{WHO}"
    assert [row["customer_id"] for row in read_suppressions(out, [OTHER, WHO])] == [WHO, OTHER]
    # Should the source's rows be read again, the refusal is WHO's.
    listed = with_suppressions(made.run(1), load_shop(made.source))["suppressions"].execute()
    assert WHO in set(listed["customer_id"])
    row = read_served(made.run(0).path)[0]  # a newcomer, whom a service alone has seen
    rows = [row | {"decision_id": "20210308T-5000", "customer_id": 5000}]
    append_lines(made.run(0).path / "served" / "decisions.jsonl", rows)
    assert forget_customers(["5000"], out, REASON).counts["log"] == 1 and not where(out, 5000)


def test_nothing_later_is_learned_from_the_forgotten_to_the_bit(made, tmp_path):
    run, source = made.run(1), made.source
    shop = load_shop(run.path / "shop")
    decided = with_released_decisions(run, shop).decisions.execute()
    forget_customers([WHO], made.out, REASON)

    def learned(whole, name, gone=()):
        cleaned, report = clean(known_by(whole, run.as_of), forgotten=gone)
        save_shop(cleaned, tmp_path / name)
        shop = load_shop(tmp_path / name)
        pairs = past_pairs(shop, run.week.start(shop.zone), run.as_of)
        columns = ["orders", "recency_days", "amount_28d", "product_price_level"]
        columns = [column for column in columns if column in pairs]
        labels = (np.arange(len(pairs)) % 3 == 0).astype(int)
        ResponseModel(l2=1.0).fit(pairs[columns], labels).save(tmp_path / f"{name}.model")
        return report, (tmp_path / f"{name}.model").read_bytes(), shop

    whole = load_shop(source)
    gone = run.forgotten(whole.customer_ids())
    assert gone == [WHO]
    report, fitted, shop = learned(whole, "forgotten", gone)
    for path in source.glob("*.parquet"):  # a source that never had the customer
        rows = pd.read_parquet(path)
        if "customer_id" in rows:
            rows[rows["customer_id"] != WHO].to_parquet(path, index=False)
    _, never, _ = learned(load_shop(source), "never")
    assert fitted == never
    for path in (tmp_path / "never").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "forgotten" / path.name).read_bytes()
    # Counted under its rule, and in no quarantine.
    rules = report.rules.set_index(["table", "rule"])["rows"]
    assert rules["customers", "forgotten"] == 1 and rules["events", "forgotten"] == 6
    counts = report.to_dict()["events"]
    assert counts["rows_in"] == sum(n for name, n in counts.items() if name != "rows_in")
    assert str(WHO) not in report.quarantine.execute().to_csv()
    # The decisions of released weeks are those of the others, and so is all that reads tables.
    left = with_released_decisions(run, shop).decisions.execute()
    expected = decided[decided["customer_id"] != WHO]
    by = {"by": "decision_id", "ignore_index": True}
    assert_frame_equal(left.sort_values(**by), expected.sort_values(**by), check_dtype=False)
    for name in ("decisions", "planned", "scores", "segments", "features"):
        assert made.table(0, name)["customer_id"].between(4000, 4039).all()
    ids = made.table(0, "decision_propensities")["decision_id"]
    assert not ids.str.contains("forgotten|4007").any()
    ledger = Ledger.open(made.out / "ledger.duckdb", shop="Corner shop")
    assert len(ledger.decisions(WEEK)) == len(made.table(0, "decisions"))


def forget_and_die(out, moment):
    """Forget, and be killed at once instead of a write: nothing is tidied up."""
    left = [moment]

    def mortal(call):
        def made(*given, **named):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **named)

        return made

    os.replace, os.rename = mortal(os.replace), mortal(os.rename)
    reports_folder.exchange = lambda *_: False
    forget_customers([WHO], out, REASON)


def killed_at(out, moment):
    """Let a process of its own forget and be killed; tell by what it ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=forget_and_die, args=(out, moment))
    process.start()
    process.join()
    return process.exitcode


MOMENTS = (0, 1, 12, 20, 21, 22, 11, 12, 1, 1)
"""Writes before each call is killed: the intent, a page, a table, both renames of a week, the next
week's first file, between its renames, refusals, ledger, record."""


def test_killed_at_any_moment_it_is_done_or_resumed_and_weeks_can_be_read(made):
    out, digest = made.out, nameless_digest(made.run(0).path)
    for moment in MOMENTS:
        assert killed_at(out, moment) == -signal.SIGKILL
        ReportsFolder(out).tidy()
        assert [str(week) for week in ReportsFolder(out).weeks()] == [WEEK, NEXT]
        assert len(released_plans(ReportsFolder(out))) == 1
    done = forget_customers((), out)  # whoever calls next finishes it
    assert where(out, WHO) == [] and nameless_digest(made.run(0).path) == digest
    assert len(forgotten_rows(out)) == done.customers == 1
    assert not (out / "forgetting.json").exists()


def test_an_earlier_call_is_finished_first_and_then_whom_the_next_one_names(made):
    assert killed_at(made.out, 5) == -signal.SIGKILL
    ReportsFolder(made.out).tidy()
    assert forget_customers([OTHER], made.out, "by phone").customers == 1
    assert where(made.out, WHO) == where(made.out, OTHER) == []
    assert [row["reason"] for row in forgotten_rows(made.out)] == [REASON, "by phone"]


def test_what_privacy_spent_stays_spent_and_groups_are_those_of_the_others(made):
    out, run, shop = made.out, made.run(0), load_shop(made.source)
    rows, metrics = private_week(run, shop), {"budget": 10.0, "spent": 1.2, "left": 51}
    run.write_table("releases", rows.to_frame(), by="name")
    run.record("privacy", metrics | {"delta": 1e-6})
    write_cards(run)
    card = (run.path / "model_card.md").read_text("utf-8")
    with duckdb.connect(str(out / "ledger.duckdb")) as ledger:
        ledger.execute(
            "INSERT INTO releases VALUES (?, ?, ?, ?, ?)", [WEEK, *rows.to_frame().loc[0]]
        )
    before = private_week(made.run(1), shop)
    done = forget_customers([WHO], out, REASON)
    after = private_week(made.run(1), load_shop(made.source))
    assert after == before and after.releases == 2 and after.privacy.secret == before.privacy.secret
    assert f"{WEEK}/model.safetensors" in done.refit
    # The card says what it said, and would say the same if it were made again.
    assert (run.path / "model_card.md").read_text("utf-8") == card and "1.20 of the 10.00" in card
    write_cards(made.run(0))
    assert (run.path / "model_card.md").read_text("utf-8") == card
    week = load_shop(made.run(1).path / "shop")
    groups = week.customers.execute().assign(region=lambda rows: rows["customer_id"] % 2)
    found = fairness(Plan.read(made.run(1), week), groups, columns=["region"])
    assert found.customers == 39 and found.frame["customers"].sum() % 39 == 0
    made.draft(2, list_size=25, holdout=0.2)  # and the next week runs, and pays for itself alone
    assert private_week(made.run(2), load_shop(made.source)).releases == 2


OF_ANOTHER = '{"customer_id":"C8","product_id":"12","quantity":12}'


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    """A folder without weeks whose tables have texts as ids, some of them spelled otherwise."""
    out = tmp_path_factory.mktemp("worded")
    (out / "lab" / "shop").mkdir(parents=True)
    (out / "lab" / "tables").mkdir()
    ids = {"customers": ["C7", "C8", "12", "C9"], "exposures": ["c7 ", "C8", "C8"]}
    for name, some in ids.items():
        pd.DataFrame({"customer_id": some}).to_parquet(out / "lab" / "shop" / f"{name}.parquet")
    numbers = pd.DataFrame({"customer_id": [12, 13]})
    numbers.to_parquet(out / "lab" / "shop" / "responses.parquet")
    row = {"number": [0, 1, 2], "table": "events", "rule": "missing_key"}
    call = '{"customer_id":null,"sound":"calls/C7.wav"}'
    row["row"] = ['{"customer_id":null,"product_id":"C9"}', OF_ANOTHER, call]
    pd.DataFrame(row).to_parquet(out / "lab" / "tables" / "quarantine.parquet")
    pd.DataFrame({"customer_id": ["C8", "C9"], "x": [1, 2]}).to_parquet(
        out / "lab" / "tables" / "scores.parquet"
    )
    return out


def test_what_cannot_be_done_is_refused_in_a_sentence_and_nothing_changes(worded, made):
    forget = partial(forget_customers, out=worded, reason=REASON)
    refused("nobody is named, and no earlier call is left to finish", forget, [])
    refused("there is no reason; say why with --reason", forget, ["C8"], reason=" ")
    refused("no table holds a customer C99; give it as the shop writes it", forget, ["C99"])
    said = refused("customer C7 is written in more than one way", forget, "C7")
    assert '"C7" in lab/shop/customers.parquet, "c7 " in lab/shop/exposures.parquet' in said
    said = refused("customer 12 is written in more than one way", forget, [12])
    assert '"12" in lab/shop/customers.parquet, 12 in lab/shop/responses.parquet' in said
    refused('no table holds a customer c9; there is "C9" in lab/shop', forget, ["c9"])
    refused("there is no reports folder", forget, ["C7"], out=worded / "none")
    assert not (worded / "forgetting.json").exists() and not forgotten_rows(worded)
    reports = ReportsFolder(made.out)
    with reports.locked(FIRST):
        held = "nobody was forgotten: another run is writing into .*2021-W10"
        refused(held, forget_customers, [WHO], made.out, REASON)
    with claim(made.run(0).path / "served" / ".lock", shared=True):
        served = "nobody was forgotten: a service answers from 2021-W10"
        refused(served, forget_customers, [WHO], made.out, REASON)
    (made.run(0).path / "send" / "holdout.csv").write_text("changed")
    changed = "cannot be relied on: send/holdout.csv was changed"
    refused(changed, forget_customers, [WHO], made.out, REASON)
    assert not forgotten_rows(made.out)


def test_ids_as_texts_get_codes_as_texts_each_way_of_writing_them_that_is_named(worded, tmp_path):
    out = shutil.copytree(worded, tmp_path / "out")
    done = forget_customers(["C7", "c7 ", "C9"], out, REASON)
    assert done.customers == 3 and len(forgotten_rows(out)) == 3
    shop, tables = out / "lab" / "shop", out / "lab" / "tables"
    assert pd.read_parquet(shop / "customers.parquet")["customer_id"].tolist() == ["C8", "12"]
    assert pd.read_parquet(shop / "exposures.parquet")["customer_id"].tolist() == ["C8", "C8"]
    scores = pd.read_parquet(tables / "scores.parquet")
    assert scores["x"].tolist() == [1, 2] and scores["customer_id"][0] == "C8"
    assert re.fullmatch("forgotten-[0-9a-f]{16}", scores["customer_id"][1])
    left = pd.read_parquet(tables / "quarantine.parquet")["row"]  # one stood in another column
    assert left.tolist() == [OF_ANOTHER]
    forget_customers(["12", "12"], out, REASON)
    assert pd.read_parquet(tables / "quarantine.parquet")["row"].tolist() == [OF_ANOTHER]
    assert pd.read_parquet(shop / "responses.parquet")["customer_id"].tolist() == [13]
    assert "12" not in pd.read_parquet(shop / "customers.parquet")["customer_id"].tolist()


def test_what_a_tool_sent_or_a_service_is_told_later_brings_nobody_back(made):
    out = made.out
    forget_customers([WHO], out, REASON)
    done, _ = reconcile_week(WEEK, made.root / "sent.csv", out, pages=PAGES)
    assert done.counts["unknown customer"] == 0 and where(out, WHO) == []
    clock = lambda: pd.Timestamp("2021-03-08 12:00").timestamp()  # noqa: E731
    service = Service(open_week(WEEK, out), MemoryStore(), clock)
    assert any("no response model" in note for note in service.notes())
    gone = {"customer_id": WHO, "promotion_id": 7, "kind": "complaint"}
    gone["ts"] = "2021-03-08T11:00:00Z"
    service.receive([gone, gone | {"customer_id": OTHER}])
    answers = service.score([WHO, OTHER], None, True)["customers"]
    assert answers[0]["decision"] is None and answers[1]["decision"] is not None
    assert all("status" in one["why_not"] for one in answers[0]["promotions"])
    # A log that outlasts the folder's files is read again, and nothing of WHO is taken from it.
    log = MemoryStore()
    event = service.live.reader.read(gone)
    log.append(json.dumps({"events": [event]}).encode())
    Service(open_week(WEEK, out), log, clock).check()
    assert where(out, WHO) == []


def test_the_command_says_what_was_done(made, capsys):
    line = ["forget", str(WHO), "--out", str(made.out), "--reason", REASON]
    assert cli.main(line[:-2]) == 2
    assert "there is no reason" in capsys.readouterr().err
    assert cli.main(line) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 customer is forgotten; ") and f"Still held by {made.source}" in said
    assert cli.main(line) == 0  # the source alone holds WHO, and is named once more
    shutil.rmtree(made.source)
    assert cli.main(line) == 2 and "no table holds a customer 4007" in capsys.readouterr().err
    assert "not to be read there" in forget_customers([OTHER], made.out, REASON).summary()


def test_a_real_report_holds_nothing_either(small_reports, tmp_path):
    out = shutil.copytree(small_reports["first"].out, tmp_path / "out", symlinks=True)
    release_week("2017-W44", out, "ann", pages=PAGES)
    key = (out / ".key").read_bytes()
    week = out / "2017-W44"
    listed = pd.read_csv(next((week / "send").glob("18__*.csv")))["customer_id"].tolist()
    page = (week / "04_response.html").read_text()
    who = next(one for one in listed if codes(key, [one])[0] in page)
    shown, digest = codes(key, [who])[0].encode(), nameless_digest(week)
    before = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    done = forget_customers([who], out, REASON)
    for path in out.rglob("*"):
        if path.is_file():
            assert shown not in path.read_bytes(), path
        if path.suffix == ".parquet":
            rows = pd.read_parquet(path).filter(["customer_id", "as_sent", "decision_id"])
            for name in rows:
                assert not rows[name].astype(str).str.fullmatch(rf"(.*-)?{who}").any(), path
    assert nameless_digest(week) == digest and len(done.refit) == 4
    after = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert before - after == {Path(name) for name in done.refit}
    added = {"forgotten.jsonl", "2017-W44/served/.lock"}
    assert {str(path) for path in after - before} == added
