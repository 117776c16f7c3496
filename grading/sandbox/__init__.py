"""Runs a student's notebook where it can do no harm, and brings back what it printed.

Read in this order: `limits` (what a notebook may use), `bubblewrap` (what the sandbox shows),
`launch` (the first thing that runs inside), `process` (starting and killing), `relay` (counting what
comes out), `session` (one kernel, one cell at a time), `run` (a whole notebook, restarts included).
"""
