"""The sections of a shop.toml: what is understood (marks, formats, words), and what is not."""

import tomllib

from promolab.contract import read_settings
from promolab.sources.mapping import read_mapping
from tests.refused import refused


def parts(text: str):
    return read_mapping(tomllib.loads(text))


def test_a_section_is_read_and_two_of_a_table_are_two_parts():
    said = '[events]\nfiles = ["jan.csv", "feb.csv"]\nencoding = "latin-1"\ndecimal = ","\n'
    said += 'amount = { multiply = ["Menge", "Preis"], symbol = "€", thousands = "." }\n'
    (part,) = parts(said + '[events.attributes]\ntill = "Kasse"')["events"]
    assert part.files == ("jan.csv", "feb.csv") and part.written == {"encoding": "latin-1"}
    amount = part.columns["amount"]
    assert amount.multiply and (amount.decimal, amount.thousands, amount.symbol) == (",", ".", "€")
    assert part.attributes["till"].columns == ("Kasse",)
    twice = '[[events]]\nfiles = "orders.csv"\n[[events]]\nts = "ts"'
    refused(r"each of several \[\[events\]\] sections must say its files", parts, twice)
    found = parts('[[events]]\nfiles = "orders.csv"\n[[events]]\nfiles = "views.csv"')["events"]
    assert [part.files for part in found] == [("orders.csv",), ("views.csv",)]
    assert [part.where for part in found] == [f"shop.toml [events] no. {n}" for n in (1, 2)]


def test_what_is_not_understood_is_said():
    for text, message in [
        ('customr_id = "K"', r"\[events\] has an unknown key 'customr_id'; did you mean"),
        ('file = "a.csv"', "did you mean 'files'"),
        ('ts = { colum = "K" }', "unknown key 'colum' .* did you mean 'column'"),
        ('quantity = { column = "K", format = "x" }', "unknown key 'format' for a column"),
        ("ts = 3", "ts = 3, must be the name of a column"),
        ("ts = { format = '%Y' }", "must say one of column, columns"),
        ('amount = { column = "a", value = 3 }', "must say one of column, any, multiply, value"),
        ('amount = { multiply = ["a"] }', "names no column"),
        ('separator = ";;"', "expected one character"),
        ('distinct = "yes"', "expected True or False"),
        ("files = 3", "files = 3; expected a text or a list of texts"),
        ('ts = { column = "a", zone = "Mars" }', "zone = 'Mars' is no time zone"),
        ('amount = { column = "a", scale = 0 }', "expected a number other than 0"),
        ('kind = { column = "a", values = "b" }', "values is 'b', must be a table of key = value"),
        ("amount = { value = [1] }", r"amount value = \[1\]; expected one text or number"),
        ('amount = { value = "3" }', "amount value = '3'; expected a number"),
        ("skip = -1", "skip = -1; expected a whole number from 0 on"),
        ("kind = { value = { a = 1 } }", "kind value = .*expected one text or number"),
    ]:
        refused(message, parts, f"[events]\n{text}")
    refused("is 'a.csv', must be a table of key = value", parts, 'events = "a.csv"')
    kind = "[events.kind]\ncolumn = 'k'\n"
    refused("values.a = .*expected one text or number", parts, kind + "values = { a = { b = 1 } }")
    refused("otherwise = .*expected one text", parts, kind + "otherwise = ['a']")


def test_sections_are_kept_apart_from_settings_and_unknown_ones_name_the_nearest(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text('[event]\nfiles = "a.csv"\n')
    refused("unknown key 'event'; did you mean 'events'", read_settings, path)
    keep = 'zone = "UTC"\nkeep_personal = ["customers.email"]\n'
    path.write_text(f'{keep}[events]\nfiles = "a.csv"\n')
    settings = read_settings(path)
    assert settings.mapping == {"events": {"files": "a.csv"}}
    assert settings.keep_personal == ("customers.email",)
    path.write_text(settings.to_toml())
    again = read_settings(path)
    assert again == settings and not again.mapping


def part(text: str):
    return parts(f"[events]\n{text}")["events"][0]


def test_two_marks_alike_and_a_format_that_is_none_are_refused_and_formats_understood():
    for section in ('thousands = "."', 'decimal = ","\nthousands = ","'):
        refused(r"\[events\] decimal and thousands are both '[.,]'.*write both", part, section)
    alike = 'amount = { column = "a", decimal = ",", thousands = "," }'
    refused("amount decimal and thousands are both ','", part, alike)
    told = {"%q": "has an unknown code '%q'; write such as", "%d/%m/%": "an unknown code '%'"}
    for form, message in (told | {"DD.MM.YYYY": "holds no code; write such as"}).items():
        refused(rf"ts format = .* {message}", part, f'ts = {{ column = "t", format = "{form}" }}')
    long = "%-d.%-m.%y %I:%M:%S.%f %p %z"
    for form in ("excel", "epoch_ms", "%Y年%m月%d日", long, "%Y%m%d UTC", "%j%%"):
        assert part(f'ts = {{ column = "t", format = "{form}" }}').columns["ts"].format == form
