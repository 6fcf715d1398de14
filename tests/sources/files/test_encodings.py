"""Encodings: two are recognised, two in one file are refused, the rest must be stated."""

import gzip
from pathlib import Path

import pytest

from promolab.sources.files.encodings import CHUNK, known_encoding, recognise, utf8_chunks
from tests.refused import spoilt

CHINESE = "编号,品名\n1,女式纯棉短袖连衣裙\n2,“进口”咖啡（速溶），两盒装\n"
MOSTLY_ASCII = "id,name,price\n" + "1,USB cable 2m,9.90\n" * 5000 + "2,数据线 cable,9.90\n"


@pytest.fixture
def file(tmp_path: Path):
    def write(content: bytes | str, encoding: str = "utf-8", name: str = "sales.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return path

    return write


def text(path: Path, encoding: str) -> str:
    return b"".join(utf8_chunks(path, encoding)).decode()


def test_what_is_recognised(file):
    for content, encoding, expected in [
        ("a,b\n1,2\n", "ascii", "ascii"),
        ("a,b\n1,2\n", "utf-8-sig", "utf-8"),
        ("a,b\nCrème brûlée,Привет\n", "utf-8", "utf-8"),
        (CHINESE, "utf-8", "utf-8"),
        (CHINESE, "gb18030", "gb18030"),
        (MOSTLY_ASCII, "gb18030", "gb18030"),
        ("a\n北京\n一\n一月\n㐀的人\n", "gb18030", "gb18030"),
    ]:
        path = file(content, encoding)
        assert recognise(path) == expected
        assert text(path, expected.replace("ascii", "utf-8")) == content


SENTENCES = {
    "latin-1": "Crème brûlée",
    "cp1252": "Größe: für Mädchen – 5 €",
    "cp1251": "Чай чёрный крупнолистовой, ШОКОЛАД МОЛОЧНЫЙ",
    "big5": "進口咖啡與牛奶巧克力",
    "shift_jis": "こんにちは世界、牛乳",
    "euc_kr": "안녕하세요반갑습니다커피우유초콜릿사과딸기바나나",
}


@pytest.mark.parametrize("encoding", SENTENCES)
def test_what_must_be_stated_is_refused_and_then_read(file, encoding):
    content = f"id,name\n1,plain\n2,{SENTENCES[encoding]},x\n"
    path = file(content, encoding)
    spoilt(r"sales.csv is neither UTF-8 nor GB18030: line 3 holds ", recognise, path)
    assert text(path, encoding) == content


def test_neither_capitals_nor_lines_that_happen_to_be_utf8_mislead(file):
    words = "a МОСКВА КАША МЫЛО ЩИ БОРЩ КОФЕ МОЛОКО СЛИВКИ ".replace(" ", "\n")
    assert words.encode("cp1251").decode("gb18030")  # the strict decoder would let it pass
    spoilt("neither UTF-8 nor GB18030", recognise, file(words, "cp1251"))
    assert b"\xd2\xbb\n".decode("utf-8")  # 一
    assert recognise(file("月\n一\n一\n女\n二月十日\n", "gb18030")) == "gb18030"


def test_the_place_is_right_far_into_a_file_and_across_chunks(file):
    start = "é,b\n" * (CHUNK // 5 + 7)
    path = file(start.encode() + b"x,\xe9\n")
    last = start.count("\n") + 1
    spoilt(rf"line 1 is UTF-8, line {last} is not .the byte 0xE9", recognise, path)
    spoilt(rf"line {last} holds the byte 0xE9", text, path, "utf-8")
    assert recognise(file(b"a" * (CHUNK - 1) + "é".encode())) == "utf-8"
    spoilt("line 2 holds the byte 0xC3", recognise, file(b"a\n" + "é".encode()[:1]))


def test_two_encodings_in_one_file(file):
    for lines, utf8, other in [
        ([b"name", "é".encode(), "é".encode("latin-1"), b"x"], 2, 3),
        (["中文商品".encode("gb18030"), b"a", "中文商品".encode()], 3, 1),
        (["中文商品".encode(), b"a", "中文商品名".encode("gb18030")], 1, 3),
        (["Чай".encode("cp1251"), "чай".encode()], 2, 1),
    ]:
        said = f"mixes encodings: line {utf8} is UTF-8, line {other} is not"
        spoilt(said, recognise, file(b"\n".join(lines) + b"\n"))


def test_utf16_and_nul_bytes_are_said_and_a_stated_encoding_is_strict(file):
    path = file("a,b\n1,é\n", "utf-16")
    spoilt('looks like UTF-16; write encoding = "utf-16"', recognise, path)
    assert text(path, "utf-16") == "a,b\n1,é\n"
    little = file("a,b\n1,2\n", "utf-16-le", "little.csv")
    spoilt(r'NUL byte in line 1.*encoding = "utf-16-le"', recognise, little)
    path = file(b"a,b\n1,2\n3,\0\n")
    spoilt(r"holds a NUL byte in line 3", recognise, path)
    spoilt(r"holds a NUL byte in line 3", text, path, "latin-1")
    for content, stated, line in [
        ("a\nb\né\n".encode("latin-1"), "utf-8", "line 3 holds the byte 0xE9"),
        ("a\nb\né\n".encode("latin-1"), "ascii", "line 3"),
        ("中文\n中".encode("gb18030")[:-1], "gb18030", "line 2"),
    ]:
        spoilt(f"not {stated} throughout: {line}", text, file(content), stated)


def test_names_are_known_however_they_are_written_and_others_get_a_hint():
    for given, expected in (("latin1", "iso8859-1"), ("GB18030", "gb18030"), ("UTF8", "utf-8")):
        assert known_encoding(given) == expected
    for given, hint in (("lattin-1", "latin-1"), ("cp12512", "cp125"), ("base64", ""), ("", "")):
        spoilt(f"is not known; .*{hint}.*Examples: encoding", known_encoding, given)


def test_gzip(file, tmp_path):
    whole = gzip.compress(CHINESE.encode("gb18030") * 50)
    path = file(whole, name="sales.csv.gz")
    assert recognise(path) == "gb18030" and text(path, "gb18030") == CHINESE * 50
    spoilt("ends too early; is the file whole", recognise, file(whole[:-20], name="cut.csv.gz"))
    spoilt(r"cannot be read as gzip", recognise, file(b"a,b\n1,2\n", name="not.csv.gz"))
    spoilt(r"gone.csv cannot be read \(No such file", recognise, tmp_path / "gone.csv")
