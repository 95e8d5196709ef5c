"""Personal data where no rule says so: by what fields are called, whose records they are in, and what their values look like."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.covenant.paths import split_path
from spectra_assets.names import camel, singular, vocabulary, words
from spectra_assets.stages.asking.answers import Record, values_at

PERSONS = frozenset(
    ("user", "account", "person", "people", "member", "employee", "customer", "contact", "agent", "staff", "patient", "student",
     "teacher", "passenger", "guest", "applicant", "candidate", "subscriber", "author", "owner", "creator", "assignee",
     "reporter", "tester", "reviewer", "approver", "driver", "buyer", "seller", "sender", "recipient", "guardian", "spouse",
     "pupil", "instructor", "trainer", "coach", "physician", "doctor", "nurse", "lawyer", "tenant", "resident", "citizen",
     "donor", "volunteer", "holder", "policyholder", "cardholder", "beneficiary", "claimant", "insured", "borrower", "caregiver",
     "worker", "kunde", "kunden", "mitarbeiter", "mitglied", "benutzer", "nutzer", "schueler", "lehrer", "patienten",
     "versicherte", "utilisateur", "employe", "eleve", "etudiant", "demandeur", "salarie", "locataire", "citoyen",
     "usuario", "cliente", "empleado", "alumno", "paciente", "ciudadano", "inquilino", "utente", "dipendente")
)  # fmt: skip
"""Entities and nested records with one of these names are people."""

_NAMES = frozenset(
    (
        "name",
        "nom",
        "nombre",
        "nome",
        "naam",
        "bezeichnung",
        "title",
        "label",
        "handle",
        "bio",
        "about",
        "photo",
        "picture",
        "image",
        "signature",
    )
)
_PARTS = frozenset(("first", "last", "given", "family", "middle", "full", "display", "nick", "maiden", "prefix", "suffix"))
"""Parts of a name that is a record of its own, `name.first`."""

_DOCUMENTS = frozenset(("licence", "license", "passport", "identity", "visa", "ssn", "tax", "insurance"))
"""Documents of a person, whose numbers name that person."""

_PLACES = frozenset(("latitude", "longitude", "lat", "lng", "lon", "geo", "location", "coordinates", "city", "company", "age"))


_DIRECT = vocabulary(
    # German, French, Spanish, Italian, Portuguese, Dutch: names, birth, how to reach somebody, numbers that the state gives
    "vorname nachname familienname geburtsname rufname anrede geburtsdatum geburtstag geburtsort strasse hausnummer "
    "anschrift telefon telefonnummer handy handynummer festnetz steuernummer steuerid steueridentifikationsnummer "
    "sozialversicherungsnummer ausweisnummer personalausweis reisepass fuehrerschein krankenversicherungsnummer "
    "versichertennummer matrikelnummer prenom nomfamille nomdefamille datenaissance lieunaissance adresse courriel "
    "telephone portable numerosecuritesociale nir nss numerosecu numfiscal numerofiscal passeport permisconduire "
    "apellido apellidos primerapellido segundoapellido nombrecompleto fechanacimiento lugarnacimiento direccion calle "
    "domicilio correo correoelectronico telefono movil celular dni nif nie nuss curp rfc cedula pasaporte cognome "
    "datanascita indirizzo codicefiscale cellulare sobrenome datanascimento endereco cpf telefone voornaam achternaam "
    "geboortedatum adres bsn telefoonnummer personnummer pesel ahvnummer ahv "
    # English: what the vocabulary of the standards has not
    "matriculation matriculationnumber studentnumber taxid taxnumber taxidentificationnumber taxpayerid tin "
    "nationalinsurancenumber nino insurancenumber healthinsurancenumber patientnumber medicalrecordnumber mrn fname lname "
    "socialinsurancenumber sin drivinglicence driverslicense licencenumber licensenumber identitycard idcardnumber "
    "voterid pan aadhaar bankaccount accountholder cardholder signature fingerprint faceid biometric maidenname"
)
"""What a field of a person is called by which that person is named, found or reached, in letters alone."""

_ANYWHERE = _DIRECT - vocabulary(
    "matriculation anrede strasse hausnummer anschrift telefon adresse adres telephone portable direccion calle "
    "domicilio indirizzo endereco signature sin tin pan nie rfc licencenumber licensenumber taxid taxnumber "
    "steuernummer numerofiscal numfiscal insurancenumber telefoonnummer telefonnummer telefono telefone movil celular "
    "correo courriel festnetz handy bankaccount"
)
"""Those that only persons have, whatever the entity is called."""

_INDIRECT = vocabulary(
    "geschlecht familienstand staatsangehoerigkeit nationalitaet religion konfession plz postleitzahl wohnort beruf "
    "alter gehalt sexe genre nationalite codepostal ville profession age etatcivil sexo genero nacionalidad "
    "codigopostal ciudad estadocivil edad sesso cap postcode ethnicity race maritalstatus disability bloodtype "
    "diagnosis salary creditscore bonitaet kundennummer customernumber membernumber membernro memberno employeenumber "
    "staffnumber personalnummer"
)
"""What a field of a person is called that tells of the person, or points to one."""

_SHARE = 0.8
"""Share of a field's texts that must look alike."""

