"""A mistake in the product, for the argument `before` of a command: an error of aiohttp shows the whole request."""

from batchrun.adapters.http.exchange import Exchange


def fail_with_the_request() -> None:
    """From now on, each request fails in a way that nobody has foreseen."""

    async def run(
        _self: object, _connections: object, _connect: object, _deadlines: object, template: object, target: str
    ) -> bytes:
        raise AssertionError(f"cannot send {template.render(target, None)!r}")  # type: ignore[attr-defined]

    Exchange.run = run  # type: ignore[method-assign,assignment]
