"""What stands behind a key of shop.toml: marks of numbers, formats of times, known words."""

import tomllib

import pytest

from promolab.errors import InputError
from promolab.sources.mapping import read_mapping
from tests.refused import refused


def part(text: str):
    return read_mapping(tomllib.loads(f"[events]\n{text}"))["events"][0]


def test_a_mark_of_thousands_is_never_the_decimal_one():
    for text, marks in [
        ('thousands = "."', (",", ".")),
        ('decimal = ","', (",", "")),
        ('thousands = ","', (".", ",")),
        ('decimal = ","\nthousands = "."', (",", ".")),
        ('amount = { column = "a", thousands = "." }', (",", ".")),
        ('thousands = ","\namount = { column = "a", decimal = "," }', (",", ".")),
        ('thousands = "."\namount = { column = "a", thousands = "" }', (",", "")),
    ]:
        read = part(text if "amount" in text else f'{text}\namount = "a"').columns["amount"]
        assert (read.decimal, read.thousands) == marks


def test_two_marks_alike_and_a_format_that_is_none_are_refused():
    with pytest.raises(InputError, match=r"\[events\] decimal and thousands are both '\.'"):
        part('decimal = "."\nthousands = "."')
    with pytest.raises(InputError, match="amount decimal and thousands are both ','"):
        part('amount = { column = "a", decimal = ",", thousands = "," }')
    for form, message in [
        ("%q", "has an unknown code '%q'; write such as"),
        ("%d/%m/%", "has an unknown code '%'"),
        ("DD.MM.YYYY", "holds no code; write such as"),
    ]:
        with pytest.raises(InputError, match=rf"\[events\] ts format = .* {message}"):
            part(f'ts = {{ column = "t", format = "{form}" }}')


@pytest.mark.parametrize(
    "form",
    ["excel", "epoch_ms", "%Y年%m月%d日", "%-d.%-m.%y %I:%M:%S.%f %p %z", "%Y%m%d UTC", "%j%%"],
)
def test_formats_are_understood(form):
    assert part(f'ts = {{ column = "t", format = "{form}" }}').columns["ts"].format == form


def test_a_misspelt_word_of_the_contract_names_the_nearest_and_other_words_do_not():
    for said in [
        'values = { buy = "purchse" }',
        'values = { buy = "Purchase" }',
        'starts_with = { C = "retrun" }',
        'negative = "returns", otherwise = "purchase"',
        'otherwise = "purchases"',
    ]:
        with pytest.raises(
            InputError, match=r"kind .* has '.*'; did you mean '(purchase|return)'\?"
        ):
            part(f'kind = {{ column = "k", {said} }}')
    refused("kind value has 'veiw'; did you mean 'view'", part, 'kind = { value = "veiw" }')
    kind = part('kind = { column = "k", values = { A = "adjustment", B = "refund" } }')
    assert kind.columns["kind"].values == {"A": "adjustment", "B": "refund"}
