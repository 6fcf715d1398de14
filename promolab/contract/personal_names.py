"""What the name of a column says that it holds: e-mail addresses, birth dates, tax ids, goods."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = [
    "BIRTHS",
    "EMAILS",
    "IDENTITY",
    "PHONES",
    "by_name",
    "is_barcode",
    "is_numbered",
    "is_owner",
    "words_of",
]

EMAILS = "e-mail addresses"
PHONES = "phone numbers"
BIRTHS = "birth dates"
IDENTITY = "identity, tax or bank numbers"

_WORDS: Mapping[str, str] = {
    EMAILS: "email emails emailaddress mail mails mailaddress mailadresse correo "
    "correoelectronico courriel 邮箱 电子邮箱 邮件 电子邮件 メール メールアドレス",
    PHONES: "phone phones phonenumber telephone tel telno telefon telefonnummer telefono "
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
    IDENTITY: "ssn socialsecurity socialsecuritynumber socialsecurityno nationalinsurancenumber "
    "nino nationalid nationalidnumber nationalnumber personalid personalnumber personalidnumber "
    "personalcode identitynumber identitycard idcard idcardnumber idcardno passport passportno "
    "passportnumber driverslicense driverslicence drivinglicence driverlicense taxid taxidnumber "
    "taxnumber taxno taxcode taxpayerid taxpayernumber tin itin sin steuerid steueridnr "
    "steuernummer steuernr steueridentifikationsnummer sozialversicherungsnummer svnummer svnr "
    "ahvnummer ahvnr personalausweis personalausweisnummer ausweisnummer reisepass nif nie dni "
    "dninie cif curp rfc rut cpf codicefiscale codfiscale nir numerosecu numerosecuritesociale "
    "numérosécuritésociale numerofiscal númerofiscal bsn burgerservicenummer rijksregisternummer "
    "pesel personnummer personnr fødselsnummer fodselsnummer cprnummer cpr henkilötunnus "
    "henkilotunnus hetu egn oib jmbg rodnecislo tckimlik tckimlikno aadhaar aadhar pan pannumber "
    "mynumber inn инн снилс iban bic accountnumber bankaccount kontonummer kontonr creditcard "
    "creditcardnumber cardnumber kreditkarte kreditkartennummer "
    "身份证 身份证号 身份证号码 护照 护照号 税号 纳税人识别号 マイナンバー 주민등록번호",
}
_BORN = (
    "dob bday birth birthday birthdate birthdt dateofbirth born geburtsdatum geburtstag gebdatum "
    "gebdat geburt naissance datenaissance datedenaissance nacimiento fechanacimiento "
    "fechadenacimiento nascita datanascita datadinascita nascimento datanascimento "
    "datadenascimento geboortedatum geboorte urodzenia dataurodzenia urodziny födelsedatum "
    "fødselsdato fødselsdag syntymäaika doğumtarihi doğum рождения датарождения 出生日期 出生 生日 "
    "生年月日 誕生日 생년월일"
)
# What is of many, or of no person: a year, a place.
_OF_MANY = (
    "year yr month quarter decade place country city region weight order jahr monat ort land annee "
    "année mois lieu año mes lugar anno mese luogo ano mês local sign"
)
_BY_WORD = {word: what for what, words in _WORDS.items() for word in words.split()}
_OWNERS = frozenset(
    {"customer", "cust", "client", "user", "member", "buyer", "contact", "person", "guest", "payer"}
    | {"shipping", "billing", "ship", "bill", "to", "home", "work", "private", "primary"}
    | {"secondary", "recipient", "receiver", "kunden", "kunde", "cliente"}
)
_PEOPLE = _OWNERS - {"shipping", "billing", "ship", "bill", "to", "home", "work", "private"}
# "email_opt_in" is about an address, and tells none.
_ABOUT = frozenset(
    {"opt", "optin", "optout", "in", "allowed", "consent", "verified", "valid", "is", "has"}
    | {"count", "open", "opens", "opened", "clicks", "sent", "status", "type", "channel", "domain"}
    | {"provider", "date", "at", "days", "flag", "subscribed", "app", "os", "device", "version"}
)
_BIRTH_WORDS, _WORDS_OF_MANY = frozenset(_BORN.split()), frozenset(_OF_MANY.split())
_BARCODE = frozenset({"ean", "upc", "gtin", "isbn", "issn", "barcode", "sku", "strichcode"})
_NUMBERED = frozenset(
    {"id", "ids", "no", "nr", "num", "number", "nummer", "code", "uuid", "guid", "key"}
    | {"card", "ref", "account"}
)


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
    words = words_of(column)
    if _BIRTH_WORDS & {*words, "".join(words)} and not _WORDS_OF_MANY & set(words):
        return BIRTHS
    if not words or _ABOUT & set(words):
        return None
    while len(words) > 1 and words[0] in _OWNERS:
        words = words[1:]
    joined = "".join(words)
    if joined in _BY_WORD:
        return _BY_WORD[joined]
    for word in words:  # "email_2", "telefon_privat"; a bare "name" may be a product's
        if _BY_WORD.get(word) in (EMAILS, PHONES):
            return _BY_WORD[word]
    return None


def words_of(column: str) -> list[str]:
    """Return the words of a column's name.

    Examples
    --------
    >>> words_of("CustomerCard_No2")
    ['customer', 'card', 'no']
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()
    return [word for word in re.split(r"[\W\d_]+", spaced) if word]


def is_barcode(column: str) -> bool:
    """Tell whether a column's name says that its long numbers are those of goods.

    Examples
    --------
    >>> is_barcode("EAN_code"), is_barcode("ref")
    (True, False)
    """
    return bool(_BARCODE & set(re.split(r"[\W\d_]+", column.lower())))


def is_owner(column: str) -> bool:
    """Tell whether a column is called after whoever buys, such as ``user``.

    Examples
    --------
    >>> is_owner("User"), is_owner("user_group")
    (True, False)
    """
    return column.strip().lower() in _PEOPLE


def is_numbered(column: str) -> bool:
    """Tell whether a column's name says that it numbers something.

    Examples
    --------
    >>> is_numbered("card_no"), is_numbered("points")
    (True, False)
    """
    return bool(_NUMBERED & set(words_of(column)))