_LOOKS: tuple[tuple[re.Pattern[str], PiiLevel], ...] = (
    (re.compile(r"[^@\s<>]{1,64}@[^@\s<>.]+(\.[^@\s<>.]+)+"), PiiLevel.DIRECT),
    (re.compile(r"(\+|00)[1-9][0-9 ()./-]{7,18}"), PiiLevel.DIRECT),
    (re.compile(r"[A-Z]{2}[0-9]{2} ?([A-Z0-9]{4} ?){3,7}[A-Z0-9]{0,4}"), PiiLevel.DIRECT),
    (re.compile(r"((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"), PiiLevel.INDIRECT),
    (re.compile(r"(?=.*:.*:)[0-9a-fA-F:]{6,39}"), PiiLevel.INDIRECT),
)
"""Mail addresses, international telephone numbers, bank accounts (IBAN), IP addresses."""

_MOST = 200


def by_values(entity: CanonEntity, records: Sequence[Record]) -> dict[str, PiiLevel]:
    """Raw path → level of the fields whose values show what they are."""
    found: dict[str, PiiLevel] = {}
    for field in entity.fields:
        if field.type == DataType.TEXT and field.evidence == "sample" and not field.raw.startswith("@"):
            level = look_of(value for record in records for value in values_at(record, field.raw))
            if level is not PiiLevel.NONE:
                found[field.raw] = level
    return found


_SECRET = re.compile(r"(?=.*[0-9A-Z$+/=_.-])[!-~]{8,}", re.DOTALL)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.*", re.DOTALL)
_NO_SECRET = re.compile(
    r"https?://.*|[*•xX.]+|\d{4}-\d{2}-\d{2}.*|[^@\s]+@[^@\s]+\.[a-z]+|true|false|none|null|unknown|disabled|enabled",
    re.IGNORECASE,
)
"""Addresses, masks, dates, words for none."""


def like_secrets(entity: CanonEntity, records: Sequence[Record]) -> list[str]:
    """Raw paths of the fields whose texts may be what lets somebody in: one word of no speech each, or a block of a key."""
    found = []
    for field in entity.fields:
        if field.type == DataType.TEXT and not field.raw.startswith("@"):
            texts = [value for record in records for value in values_at(record, field.raw) if isinstance(value, str) and value]
            alike = sum(_may_let_in(text.strip()) for text in texts[:_MOST])
            if texts and alike >= _SHARE * len(texts[:_MOST]):
                found.append(field.raw)
    return found


