"""A pause is never shorter than asked for, and one that is ended early ends nobody else's."""

import asyncio

from connectors.modbus.pauses import Pauses, end


def test_pauses_that_end_together_are_each_their_own():
    async def run():
        pauses = Pauses()
        first, second, third, none = pauses.start(40), pauses.start(40), pauses.start(5), pauses.start(-3)
        end(first)
        end(first)
        assert first.done()
        assert not second.done()
        second.cancel()
        await asyncio.wait_for(asyncio.gather(third, none), 10)
        await asyncio.wait_for(pauses.start(40), 10)
        assert second.cancelled()

    asyncio.run(run())


def test_a_pause_is_not_over_before_its_time():
    """In the milliseconds that the schedule counts: whoever wakes early would go round for nothing."""

    async def run():
        loop, pauses = asyncio.get_running_loop(), Pauses()
        for milliseconds in (1, 2, 3, 7):
            until = int(loop.time() * 1000) + milliseconds
            await asyncio.wait_for(pauses.start(milliseconds), 10)
            assert int(loop.time() * 1000) >= until

    asyncio.run(run())
