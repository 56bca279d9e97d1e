"""What goes out to an address that somebody has typed in: signed, to the very address that was checked, and nowhere else."""

import socket

import msgspec
import pytest

from connectors.codecs.cloudevents import Source
from connectors.codecs.outside_address import read_networks
from connectors.codecs.standard_webhooks import verify
from connectors.outside_http import Answer, Outside, OutsideError
from connectors.webhook import FORMATS, WebhookWay, verdict
from hub.vocabulary.ports import GiveUp, PublicChange, PutAside, Refused, Retry, Sent
from support.receiver import DRIP, DROP, ENDLESS, HANG, HookServer

LOOPBACK = read_networks(["127.0.0.0/8"])
KEY = bytes(range(32))
NOW = 1_780_000_000_000
CHANGE = PublicChange(seq=42, site="lakeside", at=NOW, type="ticket_opened", body={"id": 12, "kind": "entrapment"})


@pytest.fixture
def server():
    running = HookServer()
    yield running
    running.close()


@pytest.fixture
def tls_server(tls_files):
    running = HookServer(tls_files)
    yield running
    running.close()


def way(server, url=None, *, allowed=LOOPBACK, timeout_s=5.0, form="cloudevents", keys=(KEY,)):
    outside = Outside(allowed, timeout_s=timeout_s)
    return WebhookWay(outside, url or server.url(), FORMATS[form], lambda: keys, Source(hub="hub-1"), lambda: NOW)


@pytest.fixture
def resolve(monkeypatch):
    """Call it with the addresses that every name has; the calls are kept."""
    asked = []

    def names(*addresses):
        def getaddrinfo(host, port, *_, **__):
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return names


def test_a_change_arrives_as_a_cloudevent_that_its_receiver_can_verify(server):
    assert isinstance(way(server).deliver(CHANGE), Sent)
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("POST", "/hook")
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert verify([KEY], headers, body, NOW // 1000)
    event = msgspec.json.decode(body)
    assert (event["specversion"], event["type"], event["data"]["id"]) == ("1.0", "property-hub.ticket_opened", 12)


def test_a_repeat_has_the_same_id(server):
    for _ in range(2):
        way(server).deliver(CHANGE)
    assert len({headers["webhook-id"] for _, _, headers, _ in server.requests}) == 1


def test_without_a_key_nothing_leaves(server):
    said = way(server, keys=()).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert "no key" in said.reason
    assert server.connections == 0


def test_an_address_within_is_refused_before_anything_is_connected(server):
    said = way(server, allowed=()).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert "127.0.0.1: this machine" in said.reason
    assert "private_networks" in said.reason
    assert server.connections == 0


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "0"])
def test_however_this_machine_is_spelt(server, host):
    said = way(server, server.url(host), allowed=()).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert server.connections == 0


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked(server, resolve):
    """Whoever answers a second look-up with another address (DNS rebinding) is never asked."""
    asked = resolve("127.0.0.1")
    assert isinstance(way(server, server.url("hooks.example")).deliver(CHANGE), Sent)
    assert [name for name in asked if name == "hooks.example"] == ["hooks.example"]
    assert server.requests[0][2]["host"] == f"hooks.example:{server.port}"


def test_one_closed_address_among_a_names_addresses_closes_the_name(server, resolve):
    resolve("127.0.0.1", "169.254.169.254")
    said = way(server, server.url("hooks.example")).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert "169.254.169.254" in said.reason
    assert server.connections == 0


def test_the_next_address_is_tried_where_the_first_does_not_answer(server, resolve):
    resolve("127.0.0.2", "127.0.0.1")
    assert isinstance(way(server, server.url("hooks.example")).deliver(CHANGE), Sent)


def test_in_clear_only_within_the_listed_networks(resolve):
    resolve("93.184.215.14")
    with pytest.raises(OutsideError, match="use https"):
        Outside(LOOPBACK).exchange("POST", "http://hooks.example/", {}, b"")


def test_tls_is_checked_against_the_name_and_not_against_the_address(tls_server, tls_files, resolve):
    outside = Outside(LOOPBACK, str(tls_files.ca), timeout_s=5)
    assert outside.exchange("POST", tls_server.url("localhost"), {}, b"x").status == 204
    with pytest.raises(OutsideError, match="certificate"):
        Outside(LOOPBACK, timeout_s=5).exchange("POST", tls_server.url("localhost"), {}, b"x")
    resolve("127.0.0.1")
    with pytest.raises(OutsideError, match="certificate"):
        outside.exchange("POST", tls_server.url("hooks.example"), {}, b"x")
    assert len(tls_server.requests) == 1


def test_no_redirect_is_followed(server):
    server.script.append(302)
    server.headers = {"Location": server.url(path="/elsewhere")}
    assert isinstance(way(server).deliver(CHANGE), Retry)
    assert [path for _, path, _, _ in server.requests] == ["/hook"]


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(way(server).deliver(CHANGE), Sent)


@pytest.mark.parametrize("trick", [DRIP, ENDLESS, HANG])
def test_whatever_the_far_side_does_it_ends_at_the_deadline(server, trick):
    server.script.append(trick)
    said = way(server, timeout_s=0.4).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert "0.4 s" in said.reason


def test_who_hangs_up_is_asked_again(server):
    server.script.append(DROP)
    assert isinstance(way(server).deliver(CHANGE), Retry)


def test_a_long_answer_is_read_up_to_a_limit_and_kept_in_one_short_line(server):
    server.script.append(500)
    server.body = b"line\r\n\x1b[31m" * 50_000
    said = way(server).deliver(CHANGE)
    assert isinstance(said, Retry)
    assert len(said.reason) <= 200
    assert said.reason.isprintable()


def test_a_port_where_nobody_listens_is_tried_again(free_port):
    outside = Outside(LOOPBACK, timeout_s=2)
    with pytest.raises(OutsideError, match="ConnectionRefusedError"):
        outside.exchange("POST", f"http://127.0.0.1:{free_port()}/", {}, b"")


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "https:///x", "https://[::1", "https://a.example:99999/", "https://" + "ü" * 300 + ".de/"],
)
def test_an_address_that_is_none_is_said_without_being_repeated(url):
    with pytest.raises(OutsideError) as caught:
        Outside(LOOPBACK).exchange("POST", url, {}, b"")
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Sent),
        (202, Sent),
        (204, Sent),
        (301, Retry),
        (400, Refused),
        (401, Retry),
        (403, Retry),
        (404, Retry),
        (408, Retry),
        (410, GiveUp),
        (413, Refused),
        (422, Refused),
        (429, Retry),
        (500, Retry),
        (503, Retry),
    ],
)
def test_what_each_answer_means(status, meaning):
    assert isinstance(verdict(Answer(status=status)), meaning)


def test_the_pause_that_is_asked_for_is_passed_on_and_bounded(server):
    server.script.extend([429, 503])
    server.headers = {"Retry-After": "7"}
    assert way(server).deliver(CHANGE).after_s == 7
    server.headers = {"Retry-After": "99999999"}
    assert way(server).deliver(CHANGE).after_s == 3_600


def test_cap_says_what_it_has_words_for_and_pings_are_cloudevents(server):
    cap = way(server, form="cap")
    problem = PublicChange(seq=1, site="s", at=NOW, type="problem_raised", body={})
    assert isinstance(cap.deliver(problem), PutAside)
    assert isinstance(cap.deliver(PublicChange(seq=0, site="s", at=NOW, type="ping", body={})), Sent)
    assert msgspec.json.decode(server.requests[0][3])["type"] == "property-hub.ping"
