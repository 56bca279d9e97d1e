"""A ticket as a message of the Common Alerting Protocol: XML for the systems of a city, a fire service or a neighbour.

A drill says Exercise in `status`, never anything else. One ticket is one incident: its first message is the Alert, whatever
changes is an Update, its end is a Cancel, and both refer to the Alert. What concerns a household's money is no incident and
is never written here, and neither are names of people. Source: OASIS CAP 1.2 (2010), sections 3.2.1 to 3.2.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree as ET

from connectors.codecs.cloudevents import Source
from connectors.codecs.incidents import is_incident, told
from hub.vocabulary.ports import PublicChange

CONTENT_TYPE: Final = "application/cap+xml; charset=utf-8"
NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
LONGEST_HEADLINE: Final = 160

CATEGORY: Final[Mapping[str, str]] = {
    "entrapment": "Rescue",
    "elevator_fault": "Infra",
    "lost_card_used": "Security",
    "door_alarm": "Security",
    "device_silent": "Infra",
    "intake_problem": "Infra",
}
SEVERITY: Final[Mapping[str, str]] = {"critical": "Extreme", "high": "Severe", "medium": "Moderate", "low": "Minor"}
URGENCY: Final[Mapping[str, str]] = {
    "critical": "Immediate",
    "high": "Immediate",
    "medium": "Expected",
    "low": "Future",
}
UNPROVEN: Final = frozenset({"suspected"})
INSTRUCTION: Final[Mapping[str, str]] = {
    "zh-CN": "按电梯困人应急预案组织救援；非专业人员不得扒门。",
    "en": "Rescue by the emergency plan for trapped passengers; nobody but trained people opens the doors.",
}
RESTRICTION: Final[Mapping[str, str]] = {
    "zh-CN": "仅供值班和应急人员使用",
    "en": "For duty and emergency personnel only",
}
EXERCISE: Final[Mapping[str, str]] = {"zh-CN": "演练，不是真实事件", "en": "Drill: this is not a real event"}

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_IN_NAME: Final = re.compile(r"[\s,<&]+")


def encode_change(change: PublicChange, source: Source) -> bytes | None:
    """A ticket's change; None for everything else."""
    if not change.type.startswith("ticket_") or not is_incident(change.body):
        return None
    return encode_ticket(change.body, source)


def message_type(ticket: Mapping[str, Any]) -> str:
    """Alert as long as it stands as it was opened, Update after any change, Cancel once it is over."""
    if not ticket["active"]:
        return "Cancel"
    return "Alert" if ticket["updated_at"] == ticket["opened_at"] else "Update"


def encode_ticket(ticket: Mapping[str, Any], source: Source) -> bytes:
    """A ticket as the API and the feed show it (hub.tickets.view), as one message; times in the offset that they carry."""
    sender = _name(source.name(ticket["site"]))
    first = _name(f"{ticket['number']}.alert")
    kind = message_type(ticket)
    alert = ET.Element("alert", {"xmlns": NAMESPACE})
    _add(alert, "identifier", first if kind == "Alert" else _name(f"{ticket['number']}.{ticket['revision']}"))
    _add(alert, "sender", sender)
    _add(alert, "sent", _moment(ticket["updated_at"]))
    _add(alert, "status", "Exercise" if ticket["drill"] else "Actual")
    _add(alert, "msgType", kind)
    _add(alert, "scope", "Restricted")
    _add(alert, "restriction", _said(RESTRICTION, source.locale))
    if ticket["drill"]:
        _add(alert, "note", _said(EXERCISE, source.locale))
    if kind != "Alert":
        _add(alert, "references", f"{sender},{first},{_moment(ticket['opened_at'])}")
    _add(alert, "incidents", _name(ticket["number"]))
    alert.append(_info(ticket, source))
    ET.indent(alert)
    return bytes(ET.tostring(alert, encoding="utf-8", xml_declaration=True))


def _info(ticket: Mapping[str, Any], source: Source) -> ET.Element:
    info = ET.Element("info")
    active, kind = ticket["active"], ticket["kind"]
    rescue = kind == "entrapment" and active
    title = str(ticket["title"]).strip() or kind
    _add(info, "language", source.locale)
    _add(info, "category", CATEGORY.get(kind, "Other"))
    _add(info, "event", title.partition(" · ")[0].strip() or kind)
    _add(info, "responseType", "Execute" if rescue else "Assess" if active else "AllClear")
    _add(info, "urgency", URGENCY.get(ticket["severity"], "Unknown") if active else "Past")
    _add(info, "severity", SEVERITY.get(ticket["severity"], "Unknown"))
    _add(info, "certainty", _certainty(ticket))
    code = ET.SubElement(info, "eventCode")
    _add(code, "valueName", "kind")
    _add(code, "value", kind)
    _add(info, "effective", _moment(ticket["updated_at"]))
    _add(info, "onset", _moment(ticket["occurred_at"]))
    mark = f"【{_said(EXERCISE, source.locale)}】" if ticket["drill"] else ""
    _add(info, "headline", f"{mark}{title}"[:LONGEST_HEADLINE])
    if rescue:
        _add(info, "instruction", _said(INSTRUCTION, source.locale))
    for name, value in {"ticket": ticket["number"], "state": ticket["state"], **told(ticket)}.items():
        parameter = ET.SubElement(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", str(value))
    subject = ticket["subject"]
    area = ET.SubElement(info, "area")
    _add(area, "areaDesc", " ".join(filter(None, (ticket["site"], subject.get("place"), subject.get("name")))))
    return info


def _certainty(ticket: Mapping[str, Any]) -> str:
    if ticket["state"] == "false_alarm":
        return "Unlikely"
    return "Likely" if ticket["state"] in UNPROVEN else "Observed"


def _said(texts: Mapping[str, str], locale: str) -> str:
    return texts.get(locale, texts["en"])


def _add(parent: ET.Element, name: str, text: object) -> None:
    ET.SubElement(parent, name).text = _NOT_XML.sub("\ufffd", str(text))


def _name(text: object) -> str:
    """Identifiers hold no spaces, commas, < and & (3.2.1)."""
    return _NOT_IN_NAME.sub("-", _NOT_XML.sub("-", str(text)))


def _moment(text: str) -> str:
    """Whole seconds with offset; UTC is -00:00, never Z (3.3.2)."""
    plain = datetime.fromisoformat(text).isoformat(timespec="seconds")
    return plain.removesuffix("+00:00") + "-00:00" if plain.endswith("+00:00") else plain
