"""What compares answers with the solution: reference answers, banks of mistakes, the judge."""
