"""Texts, pictures and sounds as feature columns: what they tell, what is kept, what is refused."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

from promolab.features import encode_media
from promolab.features import media as module
from tests.refused import refused

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def near(found: pd.DataFrame, one: int, other: int) -> float:
    a, b = found.to_numpy()[[one, other]]
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two red and two blue pictures of noise, one of each upright, the other with stripes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for colour, rgb in COLOURS.items():
        for form in ("plain", "striped"):
            seen = np.array(rgb) + rng.integers(-20, 20, (40, 60, 3))
            seen[::4] //= 1 if form == "plain" else 3
            Image.fromarray(seen.clip(0, 255).astype(np.uint8)).save(
                folder / f"{colour}-{form}.png"
            )
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    for name, pitch, rate in (
        ("low", 200, 8_000), ("low2", 200, 16_000), ("low3", 200, 44_100),
        ("high", 2_000, 8_000), ("high2", 2_000, 16_000), ("high3", 2_000, 44_100),
    ):  # fmt: skip
        at = np.arange(rate // 2) / rate
        heard = 0.4 * np.sin(2 * np.pi * pitch * at) + 0.01 * rng.normal(size=len(at))
        wavfile.write(folder / f"{name}.wav", rate, (heard * 32_767).astype(np.int16))
    return folder


def test_texts_alike_are_near_in_both_languages_and_those_missing_are_missing():
    texts = ["green tea bags", "Green-Tea bag", "red wine", "有机红茶", "红茶（有机）", None, " "]
    found = encode_media(pd.Series(texts, index=list("abcdefg")), dimensions=4)
    assert found.columns.tolist() == ["text_00", "text_01", "text_02", "text_03"]
    assert found.index.tolist() == list("abcdefg") and found.loc[["f", "g"]].isna().all(axis=None)
    assert near(found, 0, 1) > 0.6 > 0.3 > abs(near(found, 0, 2)) and near(found, 3, 4) > 0.6
    assert abs(near(found, 0, 3)) < 1e-6  # no gram in common
    # Against a decomposition made by hand: as many components as texts keep every inner product.
    whole = encode_media(["ab", "ab cd", "ef"], dimensions=3).to_numpy()
    grams = [[f" {w} "[i : i + n] for w in text.split() for n in (2, 3, 4) for i in range(5 - n)]
             for text in ("ab", "ab cd", "ef")]  # fmt: skip
    names = sorted({gram for row in grams for gram in row})
    counts = np.array([[row.count(name) for name in names] for row in grams], dtype=float)
    weighed = counts * (np.log(4 / (1 + (counts > 0).sum(axis=0))) + 1)
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    assert whole @ whole.T == pytest.approx(weighed @ weighed.T, abs=1e-9)
    one = encode_media(["tea"], dimensions=2).to_numpy()
    assert abs(one).round(6).tolist() == [[1.0, 0.0]] and encode_media([]).shape == (0, 16)


def test_pictures_are_told_by_colour_and_form_and_equal_ones_are_equal(pictures):
    paths = sorted(pictures.iterdir())
    found = encode_media([*paths, paths[0]], "image", encoder="statistics", dimensions=3)
    assert found.columns[0] == "image_statistics_00"
    assert near(found, 0, 1) > near(found, 0, 2) and found.iloc[0].equals(found.iloc[4])
    looks = module._looks(paths[0])
    assert looks[:64] @ looks[:64] == pytest.approx(1)  # roots of shares of colours
    assert (
        looks[-1] == pytest.approx(np.log(1.5)) and looks[64:112].reshape(16, 3)[:, 2].min() > 0.7
    )


def test_the_network_is_read_as_numbers_and_tells_form(pictures, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    paths = sorted(pictures.iterdir())
    found = encode_media(paths, "image", dimensions=2)
    assert found.columns.tolist() == ["image_network_00", "image_network_01"]
    assert module._by_network(paths[:1]).shape == (1, 1280)
    assert found.drop_duplicates().shape == (4, 2) and np.isfinite(found).all(axis=None)
    monkeypatch.setattr(module, "NETWORK", ("no_such_package",))
    assert encode_media(paths, "image").columns[0] == "image_statistics_00"
    refused("pip install 'promolab", encode_media, paths, "image", encoder="network")


def test_sounds_are_told_by_pitch_whatever_their_rate(sounds):
    names = [f"{name}.wav" for name in ("low", "low2", "high", "low3", "high2", "high3")]
    found = encode_media(names, "audio", folder=sounds, dimensions=2)
    deep, shrill = found.iloc[[0, 1, 3]], found.iloc[[2, 4, 5]]  # noise differs by rate
    assert ((deep.min() > shrill.max()) | (shrill.min() > deep.max())).any()
    low, other, high = (module._sound(sounds / name) for name in names[:3])
    bands = module.BANDS
    assert low[:bands].argmax() == other[:bands].argmax() < high[:bands].argmax()
    assert low[-2] == pytest.approx(np.log(0.5)) and low[-1] == 0
    first, last = 2595 * np.log10(1 + np.array([50, 3.8e3]) / 700)
    edges = 700 * (10 ** (np.linspace(first, last, 26) / 2595) - 1)
    assert edges[high[:bands].argmax()] < 2_000 < edges[high[:bands].argmax() + 2]
    rate, heard = wavfile.read(sounds / "low.wav")
    for name, values in (
        ("stereo", np.stack([heard, heard], axis=1)),
        ("float", (heard / 32_768).astype(np.float32)),
        ("wide", heard.astype(np.int32) * 65_536),
    ):
        wavfile.write(sounds / f"{name}.wav", rate, values)
        assert module._sound(sounds / f"{name}.wav") == pytest.approx(low, abs=1e-3)


def test_what_was_encoded_is_kept_by_content_and_never_run(pictures, tmp_path, monkeypatch):
    paths, cache = sorted(pictures.iterdir()), tmp_path / "cache"
    given = {"kind": "image", "encoder": "statistics", "cache": cache}
    first = encode_media(paths[:3], **given)
    kept = sorted(cache.rglob("*.npy"))
    assert len(kept) == 3 and not list(cache.rglob("*.part"))
    moved = tmp_path / "moved.png"
    moved.write_bytes(paths[0].read_bytes())
    asked: list[object] = []
    real = module._looks
    monkeypatch.setattr(module, "_looks", lambda path: real(asked.__iadd__([path])[-1]))
    again = encode_media([moved, *paths[1:3]], **given)
    assert not asked and again.equals(first)
    kept[0].write_bytes(b"cut off")
    np.save(kept[1], np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert encode_media(paths[:3], **given).equals(first) and len(asked) == 2
    texts = {"cache": cache, "dimensions": 2}
    told = encode_media(["tea", "wine", "oil"], **texts)
    monkeypatch.setattr(module, "_grams", None)
    assert encode_media(["tea", "wine", "oil"], **texts).equals(told)


def letters(texts):
    return [[len(text), text.count("e")] for text in texts]


def test_an_encoder_of_ones_own_is_a_function(tmp_path):
    found = encode_media(["tea", "cheese", None], encoder=letters, cache=tmp_path)
    assert found.columns.tolist() == ["own_00", "own_01"]
    assert found.to_numpy()[:2].tolist() == [[3, 1], [6, 3]] and found.iloc[2].isna().all()
    told = "encoder: .* expected 2 rows of finite numbers"
    for bad in (lambda _: [1, 2], lambda _: [["a"], ["b"]], lambda _: [[1.0], [np.nan]]):
        refused(told, encode_media, ["a", "b"], encoder=bad)
    wide = lambda texts: [[1, 2, 3]] * len(texts)  # noqa: E731
    wide.__qualname__, wide.__module__ = letters.__qualname__, letters.__module__
    refused("give a folder of its own", encode_media, ["tea", "oil"], encoder=wide, cache=tmp_path)


def test_bad_input_is_a_sentence(pictures, sounds, tmp_path):
    none, cut, large = tmp_path / "none.png", tmp_path / "cut.wav", tmp_path / "large.wav"
    none.write_bytes(b"GIF but none")
    refused(
        r"none.png cannot be used .*expected a picture .*leave its", encode_media, [none], "image"
    )
    half = sorted(pictures.iterdir())[0].read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    refused("half.png cannot be used .*whole", encode_media, [tmp_path / "half.png"], "image")
    whole = (sounds / "low.wav").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    refused("cut.wav cannot be used .*expected a WAV sound", encode_media, [cut], "audio")
    refused("cannot be used", encode_media, [none], "audio")
    wavfile.write(tmp_path / "short.wav", 8_000, np.zeros(20, np.int16))
    refused("20 samples", encode_media, [tmp_path / "short.wav"], "audio")
    with large.open("wb") as file:
        file.truncate(100_000_000)  # a hole: 100 MB that no disk holds
    for kind in ("audio", "image"):
        refused("large.wav has 100 MB; expected at most 50", encode_media, [large], kind)
    Image.new("1", (10_000, 5_001)).save(tmp_path / "bomb.png")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb2.png")
    for name in ("bomb.png", "bomb2.png"):
        assert (tmp_path / name).stat().st_size < 100_000
        refused(f"{name} .*at most 50,000,000 pixels", encode_media, [tmp_path / name], "image")
    refused("there is no file", encode_media, ["https://example.org/a.png"], "image")
    refused("leads out of", encode_media, ["../a.png"], "image", folder=tmp_path)
    refused("a list of them", encode_media, "tea")
    refused("there is no file 3", encode_media, [3], "image")
    refused("kind = 'video'", encode_media, [], "video")
    refused("a function, or None", encode_media, [], encoder="network")
    refused("dimensions = 0", encode_media, [], dimensions=0)
