"""A simulator of the service, for trial runs without cost and for the tests.

`service.Simulator` implements the service without network I/O and takes its time from a clock; `server` serves it on a
loopback socket. `options` lists its options.
"""
