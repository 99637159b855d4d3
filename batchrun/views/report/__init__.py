"""The report: one HTML page about one or more jobs."""
