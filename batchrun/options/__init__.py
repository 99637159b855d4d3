"""The options of a job, in groups, with their types and the checks of their values."""
