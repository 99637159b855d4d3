"""The commands. Each parses its options, calls a use case, and returns an exit code."""
