"""Assignment: the same for a customer whoever else is there, in the planned shares, by chance."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, chisquare

from benchmarks.experiments import independent_names, shares_within_noise
from promolab import assign
from promolab.abtest import Layer, StandingHoldout, arm_of
from promolab.abtest.hashing import ROWS_AT_ONCE, key_of, siphash
from tests.draws import draws

SHARES = {"holdout": 0.1, "send": 0.9}
HALVES = {"control": 0.5, "treatment": 0.5}
LAYER = Layer("coupons", {"spring": 0.5, "loyalty": 0.3, "free": 0.1}, seed=3)
OUT = StandingHoldout(0.05)
N = 20_000
FIRST_BYTES = bytes(range(16))
WORD = (1 << 64) - 1


def arms(customers, name="spring", shares=SHARES, seed=0, **more) -> list[str]:
    return assign(customers, name, shares, seed, **more).frame["arm"].tolist()


def test_the_recipe_in_the_docstring_gives_the_same_arms_and_they_never_change():
    key = hashlib.sha256(b"customer:3:W44: caf\xc3\xa9").digest()[:16]
    expected = [
        "holdout" if by_the_book(str(i).encode(), key) / 2**64 < 0.1 else "send" for i in range(300)
    ]
    assert arms(range(300), "W44: café", seed=3) == expected
    assert set(expected) == {"holdout", "send"}
    # Frozen: a release that changes these reassigns every running experiment.
    table = assign([f"c{i}" for i in range(2000)], "frozen", SHARES, 7).to_frame()
    digest = hashlib.sha256("".join(table["arm"].str[0]).encode()).hexdigest()
    assert digest[:16] == "6ab63188ab8d35a1"


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda ids: np.array(ids, dtype=np.uint16),
        lambda ids: pd.Series(ids, index=ids[::-1], dtype="Int64"),
        lambda ids: pd.Index(ids),
        lambda ids: np.array([str(i) for i in ids]),
        lambda ids: pd.Series([str(i) for i in ids], dtype=object),
        lambda ids: pd.Series([str(i) for i in ids], dtype="category"),
        lambda ids: pa.chunked_array([pa.array(ids[:9]), pa.array(ids[9:])]),
        lambda ids: pa.array([str(i) for i in ids]),
        lambda ids: [*ids[:9], *(str(i) for i in ids[9:])],
    ],
)
def test_numbers_and_texts_of_any_kind_are_the_same_customers(make):
    ids = list(range(40, 240))
    assert arms(make(ids)) == arms(ids)


def test_shares_lie_within_the_noise_of_chance_and_names_and_seeds_are_independent():
    assert shares_within_noise(np.arange(200_000)).ok
    assert independent_names(n=20_000).ok
    tried = ("spring", 0), ("spring", 1), ("0:spring", 0), ("Spring", 0)
    first, *others = (np.array(arms(range(20_000), n, {"a": 0.5, "b": 0.5}, s)) for n, s in tried)
    for second in others:
        both = ((first == "a") & (second == "a")).mean()
        assert abs(both - 0.25) < 4 * np.sqrt(3 / 16 / 20_000)


def test_shares_of_0_1_and_tenths_are_kept_and_widening_takes_nobody_out():
    for shares in ({"all": 1.0, "none": 0.0}, {"none": 0, "all": 1, "zero": np.float64(0)}):
        counts = assign(range(5000), "a", shares, 0).counts
        assert counts == {name: 5000 * int(share) for name, share in shares.items()}
    narrow = np.array(arms(range(5000))) == "holdout"
    wide = np.array(arms(range(5000), shares={"holdout": 0.2, "send": 0.8})) == "holdout"
    assert (wide | ~narrow).all() and wide.sum() > narrow.sum()
    tenths = {f"arm {i}": 0.1 for i in range(10)}
    assert sum(tenths.values()) != 1
    found = assign(range(20_000), "a", tenths, 0)
    assert min(found.counts.values()) > 1800 and sum(found.counts.values()) == 20_000
    assert set(arms(range(300), shares={"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})) == {"a", "b", "c"}


def test_a_cluster_shares_one_arm_and_who_has_none_stands_alone():
    rng = np.random.default_rng(0)
    cluster = pd.Series(rng.integers(0, 700, 3000), dtype="Int64").where(rng.random(3000) < 0.8)
    found = assign(range(3000), "spring", SHARES, 0, cluster=cluster)
    table = found.frame.assign(cluster=cluster, alone=arms(range(3000)))
    assert table.dropna().groupby("cluster")["arm"].nunique().max() == 1
    lonely = table[table["cluster"].isna()]
    assert len(lonely) > 500 and (lonely["arm"].astype(str) == lonely["alone"]).all()
    assert found.units == cluster.nunique() + len(lonely)
    assert 0.06 < found.counts["holdout"] / 3000 < 0.14
    # As text, with an empty cell for a missing one: the same.
    text = cluster.astype("string").fillna("")
    assert arms(range(3000), cluster=text) == table["arm"].tolist()
    # A household's number is no customer's: customer 7 alone and household 7 are drawn apart.
    apart = arms(range(500), cluster=list(range(500))) != arms(range(500))
    assert apart and arms(range(500), cluster=[None] * 500) == arms(range(500))


def test_the_table_of_an_assignment_keeps_ids_as_given():
    found = assign(pd.Series([5, 3], index=["x", "y"]), "a", {"a": 0.25, "b": 0.75}, 0)
    table = found.to_frame()
    assert table["customer_id"].tolist() == [5, 3] and table.index.tolist() == [0, 1]
    assert (table["propensity"] == table["arm"].astype(str).map({"a": 0.25, "b": 0.75})).all()


@given(
    customers=st.one_of(
        st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=8, unique=True),
        st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8, unique=True),
    ),
    clusters=st.lists(st.sampled_from([None, "", "h1", "h2", "7", "é"]), min_size=8, max_size=8),
    widths=st.lists(st.integers(1, 50), min_size=2, max_size=4),
    seed=st.integers(0, 2**40),
    name=st.text(min_size=1, max_size=8).filter(lambda text: text.strip() != ""),
)
@settings(max_examples=12, deadline=None)
def test_one_customers_arm_is_the_one_that_the_whole_table_gives(
    customers, clusters, widths, seed, name
):
    shares = {f"arm {k}": width / sum(widths) for k, width in enumerate(widths)}
    groups = clusters[: len(customers)]
    for cluster in (None, pd.Series(groups, dtype=object)):
        mine = [None] * len(customers) if cluster is None else groups
        found = arms(pd.Series(customers), name, shares, seed, cluster=cluster)
        pairs = zip(customers, mine, strict=True)
        assert [arm_of(one, name, shares, seed, its) for one, its in pairs] == found


def layered(name="spring", **more):
    return assign(range(N), name, HALVES, 0, **more).to_frame()["arm"].astype(str).to_numpy()


def test_the_place_in_a_layer_follows_from_the_hash_alone():
    key = hashlib.sha256(b"customer:3:layer coupons").digest()[:16]
    place = np.array([by_the_book(str(i).encode(), key) / 2**64 for i in range(400)])
    within = {"spring": place < 0.5, "loyalty": (place >= 0.5) & (place < 0.8)}
    for name, expected in within.items():
        found = assign(range(400), name, HALVES, 0, layer=LAYER).frame["arm"]
        assert ((found != "elsewhere") == expected).all()
        # Inside, the arm is the one that it is without a layer.
        alone = assign(range(400), name, HALVES, 0).frame["arm"].astype(str)
        assert (found.astype(str)[expected] == alone[expected]).all()


def test_nobody_is_in_two_experiments_a_new_one_moves_nobody_and_layers_are_independent():
    inside = np.stack([layered(name, layer=LAYER) != "elsewhere" for name in LAYER.experiments])
    assert inside.sum(axis=0).max() == 1
    for found, share in zip(inside.sum(axis=1), LAYER.experiments.values(), strict=True):
        assert binom.ppf(0.0005, N, share) <= found <= binom.ppf(0.9995, N, share)
    more = Layer("coupons", {**LAYER.experiments, "late": 0.1}, seed=3)
    for name in LAYER.experiments:
        assert (layered(name, layer=LAYER) == layered(name, layer=more)).all()
    late = layered("late", layer=more)
    assert set(late) == {"control", "treatment", "elsewhere"}
    other = Layer("banners", {"blue": 0.5, "red": 0.5})
    a, b = layered("spring", layer=LAYER), layered("blue", layer=other)
    rows = [[((a == x) & (b == y)).sum() for y in np.unique(b)] for x in np.unique(a)]
    assert chi2_contingency(np.array(rows)).pvalue > 0.001


def test_the_standing_holdout_is_the_weekly_plans_and_clusters_share_a_place():
    weekly = assign(range(N), "standing holdout", {"holdout": 0.05, "send": 0.95}, 0).frame["arm"]
    for name in ("spring", "loyalty"):
        found = layered(name, layer=LAYER, holdout=OUT)
        assert ((found == "standing") == (weekly == "holdout").to_numpy()).all()
    household = np.arange(N) // 3
    found = layered(cluster=household, layer=LAYER, holdout=OUT)
    assert (found == found[3 * household]).all()


def test_propensities_are_the_chances_over_names():
    expected = {"standing": 0.05, "elsewhere": 0.95 * 0.5, "control": 0.2375, "treatment": 0.2375}
    times, customers, counts = draws(), 25, np.zeros(4)
    for draw in range(times):
        layer = Layer(f"layer {draw}", {"a": 0.25, f"name {draw}": 0.5})
        out = StandingHoldout(0.05, seed=draw)
        result = assign(range(customers), f"name {draw}", HALVES, 0, layer=layer, holdout=out)
        assert result.shares == pytest.approx(expected)
        frame = result.to_frame()
        np.testing.assert_allclose(frame["propensity"], frame["arm"].astype(str).map(expected))
        counts += [result.counts[arm] for arm in expected]
    planned = np.array([*expected.values()]) * times * customers
    assert chisquare(counts, planned).pvalue > 0.001


def column(texts) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def by_the_book(message: bytes, key: bytes) -> int:
    """SipHash-2-4 with Python's whole numbers, line by line as Aumasson & Bernstein write it."""

    def turn(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (64 - bits))) & WORD

    def one_round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
        a, c = (a + b) & WORD, (c + d) & WORD
        b, d = turn(b, 13) ^ a, turn(d, 16) ^ c
        a = turn(a, 32)
        c, a = (c + b) & WORD, (a + d) & WORD
        b, d = turn(b, 17) ^ c, turn(d, 21) ^ a
        return a, b, turn(c, 32), d

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        a, b, c, d = one_round(*one_round(a, b, c, d ^ word))
        a ^= word
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = one_round(a, b, c, d)
    return a ^ b ^ c ^ d


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        # The vectors that come with the reference implementation; 15 bytes stand in the paper.
        (0, 0x726FDB47DD0E0E31),
        (1, 0x74F839C593DC67FD),
        (7, 0xAB0200F58B01D137),
        (8, 0x93F5F5799A932462),
        (15, 0xA129CA6149BE45E5),
        (63, 0x958A324CEB064572),
    ],
)
def test_the_published_vectors(length, expected):
    text = bytes(range(length)).decode("ascii")
    assert int(siphash(column([text]), FIRST_BYTES)[0]) == expected
    assert by_the_book(bytes(range(length)), FIRST_BYTES) == expected