def _may_let_in(text: str) -> bool:
    return bool(_KEY_BLOCK.match(text)) or (bool(_SECRET.fullmatch(text)) and not _NO_SECRET.fullmatch(text))


def look_of(values: Iterable[object]) -> PiiLevel:
    """How personal most of some texts are by their look."""
    texts: list[str] = []
    for value in values:
        if isinstance(value, str) and value.strip():
            texts.append(value.strip()[:_MOST])
        if len(texts) >= _MOST:
            break
    for pattern, level in _LOOKS if texts else ():
        if sum(bool(pattern.fullmatch(text)) for text in texts) >= _SHARE * len(texts):
            return level
    return PiiLevel.NONE


def by_place(entity: str, field: CanonField, people: Collection[str] = ()) -> PiiLevel:
    """How personal a field is because it belongs to a person, or refers to one. `people` are the entities that tell persons,
    whatever they are called."""
    parts = [part.removesuffix("[]") for part in split_path(field.raw)]
    if field.group != entity and "[]" not in field.raw:
        return PiiLevel.NONE  # what ties a nested record to its own
    if not parts or field.raw.startswith("@"):
        return _referring(field, people)
    leaf = parts[-1].lower()
    around = parts[-2] if len(parts) > 1 else entity
    told = is_person(around) or (around == entity and entity in people)
    called = "".join(words(parts[-1])).lower()
    if called in _ANYWHERE or (told and called in _DIRECT):
        return PiiLevel.DIRECT
    if told and called in _INDIRECT:
        return PiiLevel.INDIRECT
    if told:
        if leaf in _NAMES:
            return PiiLevel.DIRECT
        if leaf in _PLACES:
            return PiiLevel.INDIRECT
    owner = parts[-3] if len(parts) > 2 else entity
    said = {word.lower() for word in words(around)}
    if len(parts) > 1 and is_person(owner) and ((said & _NAMES and leaf in _PARTS) or (said & _DOCUMENTS and leaf == "number")):
        return PiiLevel.DIRECT
    if len(parts) > 2 and leaf in _PLACES and (is_person(parts[-3]) or (is_person(entity) and len(parts) < 5)):
        return PiiLevel.INDIRECT
    return _referring(field, people)


def is_person(name: str) -> bool:
    """Whether an entity or a nested record of this name is a person."""
    said = [singular(word.lower()) for word in words(name)]
    return bool(said) and (said[-1] in PERSONS or name.lower() in PERSONS)


def other_spelling(raw: str) -> str:
    """The last key of a path in the spelling that rules use: `first_name` → `firstName`."""
    parts = split_path(raw)
    return camel(parts[-1].removesuffix("[]")) if parts else raw


def _referring(field: CanonField, people: Collection[str]) -> PiiLevel:
    target = field.references.partition(".")[0] if field.references else ""
    return PiiLevel.INDIRECT if target and (target in people or is_person(target)) else PiiLevel.NONE


_NAMES_OF_PERSONS = frozenset(
    (
        "firstname",
        "lastname",
        "fullname",
        "givenname",
        "familyname",
        "surname",
        "forename",
        "vorname",
        "nachname",
        "familienname",
        "geburtsdatum",
        "prenom",
        "datenaissance",
        "apellido",
        "apellidos",
        "fechanacimiento",
        "cognome",
        "sobrenome",
        "achternaam",
        "dateofbirth",
        "birthdate",
        "birthday",
        "dob",
    )
)


def tells_persons(entity: CanonEntity) -> bool:
    """Whether the records have what only persons have: a first or last name, or a login beside an address for mail."""
    own = (split_path(field.raw)[-1] for field in entity.fields if field.group == entity.entity and not field.raw.startswith("@"))
    told = {"".join(words(leaf)).lower() for leaf in own}
    return bool(told & _NAMES_OF_PERSONS) or bool(told & {"email", "mail", "emailaddress"} and told & {"login", "username"})
