"""Who may do what over HTTP, written by hand: every route, with the roles that it lets in.

Written from the contract and the customer's words, never from the guards in `api/`: that is what makes it a proof.
"""

from __future__ import annotations

from hub.vocabulary.roles import Role

ALL = set(Role)
METERS = ALL - {Role.SECURITY, Role.CARD_CUSTODIAN}
METER_WORK = {Role.INTEGRATOR, Role.HOUSEKEEPER, Role.FINANCE, Role.MANAGER, Role.ADMIN}
TOPUPS = {Role.FINANCE, Role.FRONT_DESK, Role.INTEGRATOR, Role.MANAGER, Role.ADMIN}
INPUT = {
    Role.CONTROL_ROOM,
    Role.DUTY_SUPERVISOR,
    Role.DEPARTMENT_MANAGER,
    Role.TECHNICIAN,
    Role.MANAGER,
    Role.INTEGRATOR,
    Role.ADMIN,
}
RESCUERS = {
    Role.CONTROL_ROOM,
    Role.DUTY_SUPERVISOR,
    Role.DEPARTMENT_MANAGER,
    Role.TECHNICIAN,
    Role.SECURITY,
    Role.MANAGER,
    Role.ADMIN,
}
DECLARERS = {
    Role.CONTROL_ROOM,
    Role.DUTY_SUPERVISOR,
    Role.DEPARTMENT_MANAGER,
    Role.TECHNICIAN,
    Role.MANAGER,
    Role.ADMIN,
}
DRILL_STARTERS = {Role.CONTROL_ROOM, Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN}
MAINTAINERS = DRILL_STARTERS | {Role.TECHNICIAN, Role.INTEGRATOR}
REPORT_WRITERS = {Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN}
PEOPLE = {Role.FRONT_DESK, Role.HOUSEKEEPER, Role.MANAGER, Role.ADMIN}
CARDS = {Role.FRONT_DESK, Role.CARD_CUSTODIAN, Role.MANAGER, Role.ADMIN}
CARD_WATCHERS = CARDS | {Role.SECURITY, Role.FINANCE}
CARD_MONEY = CARDS | {Role.FINANCE}
DOOR_HISTORY = {
    Role.SECURITY,
    Role.CONTROL_ROOM,
    Role.DUTY_SUPERVISOR,
    Role.CARD_CUSTODIAN,
    Role.MANAGER,
    Role.ADMIN,
}
REVEALS = {Role.FRONT_DESK, Role.CARD_CUSTODIAN, Role.MANAGER}
CUSTODY = {Role.CARD_CUSTODIAN, Role.MANAGER, Role.ADMIN}
TEXTS = {Role.MANAGER, Role.ADMIN}
RECEIPTS = {Role.INTEGRATOR, Role.ADMIN}
ROSTER_EDITORS = {Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN}
EVERYBODY = "everybody, signed in or not"
HOOK = "whoever knows the channel's own secret"
PAGE = "people who have signed in; others are sent to the sign-in page"

