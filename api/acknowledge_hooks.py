"""Answers that a provider passes on: a key that was pressed on a telephone, a word in a chat. What stands where is data.

Each channel of hub.yaml has a secret of its own; without it the answer is 401 whatever else is right or wrong. The same
message twice finds the ticket acknowledged already (409) and changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Depends, Path, Request
from fastapi.responses import Response

from api import shapes_duty
from api.auth import FOR_ALL, services_of
from api.openapi import answers
from api.problem_details import ProblemError, invalid
from api.requests import Id, Json
from api.routing import noun_router
from hub.pipeline.link_desk import Answer, take_answer
from hub.settings.model import HookConfig

router = noun_router("hooks", "/hooks")

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200


async def _body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_body)]


@router.post(
    "/acknowledgements/{channel}",
    dependencies=[FOR_ALL],
    responses=answers(shapes_duty.Acknowledged, conflict=True),
    openapi_extra={"security": []},
)
def take(
    request: Request, channel: Annotated[Id, Path(description="Id of a hook of hub.yaml.")], body: RawBody
) -> Response:
    """A provider's message: JSON or a form, signed or with the channel's token. 422 names each field that is not there."""
    services = services_of(request)
    hook = next((each for each in services.hooks if each.id == channel), None)
    if hook is None or not _genuine(hook, request, body):
        raise ProblemError(
            401, "sign_in", "The channel or its secret is wrong.", headers={"WWW-Authenticate": 'Bearer realm="hook"'}
        )
    message = _message(request, body)
    found = {name: _at(message, getattr(hook, name)) for name in ("ticket", "person", "answer")}
    missing = [(getattr(hook, name), f"missing: the {name}") for name, value in found.items() if value is None]
    if missing:
        raise invalid(*missing)
    action = hook.answers.get(str(found["answer"]))
    if action is None:
        raise invalid((hook.answer, f"{found['answer']!r} is no answer; there are: {', '.join(hook.answers)}"))
    answer = Answer(channel=hook.id, ticket_number=str(found["ticket"]), person=str(found["person"]), action=action)
    done = services.door.ask(lambda step: take_answer(step, answer))
    said = shapes_duty.Acknowledged(ticket=done.ticket_id, number=done.number, action=done.action, person=done.person)
    return Json(msgspec.json.encode(said))


def _genuine(hook: HookConfig, request: Request, body: bytes) -> bool:
    if hook.secret is None:
        return False
    secret = hook.secret.reveal().encode()
    if hook.auth == "token":
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), secret)
    given = request.headers.get(hook.header, "").strip()
    if not given.startswith(hook.prefix):
        return False
    digest = hmac.new(secret, body, hashlib.sha256).digest()
    return any(hmac.compare_digest(each, digest) for each in _decoded(given.removeprefix(hook.prefix)))


def _decoded(text: str) -> list[bytes]:
    """A signature as hexadecimal digits or base64; nothing for what is neither."""
    found = []
    for decode in (bytes.fromhex, lambda each: base64.b64decode(each, validate=True)):
        try:
            found.append(decode(text))
        except (ValueError, binascii.Error):
            continue
    return found


def _message(request: Request, body: bytes) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        try:
            return dict(parse_qsl(body.decode(), strict_parsing=True, max_num_fields=MOST_FIELDS))
        except ValueError as error:
            raise ProblemError(422, "malformed", "The body cannot be read as a form.") from error
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(422, "malformed", "The body cannot be read as JSON.") from error


def _at(message: Any, path: str) -> str | None:
    """Text or a whole number at a dotted path; a form's field may have the dots in its name. None: nothing usable."""
    if isinstance(message, dict) and isinstance(message.get(path), str):
        return _text(message[path])
    for step in path.split("."):
        if not isinstance(message, dict):
            return None
        message = message.get(step)
    return _text(message)


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    plain = value.strip()
    return plain if 0 < len(plain) <= 200 and plain.isprintable() else None
