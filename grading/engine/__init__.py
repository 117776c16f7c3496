"""The engine: intake, execute in the sandbox, judge, save, feedback; one submission's trouble stays its own."""