# Who may use what. A new route has to be written here, or this test fails.
TABLE: dict[tuple[str, str], set[Role] | str] = {
    ("GET", "/api/v1/tickets"): ALL,
    ("POST", "/api/v1/tickets"): ALL,
    ("GET", "/api/v1/tickets/{ticket_id}"): ALL,
    ("POST", "/api/v1/tickets/{ticket_id}/actions/{action}"): ALL,
    ("POST", "/api/v1/devices/{device_id}/press-test"): DECLARERS,
    ("GET", "/api/v1/tickets/{ticket_id}/record"): RESCUERS,
    ("GET", "/api/v1/tickets/{ticket_id}/reports"): RESCUERS,
    ("GET", "/api/v1/tickets/{ticket_id}/reports/{form}"): RESCUERS,
    ("POST", "/api/v1/tickets/{ticket_id}/reports/{form}"): REPORT_WRITERS,
    ("GET", "/api/v1/feed"): ALL,
    ("GET", "/api/v1/feed/stream"): ALL,
    ("GET", "/api/v1/devices"): ALL,
    ("GET", "/api/v1/devices/{device_id}"): ALL,
    ("GET", "/api/v1/meters/{device_id}"): METERS,
    ("GET", "/api/v1/meters/{device_id}/readings"): METERS,
    ("GET", "/api/v1/notices"): METERS,
    ("GET", "/api/v1/notices/{notice_id}"): METERS,
    ("POST", "/api/v1/notice-receipts"): RECEIPTS,
    ("GET", "/api/v1/notice-templates"): METERS,
    ("PUT", "/api/v1/notice-templates/{template}"): TEXTS,
    ("DELETE", "/api/v1/notice-templates/{template}"): TEXTS,
    ("POST", "/api/v1/notice-templates/{template}/preview"): METERS,
    ("GET", "/api/v1/people"): PEOPLE,
    ("POST", "/api/v1/people"): PEOPLE,
    ("GET", "/api/v1/people/{person_id}"): PEOPLE,
    ("PATCH", "/api/v1/people/{person_id}"): PEOPLE,
    ("GET", "/api/v1/households"): PEOPLE,
    ("GET", "/api/v1/households/{household_id}"): PEOPLE,
    ("PATCH", "/api/v1/households/{household_id}"): PEOPLE,
    ("POST", "/api/v1/units/move-in"): PEOPLE,
    ("POST", "/api/v1/units/move-out"): PEOPLE,
    ("GET", "/api/v1/meters/{device_id}/lives"): METERS,
    ("POST", "/api/v1/meters/{device_id}/replace"): METER_WORK,
    ("POST", "/api/v1/meters/{device_id}/handover"): METER_WORK,
    ("GET", "/api/v1/topups"): METERS,
    ("GET", "/api/v1/topups/{topup_id}"): METERS,
    ("POST", "/api/v1/topups"): TOPUPS,
    ("GET", "/api/v1/cards"): CARD_WATCHERS,
    ("POST", "/api/v1/cards"): CARDS,
    ("GET", "/api/v1/cards/{card_id}"): CARD_WATCHERS,
    ("GET", "/api/v1/cards/{card_id}/doors"): CARD_WATCHERS,
    ("POST", "/api/v1/cards/{card_id}/payment"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/payment-reversal"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/documents"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/loss"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/found"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/return"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/replace"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/extend"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/suspend"): {Role.MANAGER, Role.ADMIN},
    ("POST", "/api/v1/cards/{card_id}/resume"): {Role.MANAGER, Role.ADMIN},
    ("POST", "/api/v1/cards/{card_id}/approval"): {Role.MANAGER, Role.DEPARTMENT_MANAGER},
    ("POST", "/api/v1/cards/{card_id}/left"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/take-away"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/stock"): CUSTODY,
    ("GET", "/api/v1/cards/{card_id}/deposit"): CARD_MONEY,
    ("POST", "/api/v1/cards/{card_id}/deposit/refund"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/deposit/reversal"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/penalty"): CARDS,
    ("GET", "/api/v1/cards/{card_id}/deposit/documents/{entry_id}"): CARD_MONEY,
    ("GET", "/api/v1/cards/{card_id}/slip"): CARDS,
    ("GET", "/api/v1/card-registers/{register}"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/reveal"): REVEALS,
    ("POST", "/api/v1/card-search"): CARDS,
    ("POST", "/api/v1/cards/{card_id}/id-copy"): CARDS,
    ("GET", "/api/v1/cards/{card_id}/id-copy"): CUSTODY,
    ("DELETE", "/api/v1/cards/{card_id}/id-copy"): CUSTODY,
    ("POST", "/api/v1/privacy/exports"): CUSTODY,
    ("POST", "/api/v1/privacy/erasures"): {Role.MANAGER, Role.ADMIN},
    ("GET", "/api/v1/audit"): {Role.MANAGER, Role.ADMIN},
    ("GET", "/api/v1/works"): CARD_MONEY,
    ("POST", "/api/v1/works"): CARDS,
    ("GET", "/api/v1/works/{works_id}"): CARD_MONEY,
    ("POST", "/api/v1/works/{works_id}/accept"): CARDS,
    ("GET", "/api/v1/rejected"): INPUT,
    ("GET", "/api/v1/buses"): INPUT,
    ("GET", "/api/v1/access-controllers"): CARD_WATCHERS,
    ("GET", "/api/v1/access-events"): DOOR_HISTORY,
    ("GET", "/api/v1/statistics/entrapments"): RESCUERS,
    ("GET", "/api/v1/statistics/alarm-load"): RESCUERS,
    ("GET", "/api/v1/tickets/{ticket_id}/cars"): ALL,
    ("GET", "/api/v1/suppressions"): ALL,
    ("GET", "/api/v1/suppressions/limits"): ALL,
    ("GET", "/api/v1/suppressions/{suppression_id}"): ALL,
    ("POST", "/api/v1/suppressions"): MAINTAINERS,
    ("POST", "/api/v1/suppressions/{suppression_id}/end"): MAINTAINERS,
    ("GET", "/api/v1/drills"): ALL,
    ("POST", "/api/v1/drills"): DRILL_STARTERS,
    ("GET", "/api/v1/rejected/{rejected_id}"): INPUT,
    ("POST", "/api/v1/rejected/{rejected_id}/replay"): INPUT,
    ("GET", "/api/v1/problems"): ALL,
    ("GET", "/api/v1/tickets/{ticket_id}/cap"): ALL,
    ("GET", "/api/v1/webhooks"): RECEIPTS,
    ("POST", "/api/v1/webhooks"): RECEIPTS,
    ("GET", "/api/v1/webhooks/{webhook_id}"): RECEIPTS,
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): RECEIPTS,
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): RECEIPTS,
    ("POST", "/api/v1/webhooks/{webhook_id}/keys"): RECEIPTS,
    ("POST", "/api/v1/webhooks/{webhook_id}/replay"): RECEIPTS,
    ("POST", "/api/v1/webhooks/{webhook_id}/ping"): RECEIPTS,
    ("POST", "/api/v1/webhooks/{webhook_id}/enable"): RECEIPTS,
    ("POST", "/api/v1/webhooks/{webhook_id}/disable"): RECEIPTS,
    ("GET", "/api/v1/webhooks/{webhook_id}/attempts"): RECEIPTS,
    ("GET", "/api/v1/roster/on-duty"): ALL,
    ("GET", "/api/v1/roster/shifts"): ALL,
    ("PUT", "/api/v1/roster/shifts/{site}/{name}"): ROSTER_EDITORS,
    ("GET", "/api/v1/roster/assignments"): ALL,
    ("POST", "/api/v1/roster/assignments"): ROSTER_EDITORS,
    ("GET", "/api/v1/roster/assignments/{row_id}"): ALL,
    ("DELETE", "/api/v1/roster/assignments/{row_id}"): ROSTER_EDITORS,
    ("GET", "/api/v1/roster/overrides"): ALL,
    ("POST", "/api/v1/roster/overrides"): ROSTER_EDITORS,
    ("GET", "/api/v1/roster/overrides/{row_id}"): ALL,
    ("DELETE", "/api/v1/roster/overrides/{row_id}"): ROSTER_EDITORS,
    ("GET", "/api/v1/hand-overs"): ALL,
    ("POST", "/api/v1/hand-overs"): ALL,
    ("GET", "/api/v1/hand-overs/{hand_over_id}"): ALL,
    ("POST", "/api/v1/hand-overs/{hand_over_id}/take-over"): ALL,
    ("GET", "/hand-overs/{hand_over_id}"): PAGE,
    ("GET", "/api/v1/openapi.json"): EVERYBODY,
    ("GET", "/healthz"): ALL,
    ("GET", "/readyz"): ALL,
    ("GET", "/metrics"): ALL,
    ("GET", "/"): PAGE,
    ("GET", "/tickets/{ticket_id}/record"): PAGE,
    ("GET", "/tickets/{ticket_id}/reports/{form}"): PAGE,
    ("GET", "/tickets/{ticket_id}/reports/{form}/edit"): PAGE,
    ("GET", "/ack/{token}"): EVERYBODY,
    ("POST", "/ack/{token}"): EVERYBODY,
    ("POST", "/api/v1/hooks/acknowledgements/{channel}"): HOOK,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): EVERYBODY,
    ("POST", "/logout"): EVERYBODY,
    ("GET", "/assets/{name}"): EVERYBODY,
    ("GET", "/favicon.ico"): EVERYBODY,
}
