"""Nobody waits for ever, nobody jumps the queue, and no place is lost, whatever comes and goes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.server.admission import Admission, Overloaded
from tests.unit.server.builders import in_loop

ACTS = ["come", "finish", "go away", "let run"]


async def turn() -> None:
    """Let everything that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def make(*, running: int = 1, waiting: int = 2, wait_s: float = 10) -> Admission:
    return Admission(max_running=running, max_waiting=waiting, max_wait_s=wait_s)


@in_loop
async def test_places_are_given_until_none_is_left() -> None:
    admission = make(running=2)
    assert admission.try_enter()
    assert admission.try_enter()
    assert not admission.try_enter()
    admission.leave()
    assert admission.try_enter()
    assert admission.num_running == 2


@in_loop
async def test_who_came_first_is_first() -> None:
    admission = make(waiting=3)
    await admission.enter()
    order: list[int] = []

    async def visit(number: int) -> None:
        await admission.enter()
        order.append(number)
        await asyncio.sleep(0)
        admission.leave()

    visits = [asyncio.create_task(visit(number)) for number in range(3)]
    await turn()
    assert not admission.try_enter()  # nor does anybody slip in between
    admission.leave()
    await asyncio.gather(*visits)
    assert order == [0, 1, 2]
    assert (admission.num_running, admission.num_waiting) == (0, 0)


@in_loop
async def test_a_full_waiting_room_refuses_at_once() -> None:
    admission = make(waiting=1)
    await admission.enter()
    waiting = asyncio.create_task(admission.enter())
    await turn()
    with pytest.raises(Overloaded) as refused:
        await admission.enter()
    assert refused.value.retry_after_s >= 1
    admission.leave()
    await waiting
    assert admission.num_running == 1


@in_loop
async def test_who_has_waited_too_long_hears_so_and_takes_no_place_later() -> None:
    admission = make(wait_s=0.01)
    await admission.enter()
    with pytest.raises(Overloaded):
        await admission.enter()
    assert admission.num_waiting == 0
    admission.leave()
    assert admission.num_running == 0


@in_loop
async def test_who_goes_away_gives_up_the_turn() -> None:
    admission = make()
    await admission.enter()
    gone, next_one = (asyncio.create_task(admission.enter()) for _ in range(2))
    await turn()
    gone.cancel()
    await turn()
    assert admission.num_waiting == 1
    admission.leave()
    await next_one
    assert admission.num_running == 1


@in_loop
async def test_who_goes_away_at_the_very_moment_gives_the_place_on() -> None:
    admission = make()
    await admission.enter()
    gone, next_one = (asyncio.create_task(admission.enter()) for _ in range(2))
    await turn()
    admission.leave()  # hands the place to the first, who has not run yet
    gone.cancel()
    await turn()
    assert next_one.done()
    assert admission.num_running == 1
    admission.leave()
    assert admission.num_running == 0


@in_loop
async def test_closing_sends_the_waiting_away_and_lets_the_running_finish() -> None:
    admission = make()
    await admission.enter()
    waiting = asyncio.create_task(admission.enter())
    await turn()
    admission.close()
    with pytest.raises(Overloaded):
        await waiting
    with pytest.raises(Overloaded):
        await admission.enter()
    assert admission.num_running == 1
    admission.leave()
    assert admission.num_running == 0
    assert not admission.try_enter()


@given(
    running=st.integers(1, 3),
    waiting=st.integers(0, 4),
    acts=st.lists(
        st.tuples(st.sampled_from(["come", "finish", "go away", "let run"]), st.integers(0, 30)), max_size=60
    ),
)
def test_no_place_is_ever_lost_or_given_twice(
    running: int, waiting: int, acts: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        admission = make(running=running, waiting=waiting)
        working: list[asyncio.Task[None]] = []
        ends: dict[asyncio.Task[None], asyncio.Event] = {}
        num_inside = 0

        async def visit(end: asyncio.Event) -> None:
            nonlocal num_inside
            await admission.enter()
            num_inside += 1
            assert num_inside <= running
            try:
                await end.wait()
            finally:
                num_inside -= 1
                admission.leave()

        for act, which in acts:
            live = [task for task in working if not task.done()]
            if act == "come":
                end = asyncio.Event()
                task = asyncio.create_task(visit(end))
                working.append(task)
                ends[task] = end
            elif act == "let run":
                await turn()
            elif live:
                chosen = live[which % len(live)]
                if act == "finish":
                    ends[chosen].set()
                else:
                    chosen.cancel()
            assert admission.num_running <= running
            assert admission.num_waiting <= waiting
        await turn()
        for end in ends.values():
            end.set()
        results = await asyncio.gather(*working, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), Overloaded, asyncio.CancelledError}
        assert (admission.num_running, admission.num_waiting) == (0, 0)
        assert admission.try_enter()

    asyncio.run(play())
