"""The student lessons as a static site that needs no kernel, no network and no server."""

from grading.site.pages import make_site

__all__ = ["make_site"]
