"""The exam room's instructor side: reference answers, banks of mistakes, the judge."""
