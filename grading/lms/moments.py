"""Times as learning management systems write them: several languages, several orders, and "1 day 3 hours late"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from grading.course import CourseError

# Months by number, without accents: English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Polish.
_MONTHS = (
    "january januar janvier enero janeiro gennaio januari stycznia jan jener",
    "february februar fevrier febrero fevereiro febbraio februari lutego feb fevr",
    "march marz mars marzo marco maart marca mar maerz",
    "april avril abril aprile kwietnia apr avr abr",
    "may mai mayo maio maggio mei maj maja",
    "june juni juin junio junho giugno czerwca jun",
    "july juli juillet julio julho luglio lipca jul juil",
    "august aout agosto augustus augusti sierpnia aug ago",
    "september septembre septiembre setembro settembre wrzesnia sep sept set",
    "october oktober octobre octubre outubro ottobre pazdziernika oct okt out",
    "november novembre noviembre novembro listopada nov",
    "december dezember decembre diciembre dezembro dicembre grudnia dec dez dic",
)
_MONTH = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
# Units of a duration, by the beginning of the word.
_UNITS = (
    (timedelta(weeks=1), ("week", "woche", "semaine", "semana", "settiman", "weken", "vecka", "veckor", "tydzie")),
    (timedelta(days=365), ("year", "jahr", "an ", "ans", "annee", "ano", "anni", "anno", "jaar", "jaren")),
    (timedelta(days=1), ("day", "tag", "jour", "dia", "giorn", "dag", "dzien", "dni")),
    (timedelta(hours=1), ("hour", "stunde", "heure", "hora", "ora", "ore", "uur", "uren", "timm", "godzin")),
    (timedelta(minutes=1), ("min",)),
    (timedelta(seconds=1), ("sec", "sek", "seg", "second")),
)
_LATE = (
    "late", "verspatet", "zu spat", "spater", "retard", "despues", "retraso", "tarde", "atrasad", "atraso", "depois",
    "ritardo", "dopo", "te laat", "laat", "sent", "sen ", "spoznion",
)  # fmt: skip
_EARLY = ("early", "vor dem termin", "vorher", "avance", "antes", "anticip", "adiantad", "prima", "te vroeg", "tidig")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})\s?[:h]\s?(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*(a\.?m\.?|p\.?m\.?)?(?!\d)")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,4})[./-](\d{1,2})[./-](\d{2,4})(?!\d)")


def bare(text: str) -> str:
    """Lower case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\u202f", " ").replace("\u00a0", " ").casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def zone_of(name: str) -> tzinfo:
    """A time zone by its name, "Europe/Berlin" or "+01:00".

    Raises:
        CourseError: there is no such zone.
    """
    from dateutil import tz

    if match := re.fullmatch(r"([+-])(\d{2}):?(\d{2})", name):
        sign = -1 if match[1] == "-" else 1
        return tz.tzoffset(None, sign * (int(match[2]) * 3600 + int(match[3]) * 60))
    found = tz.gettz(name)
    if found is None or not name:
        raise CourseError(f"there is no time zone {name!r}; expected for instance Europe/Berlin, UTC or +01:00")
    return found


def day_first(texts: Sequence[str]) -> bool | None:
    """Whether numeric dates in these texts put the day before the month; None when they do not tell."""
    for text in texts:
        if match := _NUMERIC.search(text):
            first, second = int(match[1]), int(match[2])
            if len(match[1]) == 4:
                continue
            if "." in match[0] or first > 12:
                return True
            if second > 12:
                return False
    return None


def read_moment(text: str, zone: tzinfo, *, days_first: bool | None = None) -> datetime | None:
    """A date with a time of day, in UTC; None when the text holds none.

    Args:
        zone: of texts that name none.
        days_first: the order of numeric dates, as `day_first` tells it for the whole column. Without it, a date that
            can be read in two ways is not read.
    """
    iso = text.strip()
    try:
        moment = datetime.fromisoformat(iso)
        return _utc(moment, zone) if len(iso) > 10 else None
    except ValueError:
        pass
    words = bare(text)
    named = re.search(r"(?<![a-z])(utc|gmt|z)(?![a-z])|([+-]\d{2}:?\d{2})$", words)
    clock = _CLOCK.search(words)
    date = _date(words, days_first)
    if date is None or clock is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    half = (clock[4] or "").replace(".", "")
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        moment = datetime(*date, hour, minute, second)
    except ValueError:
        return None
    if named:
        zone = UTC if named[1] else zone_of(named[2])
    return _utc(moment, zone)


def _utc(moment: datetime, zone: tzinfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _date(words: str, days_first: bool | None) -> tuple[int, int, int] | None:
    months = [_MONTH[word] for word in re.findall(r"[a-z]+", words) if word in _MONTH]
    if months:
        month = months[-1]  # "mar" before it may be a Tuesday
        named_year = re.search(r"(?<!\d)(\d{4})(?!\d)", words)
        day = re.search(r"(?<![\d:.h])(\d{1,2})(?:st|nd|rd|th|er)?(?![\d:h])", words)
        return (int(named_year[1]), month, int(day[1])) if named_year and day else None
    if match := re.search(r"(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?日", words):
        return int(match[1]), int(match[2]), int(match[3])
    match = _NUMERIC.search(words)
    if match is None:
        return None
    one, two, three = (int(part) for part in match.groups())
    if len(match[1]) == 4:
        return one, two, three
    year = three + 2000 if len(match[3]) == 2 else three
    if "." in match[0] or one > 12:
        days_first = True
    elif two > 12:
        days_first = False
    if days_first is None and one != two:
        return None
    return (year, two, one) if days_first or one == two else (year, one, two)


def read_lateness(status: str) -> timedelta | None:
    """How late Moodle's status says a hand-in was, "Submitted for grading - 1 day 3 hours late"; None when it does not.

    Moodle gives the two largest units, so that the rest may be up to one of the smaller one.
    """
    words = bare(status)
    for part in re.split(r"\s-\s|\n|<|;", words):
        if not any(word in part for word in _LATE) or any(word in part for word in _EARLY):
            continue
        amount = _duration(part)
        if amount is not None:
            return amount
    return None


def _duration(text: str) -> timedelta | None:
    total, found = timedelta(), False
    for amount, unit in re.findall(r"(\d+)\s*([a-z]+ ?)", text):
        for step, starts in _UNITS:
            if unit.startswith(starts) or unit.strip() in starts:
                total, found = total + int(amount) * step, True
                break
    return total if found else None
