"""Which column of an LMS's table is which, in several languages; failing the words, by what the cells hold.

The words are Moodle's own (`mod_assign`, `grades`, core) in its language packs. Moodle writes a worksheet's columns in
one order: identifier, name, further fields, status, grade, maximum grade, "can be changed", two times, feedback.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from grading.tables import Table, number

WORDS: Mapping[str, tuple[str, ...]] = {
    "identifier": (
        "identifier", "id", "identifiant", "id de l'enregistrement", "identificador", "identificatore",
        "identificativo", "identificatie", "id-nummer", "id participant", "identyfikator", "идентификатор",
    ),
    "name": (
        "full name", "name", "vollstandiger name", "nom complet", "nombre completo", "nome completo", "nome",
        "volledige naam", "naam", "vor- und nachname", "nombre", "nom", "apellido(s) y nombre", "cognome nome",
        "student", "fullstandigt namn", "imie i nazwisko", "nom / prenom", "cognome / nome", "полное имя",
    ),
    "first": (
        "first name", "first_name", "firstname", "given name", "vorname", "prenom", "nombre(s)", "primeiro nome",
        "voornaam", "fornamn",
    ),
    "last": (
        "last name", "last_name", "lastname", "surname", "family name", "nachname", "nom de famille", "apellido(s)",
        "apellidos", "apelido", "sobrenome", "ultimo nome", "cognome", "achternaam", "efternamn",
    ),
    "email": (
        "email address", "email", "e-mail", "e-mail address", "e-mail-adresse", "e-mailadresse", "adresse de courriel",
        "courriel", "direccion de correo", "direccion de correo electronico", "correo electronico",
        "endereco de email", "endereco de e-mail", "endereco de correio eletronico", "indirizzo email", "e-mailadres",
        "mail", "e-postadress", "correo", "адрес электроннои почты",
    ),
    "username": (
        "username", "user name", "login", "login id", "anmeldename", "nom d'utilisateur", "nombre de usuario",
        "nome de usuario", "nome de utilizador", "username", "gebruikersnaam", "identificador de usuario",
    ),
    "idnumber": (
        "id number", "idnumber", "student number", "matrikelnummer", "id-nummer", "numero d'identification",
        "numero de id", "numero id", "codice identificativo", "id-nummer", "numero de identificacao",
    ),
    "status": (
        "status", "statut", "estado", "estatus", "situacao", "stato", "etat", "состояние ответа на задание",
    ),
    "grade": (
        "grade", "bewertung", "note", "calificacion", "nota", "avaliacao", "valutazione", "cijfer", "betyg", "ocena",
        "оценка",
    ),
    "maximum": (
        "maximum grade", "maximum-grade", "bestwertung", "note maximale", "calificacion maxima", "nota maxima",
        "avaliacao maxima", "punteggio massimo", "valutazione massima", "maximale cijfer", "maximumcijfer",
        "maximale beoordeling", "hogsta betyg",
    ),
    "changeable": (
        "grade can be changed", "bewertung kann geandert werden", "la note peut etre modifiee",
        "la calificacion puede ser cambiada", "nota pode ser alterada", "a nota pode ser alterada.",
        "la valutazione puo essere modificata", "cijfer kan gewijzigd worden",
    ),
    "submitted": (
        "last modified (submission)", "zuletzt geandert (abgabe)", "derniere modification (travail remis)",
        "ultima modificacion (entrega)", "ultima modificacao (envio)", "ultima modificacao (submissao)",
        "ultima modifica (consegna)", "laatst gewijzigd (inzending)", "laatst gewijzigd (ingestuurde opdracht)",
        "senast andrad (inlamning)", "последнее изменение (ответ)",
    ),
    "graded": (
        "last modified (grade)", "zuletzt geandert (bewertung)", "derniere modification (note)",
        "ultima modificacion (calificacion)", "ultima modificacao (nota)", "ultima modifica (valutazione)",
        "laatst gewijzigd (cijfer)", "senast andrad (betyg)",
    ),
    "comment": (
        "feedback comments", "feedback als kommentar", "feedback par commentaires", "comentarios de retroalimentacion",
        "comentarios de feedback", "comentarios", "commenti", "commento al feedback", "feedback tramite commenti",
        "feedback opmerkingen", "feedback als commentaar", "feedbackopmerkingen", "comentario de retorno",
    ),
}  # fmt: skip


def bare(head: str) -> str:
    """A column head without case, accents and repeated blanks."""
    text = unicodedata.normalize("NFKD", head.replace("’", "'").casefold())
    return " ".join("".join(c for c in text if not unicodedata.combining(c)).split())


def is_identifier(cell: str) -> bool:
    """Whether a cell is Moodle's identifier: words and a number at their end, "Participant 9001"."""
    return bool(re.fullmatch(r"[^\d@;,]{3,40}\d{1,12}", cell))


