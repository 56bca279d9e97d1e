"""Who sits before a browser reads a refusal as a page, in their language; programs get the problem document."""

from __future__ import annotations

import logging

import pytest

from api.console import refused_page
from api.console.catalogue import LANGUAGES, catalogue
from hub.vocabulary.roles import Role

PROBLEM = "application/problem+json"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def desk(small_hub, client_of):
    """Somebody who may not see records of cases."""
    return client_of(small_hub, Role.FRONT_DESK)


@pytest.mark.parametrize(
    ("language", "sentence", "roles"),
    [
        ("zh-CN", "您的岗位不能打开此页或执行此操作。", "需要以下岗位之一：项目经理、"),
        ("en", "This page or action is not for your roles.", "One of these roles is needed: "),
    ],
)
def test_a_page_that_is_not_theirs_is_refused_in_their_words_with_the_roles_that_may(desk, language, sentence, roles):
    answer = desk.get("/tickets/1/record", headers=HTML, params={"lang": language})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert f'<html lang="{language}">' in answer.text
    assert sentence in answer.text
    assert roles.split("：")[0].split(":")[0] in answer.text
    assert "control_room" not in answer.text
    assert catalogue(language)["role.control_room"] in answer.text
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/tickets/999999", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/tickets/one", 422, "invalid"),
        ("DELETE", "/quiet", 405, "method"),
    ],
)
def test_every_other_refusal_of_a_page_is_a_page_too(desk, method, path, status, word):
    answer = desk.request(method, path, headers=HTML)
    assert answer.status_code == status
    assert catalogue("zh-CN")[f"ui.refused.{word}"] in answer.text
    assert ("allow" in answer.headers) == (status == 405)


def test_a_form_without_the_sessions_token_says_that_nothing_was_changed(desk):
    answer = desk.post("/quiet", data={}, headers=HTML | {"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert catalogue("zh-CN")["ui.refused.origin"] in answer.text


def test_a_fault_of_ours_is_a_page_that_gives_nothing_away(desk, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("secret-inside")

    monkeypatch.setattr("api.console.pages.wall.active_tickets", fail)
    with caplog.at_level(logging.CRITICAL):
        answer = desk.get("/", headers=HTML)
    assert answer.status_code == 500
    assert catalogue("zh-CN")["ui.refused.fault"] in answer.text
    assert "secret-inside" not in answer.text
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/v1/tickets/999999", "/api/v1/nothing", "/assets/nothing.css"])
def test_data_is_refused_as_data_whatever_the_browser_says_it_likes(desk, path):
    assert desk.get(path, headers=HTML).headers["content-type"] == PROBLEM


def test_programs_get_the_document_from_pages_too(desk):
    answer = desk.get("/tickets/1/record")
    assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)


def test_whoever_has_not_signed_in_is_sent_to_the_sign_in_page(small_hub, client_of):
    answer = client_of(small_hub).get("/quiet", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_that_a_page_can_get_has_a_sentence(language):
    texts = catalogue(language)
    assert {key.removeprefix("ui.refused.") for key in texts} >= refused_page.WORDS
