"""Write the csv files of a made-up shop as a till, a mail tool and a spreadsheet export them.

To practise with before your own files: `python docs/practice_shop.py data/corner`. They are as
untidy as such files are: a title above the columns, another encoding, decimal commas beside decimal
points, guests without a number, a page that was exported twice, words of the shop's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import promolab
from promolab.errors import InputError

KINDS = {
    "recommendation": "tip",
    "limited_time_discount": "sale",
    "full_reduction": "spend and save",
    "coupon": "voucher",
}


def local(times: pd.Series[pd.Timestamp], form: str) -> pd.Series[str]:
    """Write times as the shop's clocks show them."""
    return times.dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai").dt.strftime(form)


def write(folder: Path, customers: int = 1_500, seed: int = 3) -> None:
    """Write orders, campaigns, mailings and what was redeemed."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(f"{folder} is there already; name another folder") from error
    shop = promolab.load_shop("simulated", customers=customers, seed=seed)
    lines = shop.events.filter(shop.events.kind == "purchase").execute()
    lines = lines.merge(shop.products.execute(), on="product_id").sort_values(["ts", "product_id"])
    deals, sent, answers = (
        table.execute() for table in (shop.promotions, shop.exposures, shop.responses)
    )
    redeemed = answers[answers["kind"] == "redeem"]
    for rows in (lines, sent, redeemed):
        rows.insert(0, "Client", "K" + rows["customer_id"].astype(str).str.zfill(5))
        rows.insert(1, "Date", local(rows["ts"], "%d/%m/%Y %H:%M"))
    for money in ("amount", "discount"):
        lines[money] = lines[money].map("{:.2f} €".format).str.replace(".", ",")
    lines.loc[lines.index[::400], "Client"] = ""
    lines = pd.concat([lines, lines.tail(25)])
    names = {"order_id": "Order no", "product_id": "Article", "category": "Group"}
    names |= {"quantity": "Pieces", "amount": "Total", "discount": "Discount"}
    with (folder / "orders.csv").open("w", encoding="cp1252") as file:
        file.write("Order export of 25/11/2024\n")
        columns = ["Order no", "Client", "Date", *list(names.values())[1:]]
        lines.rename(columns=names)[columns].to_csv(file, sep=";", index=False)
    deals["Type"] = deals["kind"].map(KINDS)
    deals["Start"] = local(deals["starts_at"], "%d/%m/%Y")
    # People write the last day that counts.
    deals["End"] = local(deals["ends_at"] - pd.Timedelta(days=1), "%d/%m/%Y")
    for name, rows in {"campaigns": deals, "mailings": sent, "redeemed": redeemed}.items():
        rows = rows.rename(columns={"promotion_id": "Campaign"})
        more = ["Type", "Start", "End"] if name == "campaigns" else ["Client", "Date"]
        rows[["Campaign", *more]].to_csv(folder / f"{name}.csv", sep=";", index=False)


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]))
    except (IndexError, InputError) as error:
        sys.exit(f"{error}; say python docs/practice_shop.py FOLDER")
