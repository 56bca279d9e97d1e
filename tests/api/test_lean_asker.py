"""The client that measures answers gives the same ones as the client that tests them."""

import socket
import threading

import pytest

from hub.vocabulary.roles import Role
from support.hub_http import HubHttp
from support.lean_asker import LeanAsker

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"


def test_it_gives_the_hubs_answers(hub):
    hub.alarm()
    url, token = hub.serve(), hub.token(Role.CONTROL_ROOM)
    plain, lean = HubHttp(url, token), LeanAsker(url, token)
    for asked in ({"subject": "b1-e1", "limit": 1}, {"subject": "nowhere", "limit": 1}):
        expected = plain.get("/tickets", **asked)
        assert [lean.ask(lean.question("/tickets", **asked)) for _ in range(3)] == [expected] * 3
    with pytest.raises(AssertionError, match=r"HTTP/1\.1 422"):
        lean.ask(lean.question("/tickets", limit=0))
    lean.close()
    plain.close()
    hub.stop_serving()


@pytest.mark.parametrize("cut", [1, 20, len(HEAD) - 1, len(HEAD), len(HEAD) + 5])
def test_an_answer_may_come_in_pieces(cut):
    answer = HEAD + b'{"items":[]}'
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        taken, _ = listener.accept()
        with taken:
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert taken.recv(65_536).startswith(b"GET /api/v1/tickets?limit=1 HTTP/1.1\r\n")
            taken.sendall(answer[:cut])
            taken.sendall(answer[cut:])

    server = threading.Thread(target=serve)
    server.start()
    lean = LeanAsker(f"http://127.0.0.1:{listener.getsockname()[1]}", "t")
    assert lean.ask(lean.question("/tickets", limit=1)) == {"items": []}
    server.join(10)
    lean.close()
    listener.close()
