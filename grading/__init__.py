"""The instructor's side: building lessons, grading, reports. `helpers` never imports it."""

import contextlib
import importlib
import sys

if "jsonschema" not in sys.modules:
    # nbformat needs it, and on import it builds a grammar for the formats iri and iri-reference, which takes longer
    # than importing torch; no notebook's schema has them
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        with contextlib.suppress(ImportError):
            importlib.import_module("jsonschema")
    finally:
        del sys.modules["rfc3987_syntax"]