def test_texts_of_every_length_agree_with_the_book_and_every_bit_is_a_fair_coin():
    rng = np.random.default_rng(0)
    lengths, letters = rng.integers(0, 300, 500), rng.integers(33, 0xD000, 500)
    texts = ["x" * int(n) + chr(int(c)) for n, c in zip(lengths, letters, strict=True)]
    key = key_of("customer", "0", "spring")
    expected = [by_the_book(text.encode(), key) for text in texts]
    assert siphash(column(texts), key).tolist() == expected
    cut = pa.chunked_array([column(texts[:7]).chunk(0), column(texts).chunk(0).slice(7)])
    assert siphash(cut, key).tolist() == expected
    texts = [str(i) * (1 + i % 5) for i in range(ROWS_AT_ONCE + 3)]
    whole = siphash(column(texts), FIRST_BYTES)
    for i in (0, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 2):
        assert int(whole[i]) == by_the_book(texts[i].encode(), FIRST_BYTES)
    assert len(siphash(pa.chunked_array([], pa.large_string()), FIRST_BYTES)) == 0
    hashed = siphash(column([str(i) for i in range(20_000)]), FIRST_BYTES)
    ones = [int(np.count_nonzero((hashed >> np.uint64(bit)) & np.uint64(1))) for bit in range(64)]
    assert np.abs(np.array(ones) - 10_000).max() < 4.5 * np.sqrt(20_000 / 4)
