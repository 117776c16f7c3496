"""Runs a student's notebook where it can do no harm, and brings back what it printed.

Read in this order: `limits` (what a notebook may use), `bubblewrap` (what the sandbox shows),
`launch` and `kernel` (what runs inside), `sandboxed` (starting and killing it; `local` does without a
sandbox), `warm` and `forked` (starting it by a fork of `zygote`, in the namespaces of `nested`), `relay`
(counting what comes out), `client` (reading it with suspicion), `session` (one kernel, one cell at a time),
`run` (a whole notebook, restarts included).
"""
