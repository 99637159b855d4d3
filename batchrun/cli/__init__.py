"""The commands: parse, call the app, map the result to an exit code."""
