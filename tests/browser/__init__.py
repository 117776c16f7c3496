"""Journeys in a real JupyterLab, in a real Chromium: one file each. `desk.py` starts the one and drives the other."""
