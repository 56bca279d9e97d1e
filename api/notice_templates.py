"""Texts of notices over HTTP: read, edit per site, preview. What must not be said is refused here, not when it is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Row

from api import shapes, shapes_notices
from api.auth import ForMeterStaff, ForTextEditors, services_of
from api.openapi import answers
from api.problem_details import invalid, not_found
from api.requests import Id, IdempotencyKey, Json, once
from api.routing import noun_router
from api.services import Services
from hub.notices import text_book, texts
from hub.notices.text_book import TextBook
from hub.notices.texts import Text, TextError
from hub.store.accounts import Principal

router = noun_router("notices", "/notice-templates")

Locale = Literal["zh-CN", "en"]
Name = Annotated[Id, Path(json_schema_extra={"enum": sorted(texts.parameters())})]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]+$")]
EXAMPLES = {
    "place": "1栋0101",
    "credit": "25.00",
    "unit": "元",
    "threshold": "30",
    "level": "1",
    "days_left": "3",
    "amount": "100.00",
    "reference": "A-1",
    "paid_at": "12:00",
    "as_of": "2026-06-01 12:00",
    "title": "电梯困人",
    "elevator": "1号梯",
    "floor": "7",
    "number": "LS-2026-0001",
    "occurred_at": "12:00",
    "people": "2",
}


class TextIn(BaseModel):
    """A site's own text."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    locale: Locale
    title: LongText
    body: LongText


class PreviewIn(BaseModel):
    """What to preview; without title and body the text as it is now, without params with examples."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    locale: Locale
    title: LongText | None = None
    body: LongText | None = None
    params: dict[str, LongText] = {}  # names that the text does not know are passed over


def _shape(
    services: Services, site: str, name: str, locale: str, own: Row[Any] | None
) -> shapes_notices.NoticeTemplate:
    wanted, shipped = texts.parameters()[name], texts.shipped(locale)[name]
    return shapes_notices.NoticeTemplate(
        site=site,
        name=name,
        locale=locale,
        title=own.title if own is not None else shipped.title,
        body=own.body if own is not None else shipped.body,
        own=own is not None,
        power=wanted.power,
        params=wanted.params,
        optional=wanted.optional,
        updated_at=None if own is None else shapes.instant(own.updated_at, services.zone(site)),
        updated_by=None if own is None else own.updated_by,
    )


def _check(services: Services, principal: Principal, site: str, name: str) -> None:
    if name not in texts.parameters():
        raise not_found("template")
    if site not in {each.id for each in services.sites} or not principal.may_see(site):
        raise not_found("site")


def _all(services: Services, site: str) -> list[shapes_notices.NoticeTemplate]:
    with services.store.read() as connection:
        own = {(row.name, row.locale): row for row in text_book.own_texts(connection, site)}
    return [
        _shape(services, site, name, locale, own.get((name, locale)))
        for name in texts.parameters()
        for locale in texts.LOCALES
    ]


@router.get("", responses=answers(shapes_notices.NoticeTemplateList))
def list_templates(request: Request, principal: ForMeterStaff, site: Id | None = None) -> Response:
    """Every text in every language, of one site or of all that the caller sees."""
    services = services_of(request)
    mine = [each.id for each in services.sites if principal.may_see(each.id) and site in (None, each.id)]
    items = [item for each in mine for item in _all(services, each)]
    return Json(msgspec.json.encode(shapes_notices.NoticeTemplateList(items=items, next=None)))


@router.put("/{template}", responses=answers(shapes_notices.NoticeTemplate, conflict=True))
def put_template(
    request: Request, principal: ForTextEditors, template: Name, text: TextIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Give a site its own text. 422 for an unknown parameter, or a word about property fees in a notice about power."""
    services = services_of(request)
    _check(services, principal, text.site, template)

    def write() -> Response:
        own = Text(text.title, text.body)
        try:
            with services.store.write() as connection:
                text_book.put_text(connection, text.site, template, text.locale, own, principal.name, services.now())
        except TextError as error:
            raise _invalid(error) from error
        return _answer(services, text.site, template, text.locale)

    return once(request, services, principal, idempotency_key, [template, text.model_dump(mode="json")], write)


@router.delete("/{template}", responses=answers(shapes_notices.NoticeTemplate, conflict=True))
def drop_template(request: Request, principal: ForTextEditors, template: Name, site: Id, locale: Locale) -> Response:
    """Back to the shipped text, which is answered; the same when there was no own one."""
    services = services_of(request)
    _check(services, principal, site, template)
    with services.store.write() as connection:
        text_book.drop_text(connection, site, template, locale)
    return _answer(services, site, template, locale)


@router.post("/{template}/preview", responses=answers(shapes_notices.NoticePreview))
def preview(request: Request, principal: ForMeterStaff, template: Name, wanted: PreviewIn) -> Response:
    """A text with its parameters put in; nothing is stored or sent. 422 as when it is edited."""
    services = services_of(request)
    _check(services, principal, wanted.site, template)
    try:
        with services.store.read() as connection:
            now = TextBook(connection).text(wanted.site, template, wanted.locale)
        text = Text(wanted.title or now.title, wanted.body or now.body)
        texts.check(template, text)
        params = texts.as_params({**_examples(template), **wanted.params})
        rendered = texts.render(text, params)
    except TextError as error:
        raise _invalid(error) from error
    return Json(msgspec.json.encode(shapes_notices.NoticePreview(title=rendered.title, body=rendered.body)))


def _examples(name: str) -> dict[str, str]:
    return {param: EXAMPLES.get(param, param) for param in texts.parameters()[name].known}


def _invalid(error: TextError) -> Exception:
    field, _, problem = str(error).partition(": ")
    return invalid((field, problem)) if problem and field in {"title", "body"} else invalid(("body", str(error)))


def _answer(services: Services, site: str, name: str, locale: str) -> Response:
    found = next(item for item in _all(services, site) if (item.name, item.locale) == (name, locale))
    return Json(msgspec.json.encode(found))
