"""Texts made fit to be shown and read: what may name somebody is masked; marks are no words."""

import pytest

from promolab.text.tokens import key_of, keys_of, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ring 13812345678 or +49 (30) 123-456", "ring *** or ***"),
        ("call me: 555.123.4567!", "call me: ***!"),
        ("电话１３８１２３４５６７８，谢谢", "电话***，谢谢"),  # full width
        ("身份证11010519491231002X", "身份证***"),
        ("order A-10023 and ORD2024X7, size XL", "order *** and ***, size XL"),
        ("a.b+c@shop.example.cn wrote", "*** wrote"),
        ("see https://x.cn/a?b=1&c=2 and www.shop.com/q", "see *** and ***"),
        ("加微信：xiao_ming99 返现", "加*** 返现"),
        ("@xiaoming says hi", "*** says hi"),
        ("<b>good</b><script>alert('x')</script> &lt;img src=x onerror=1&gt; bag", "good bag"),
        ("2 stars, 100 % cotton, 5'8'', 3999买的", "2 stars, 100 % cotton, 5'8'', 3999买的"),
        ("价格<100元>质量", "价格<100元>质量"),  # no markup
    ],
)
def test_what_names_somebody_is_masked_and_markup_goes(text, shown):
    assert masked(text) == shown


def test_the_shops_own_ids_are_masked_where_they_stand_alone():
    ids = frozenset(["c77", "4711"])
    assert masked("I am C77, order 4711, not c7 or 47", ids) == "I am ***, order ***, not c7 or 47"


def test_equal_texts_have_equal_keys_whatever_marks_digits_and_case():
    assert key_of("Great bag!!! 10/10 😀") == key_of("great BAG") == "great bag"
    assert key_of("很好，很 好。") == "很 好 很 好"
    assert [key_of(t) for t in ("", "  ", "😀👍", "12345 !!", None, 4.0)] == [""] * 6
    assert keys_of(["Good", None, "good!"]).tolist() == ["good", "", "good"]
