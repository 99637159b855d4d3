"""The places for requests: given away in order, and none is lost, whoever is cancelled and when."""

import asyncio
import random

from batchrun.engine.connections import Connections
from tests.support.virtual import run_virtual


def test_places_are_given_away_in_order_and_as_many_as_there_are() -> None:
    async def main() -> None:
        connections, served, was_short = Connections(1), list[int](), list[bool]()

        async def ask(number: int) -> None:
            await connections.acquire()
            served.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(ask(number))
            await asyncio.sleep(1)
            assert served == [0]
            was_short.append(connections.is_short)
            connections.release()
            await asyncio.sleep(1)
            assert served == [0, 1]
            connections.resize(3)
            await asyncio.sleep(1)
            assert served == [0, 1, 2, 3]
        was_short.append(connections.is_short)
        assert was_short == [True, False]
        connections.resize(1)
        assert connections.in_use == 3, "none is taken away"

    run_virtual(main())


def test_no_place_is_lost_or_given_twice_whoever_is_cancelled() -> None:
    async def main(seed: int) -> None:
        chance, connections = random.Random(seed), Connections(3)
        size, most = 3, 0

        async def use() -> None:
            nonlocal most
            await connections.acquire()
            try:
                most = max(most, connections.in_use)
                await asyncio.sleep(chance.choice((0, 0, 0.01, 0.1)))
            finally:
                connections.release()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(use()) for _ in range(60)]
            for _ in range(40):
                await asyncio.sleep(chance.choice((0, 0, 0.005)))
                chance.choice(tasks).cancel()
                size = chance.choice((1, 2, 3, 5))
                connections.resize(size)
            connections.resize(5)
        assert connections.in_use == 0
        assert most <= 5
        assert not connections.is_short

    for seed in range(50):
        run_virtual(main(seed))
