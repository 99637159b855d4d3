"""A job on several processes: engines on workers, and the record on the driver.

The driver owns the run directory, the input, the checkpoint and the limits, and sends no request. A worker is the
ordinary engine behind other ports: its rows come from the driver, its journal is the driver's checkpoint, and its rates
are leased. The driver calls a worker with `Orders` and gets a `Report`, one call at a time for each worker, so both
arrive in order:

                 rows, acknowledgements, leases
    Driver ─────────────────────────────────────▶ Worker ─▶ Engine ─▶ the service
       │   ◀─────────────────────────────────────
       ▼         changes of rows, what it wants
    checkpoint

No POST leaves before the driver has committed its intent and said so. What a worker says after it was given up is never
read, so its rows can go elsewhere: those without an intent are queued, running ones are polled by another worker, and
those being submitted are in doubt.
"""
