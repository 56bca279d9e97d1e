"""A connector's thread: it starts, is called, stops, and nobody waits for one that has died."""

import threading

from connectors.loop_thread import LoopThread


def test_it_is_called_in_its_own_thread_and_clears_up_at_the_end():
    told: list[str] = []
    called = threading.Event()

    async def work() -> None:
        told.append(f"up in {threading.current_thread().name}")
        await thread.until_stopped()
        told.append("cleared up")

    def note(word: str) -> None:
        told.append(f"{word} in {threading.current_thread().name}")
        called.set()

    thread = LoopThread("lines", work)
    thread.start()
    assert thread.alive
    assert thread.call(note, "asked")
    assert called.wait(5)
    thread.stop()
    assert told == ["up in lines", "asked in lines", "cleared up"]
    assert not thread.alive


def test_before_the_start_and_after_the_end_a_call_says_that_nobody_heard_it():
    async def work() -> None:
        await thread.until_stopped()

    thread = LoopThread("lines", work)
    assert not thread.call(print)
    thread.stop()
    thread.start()
    thread.stop()
    assert not thread.call(print)


def test_whoever_starts_one_that_dies_is_not_kept_waiting_and_the_log_says_why(caplog):
    async def work() -> None:
        raise ZeroDivisionError

    thread = LoopThread("lines", work)
    thread.start()
    thread.stop()
    assert not thread.alive
    assert "lines: the thread died" in caplog.text
    assert "ZeroDivisionError" in caplog.text
