"""The engine: asyncio, the domain, and the ports; nothing else.

The way of a row through it:

                 ┌─▶ uploads ─▶ request_runner ─▶ the service
                 ▼
    source ─▶ backlog ─▶ submitter ─▶ request_runner ─▶ the service
                 ▲          │              │
                 │          │              ▼
                 │          │        submit_outcomes ─▶ refusals (whose fault was it?)
                 │          ▼
                 │        poller ───▶ request_runner ─▶ the service
                 │      (poll_queue)       │
                 │          ▲              ▼
                 └──────────┼──────── poll_outcomes ─▶ the row has ended
                         callbacks

Every change of a row goes through `transitions`: it is decided by the table in `domain.states`, recorded by the
journal, and counted. `engine` puts the parts together and ends the session; `context` is what they share; `handover`
has the interfaces by which the loops know each other; `stopping` and `stop_limits` say when to stop, and why.

What a row passes before the first byte of its POST, in this order:

    0. files uploaded          uploads         --file: at most 32 rows at one time; each upload has a connection and a
                                               permit of its own, and its reference is on disk before a row uses it
    1. submissions left        stop_limits     --max-submissions: POSTs of all sessions
    2. slot in flight          in_flight       --max-in-flight: runs accepted and not ended
    3. leave to prepare        admission       one POST until the first acceptance; one probe while the circuit is open;
                                               not long before its permit, so that little is in doubt after a kill
    4. connection              connections     --max-connections: requests at one time
    5. intent on disk          transitions     the row is `submitting` before anything leaves
    6. permit                  admission       --rps and --total-rps, or what --share-limits leaves of them, and the
                                               pause after a 429

A poll passes 3, 4 and 6, and so does an upload.
"""
