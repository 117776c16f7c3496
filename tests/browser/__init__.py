"""Journeys in a real JupyterLab, in a real Chromium: one file each. `jupyter_page.py` drives both."""
