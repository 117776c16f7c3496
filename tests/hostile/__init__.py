"""The hostile bank: submissions that try to earn, read, keep or break what is not theirs.

`attack` says what one submission is, `attacks/` holds one per file, `canaries` is what lies around the sandbox
for them to reach for, `session` grades all of them in one batch, `test_bank` holds the claims.
`python -m tests.hostile` prints the table in docs/hostile.md.
"""
