"""Where a person reads of a role, it is called as people call it; programs get the word."""

import pytest

from api.console.catalogue import LANGUAGES, catalogue
from hub.vocabulary.decisions import RaiseProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role


def test_a_problem_about_roles_names_them_in_words(small_hub, client_of):
    about = Subject("lakeside", SubjectType.SITE, "lakeside")
    detail = {"roles": "control_room, technician", "told": "duty_supervisor"}
    problem = RaiseProblem(code="role_unreachable", subject=about, detail=detail)
    small_hub.inbox.ask(lambda step: step.raise_problem(problem)).result(10)
    (found,) = client_of(small_hub, Role.CONTROL_ROOM).get("/api/v1/problems").json()["items"]
    said = {language: found["texts"][language]["text"] for language in LANGUAGES}
    assert said["zh-CN"] == "以下岗位无人可联系：中控室值班员、工程维修部电梯工；已改为通知 当值主管"
    assert "Control-room operator, Technician" in said["en"]
    assert not any(role in text for role in ("control_room", "duty_supervisor") for text in said.values())
    assert found["detail"] == detail


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_role_has_a_name(language):
    texts = catalogue(language)
    assert {role: texts.get(f"role.{role}", role) for role in Role if texts.get(f"role.{role}", role) == role} == {}


def test_who_is_on_duty_needs_no_site_where_the_caller_sees_one_only(small_hub, client_of):
    one = client_of(small_hub, Role.CONTROL_ROOM, sites=("lakeside",))
    assert one.get("/api/v1/roster/on-duty").json()["site"] == "lakeside"
    several = client_of(small_hub, Role.CONTROL_ROOM).get("/api/v1/roster/on-duty")
    assert several.status_code == 422
    assert several.json()["errors"] == [{"field": "site", "problem": "missing; one of: lakeside, hilltop"}]
