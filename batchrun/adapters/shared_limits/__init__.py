"""Rate limits that the jobs of one user on one machine keep together (`--share-limits NAME`).

One of the jobs keeps the ledger of the leases and serves it on a Unix socket (`holder`). Each job, that one included,
is a member: it reports what it wants, and gets slots (`member`). `election` decides which job is the holder.
"""
