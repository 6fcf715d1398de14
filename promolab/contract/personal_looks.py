"""What personal data look like: names that columns of it have, and how its values are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

__all__ = ["by_name", "by_value"]

_EMAILS, _PHONES = "e-mail addresses", "phone numbers"

_WORDS: Mapping[str, str] = {
    _EMAILS: "email emails emailaddress mail mails mailaddress mailadresse correo "
    "correoelectronico courriel 邮箱 电子邮箱 邮件 电子邮件 メール メールアドレス",
    _PHONES: "phone phones phonenumber telephone tel telno telefon telefonnummer telefono "
    "téléphone mobile mobileno mobilenumber mobil mobiltelefon handy handynummer movil móvil "
    "portable cell cellphone fax whatsapp 手机 手机号 手机号码 电话 电话号码 联系电话 "
    "電話 電話番号",
    "names of people": "name names fullname firstname lastname surname givenname familyname "
    "forename middlename maidenname nickname username displayname contactname "
    "vorname nachname familienname nom prenom prénom nombre nombres apellido apellidos nome "
    "cognome sobrenome naam voornaam achternaam imie nazwisko 姓名 名字 姓 名 客户姓名 客户名称 "
    "会员姓名 用户名 昵称 收货人 氏名 名前",
    "addresses": "address addresses addressline streetaddress "
    "street strasse straße hausnummer anschrift adresse postadresse direccion "
    "dirección indirizzo endereco ip ipaddress 地址 收货地址 住址 住所",
    "identity or bank numbers": "ssn passport passportno passportnumber iban nationalid taxid dni "
    "身份证 身份证号 护照",
}
_BY_WORD = {word: what for what, words in _WORDS.items() for word in words.split()}
_OWNERS = frozenset(
    {"customer", "cust", "client", "user", "member", "buyer", "contact", "person", "guest", "payer"}
    | {"shipping", "billing", "ship", "bill", "to", "home", "work", "private", "primary"}
    | {"secondary", "recipient", "receiver", "kunden", "kunde", "cliente"}
)
# "email_opt_in" is about an address, and tells none.
_ABOUT = frozenset(
    {"opt", "optin", "optout", "in", "allowed", "consent", "verified", "valid", "is", "has"}
    | {"count", "open", "opens", "opened", "clicks", "sent", "status", "type", "channel", "domain"}
    | {"provider", "date", "at", "days", "flag", "subscribed", "app", "os", "device", "version"}
)
_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^\W\d_]{2,}")
_INTERNATIONAL = re.compile(r"(\+[1-9]|00[1-9]\d{0,2}[ /-])[\d ()./-]{6,20}")
_NATIONAL = re.compile(
    r"\(0?\d{1,5}\)[ ./-]?\d[\d ./-]{4,14}"  # (030) 123 456, (555) 123-4567
    r"|0\d{1,5}[ /-][\d ./-]{4,14}"  # 030 123456, 0171/123456
    r"|[2-9]\d{2}[-. ]\d{3}[-. ]\d{4}"  # 555-123-4567
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}"  # 138 1234 5678
)
_DATE = re.compile(r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}")


def by_name(column: str) -> str | None:
    """Return what a column's name says it holds, if that is personal.

    Parameters
    ----------
    column : str
        The column's name.

    Examples
    --------
    >>> by_name("Customer_First_Name"), by_name("store_name")
    ('names of people', None)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()
    words = [word for word in re.split(r"[\W\d_]+", spaced) if word]
    if not words or _ABOUT & set(words):
        return None
    while len(words) > 1 and words[0] in _OWNERS:
        words = words[1:]
    joined = "".join(words)
    if joined in _BY_WORD:
        return _BY_WORD[joined]
    for word in words:  # "email_2", "telefon_privat"; a bare "name" may be a product's
        if _BY_WORD.get(word) in (_EMAILS, _PHONES):
            return _BY_WORD[word]
    return None


def by_value(values: Sequence[str], word: str, *, is_id: bool) -> str | None:
    """Return what a column holds by its values, or by its name where they do not speak against it.

    Parameters
    ----------
    values : sequence of str
        Different values of the column.
    word : str
        What its name says, empty where it says nothing.
    is_id : bool
        Whether it is an id of the contract: then only e-mail addresses and international phone
        numbers count, since an order may be called 555-123-4567.

    Examples
    --------
    >>> by_value(["ana@example.org"], "", is_id=True)
    'e-mail addresses'
    >>> by_value(["13812345678"], "", is_id=True) is None
    True
    """
    if is_id:
        looks = {
            _EMAILS: _share(values, _EMAIL.fullmatch),
            _PHONES: _share(values, lambda v: v[:1] == "+" and _is_phone(v)),
        }
    else:
        looks = {
            _EMAILS: _share(values, _EMAIL.search),
            _PHONES: _share(values, _is_phone),
        }
    for what, share in looks.items():
        if share >= 0.5:
            return what
    # "mobile" is a device as well as a number.
    if word == _PHONES and values and not _share(values, _has_digits):
        return None
    return word or None


def _share(values: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(value)) for value in values) / len(values) if values else 0.0


def _is_phone(value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    if not 7 <= digits <= 15 or _DATE.fullmatch(value):
        return False
    return bool(_INTERNATIONAL.fullmatch(value) or _NATIONAL.fullmatch(value))


def _has_digits(value: str) -> bool:
    return sum(character.isdigit() for character in value) >= 5