def moodle_columns(table: Table) -> dict[str, int]:
    """Index by meaning; empty when the table is no grading worksheet of Moodle's.

    A worksheet has an identifier in each row. A column whose head is in no language known here is found by its place
    and by what stands in it.
    """
    found = named_columns(table, ("identifier", "name", "email", "idnumber", "username", "status", "grade", "maximum"))
    found |= named_columns(table, ("changeable", "submitted", "graded", "comment"))
    at = found.get("identifier", 0)
    if not table.rows or not all(is_identifier(row[at]) for row in table.rows):
        return {}
    words = {re.sub(r"\d+$", "", row[at]) for row in table.rows}
    known = len({"status", "maximum", "changeable", "submitted", "graded", "comment"} & found.keys())
    found["identifier"] = at
    _by_cells(table, found)
    alike = len(words) == 1 and len(table.heads) >= 7 and "maximum" in found
    return found if known >= 2 or alike else {}  # else a person's own list whose ids end in digits


def named_columns(table: Table, meanings: tuple[str, ...]) -> dict[str, int]:
    """Index of the first column whose head is a word for the meaning."""
    heads = [bare(head) for head in table.heads]
    found: dict[str, int] = {}
    for meaning in meanings:
        for word in WORDS[meaning]:
            if word in heads and heads.index(word) not in found.values():
                found[meaning] = heads.index(word)
                break
    return found


def _by_cells(table: Table, found: dict[str, int]) -> None:
    """Fill in what the heads did not tell."""
    columns = [[row[at] for row in table.rows] for at in range(len(table.heads))]
    free = [at for at in range(len(columns)) if at not in found.values()]

    def first(meaning: str, fits: object) -> None:
        if meaning not in found:
            chosen = next((at for at in free if at not in found.values() and fits(at)), None)  # type: ignore[operator]
            if chosen is not None:
                found[meaning] = chosen

    filled = [[cell for cell in column if cell not in ("", "-")] for column in columns]
    first("email", lambda at: bool(filled[at]) and all("@" in cell for cell in filled[at]))
    first(
        "maximum",
        lambda at: (
            len(filled[at]) == len(table.rows) and len(set(filled[at])) == 1 and number(filled[at][0]) is not None
        ),
    )
    if "maximum" in found:
        before = found["maximum"] - 1
        first("grade", lambda at: at == before and all(number(cell) is not None for cell in filled[at]))
        dated = [
            at
            for at in free
            if at > found["maximum"]
            and at not in found.values()
            and any(re.search(r"\d{4}", c) for c in filled[at])
            and all(re.search(r"\d", c) and ":" in c for c in filled[at])
        ]
        if "submitted" not in found and dated:
            found["submitted"] = dated[0]
    if "name" not in found:
        first("name", lambda at: at == found["identifier"] + 1 and all(re.search(r"[^\W\d]", c) for c in filled[at]))


def heads_of(table: Table) -> str:
    """The columns there are, for a message."""
    shown = [head[:40] or "(no head)" for head in table.heads[:14]]
    return ", ".join(shown) + (f" and {len(table.heads) - 14} more" if len(table.heads) > 14 else "")
