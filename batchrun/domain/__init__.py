"""The rules of a job as pure code: no clock, no I/O."""
