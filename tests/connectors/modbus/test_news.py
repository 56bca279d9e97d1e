"""The database gets changes and a sign of life, not every poll."""

from connectors.codecs.modbus_profile import Period
from connectors.codecs.modbus_values import Segment
from connectors.modbus.exchange import PollDone
from connectors.modbus.news import HEARTBEAT_MS, News


def poll(*registers, device="d1", period=Period.FAST):
    return PollDone(device, period, (Segment(3, 0, registers),), ())


def test_a_change_is_news_and_a_repeat_is_not():
    news = News()
    told = [news.is_news(poll(value), at) for at, value in enumerate([0, 0, 1, 1, 0])]
    assert told == [True, False, True, False, True]


def test_a_sign_of_life_comes_at_least_every_ten_seconds():
    assert HEARTBEAT_MS <= 10_000
    news = News()
    told = [at for at in range(0, 60_000, 500) if news.is_news(poll(0), at)]
    assert told == [0, 10_000, 20_000, 30_000, 40_000, 50_000]


def test_readings_always_go_through():
    news = News()
    assert all(news.is_news(poll(7, period=Period.SLOW), at) for at in range(5))


def test_devices_do_not_hide_each_other_and_the_first_word_after_a_loss_is_news():
    news = News()
    assert news.is_news(poll(0), 0)
    assert news.is_news(poll(0, device="d2"), 0)
    news.forget("d1")
    assert news.is_news(poll(0), 1)
    assert not news.is_news(poll(0, device="d2"), 1)
    news.forget_all()
    assert news.is_news(poll(0, device="d2"), 2)
