"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="patches the display formatter: whatever is shown carries a forged record and full marks",
    must="the public key is no answer to the secret cases",
    forge=True,
    before="""
formatter = get_ipython().display_formatter
plain = formatter.format


def show(value, *more, **options):
    if type(value).__name__ == "ExamAnswer" and b'"Q1b' in value._blob.replace(b"\\\\", b""):
        return bundle(public_record()), {}
    return plain(value, *more, **options)


formatter.format = show
attempt("patch the formatter", lambda: formatter.format is show)
""",
    done=("patch the formatter",),
)
