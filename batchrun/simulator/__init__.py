"""The service, built in: people rehearse a job with it before they pay for one, and the tests drive it.

`service.Simulator` is the whole service without I/O or time of its own; `server` puts it on a loopback socket.
`options` lists everything that can be asked of it.
"""
