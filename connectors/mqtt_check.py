"""`hub check --connect`: does the broker answer, does it let us in, does it carry our messages?

Uses a client id of its own, so that a running hub keeps its sessions, and leaves nothing behind at the broker.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from connectors.codecs.hub_topics import ROOT, SELF
from connectors.mqtt_link import Link
from connectors.mqtt_publish import Arrival
from connectors.mqtt_retry import Cause, LinkEnd, RetryPolicy
from connectors.mqtt_settings import MqttSettings, Protocol, endpoint

ADVICE = {
    Cause.UNREACHABLE: "is the broker running, and are host and port in mqtt.url right?",
    Cause.UNKNOWN_HOST: "the host's name in mqtt.url is not known here",
    Cause.TLS_FAILED: "see mqtt.ca (authority of the broker's certificate), mqtt.cert and mqtt.key",
    Cause.NOT_AUTHORISED: "see mqtt.username and mqtt.password_env, and the broker's list of users",
    Cause.NO_ANSWER: "something listens there, but it does not speak MQTT",
    Cause.CLOSED_AT_ONCE: "the broker hangs up: wrong port, wrong user, or it wants TLS or a client certificate",
    Cause.PROTOCOL: "the broker speaks neither MQTT 5 nor 3.1.1, or not the one in mqtt.protocol",
    Cause.REFUSED: "the broker refuses us; its log says why",
    Cause.SUBSCRIPTION_REFUSED: "the broker's permissions for the hub's user must allow reading these topics",
}


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `cause` is the word of mqtt_retry.Cause, or `settings`, `canary`."""

    ok: bool
    cause: str
    text: str


def check_connection(
    settings: MqttSettings, filters: Sequence[str] = (f"{ROOT}/#",), timeout_s: float = 5.0
) -> list[Finding]:
    """Connect, subscribe to `filters`, send one message to ourselves; what was found, the first fault last. Never raises."""
    try:
        where = endpoint(settings)
    except ValueError as error:
        return [Finding(False, "settings", str(error))]
    policy = RetryPolicy(settings.protocol, settings.longest_wait_s)
    topic = f"{ROOT}/{SELF}/{settings.client_id}-check/canary-alarm"
    end = LinkEnd(Cause.NO_ANSWER)
    for _ in range(2):  # MQTT 5 first, then 3.1.1
        probe = _Probe(topic)
        version = policy.protocol
        link = Link(settings, where, f"{settings.client_id}-check", version, [*filters, topic], 1, probe, keep=False)
        end = probe.look(link, timeout_s)
        if probe.subscribed:
            return _report(settings, version, probe)
        if policy.after(end, 0.0).wait_s > 0:
            break
    return [Finding(False, end.cause, f"{settings.url}: {end.cause} ({end.detail}); {ADVICE.get(end.cause, '')}")]


class _Probe:
    """LinkOwner for one look."""

    def __init__(self, topic: str) -> None:
        self.subscribed = False
        self.refused: Sequence[str] = ()
        self.canary_seen = False
        self._topic = topic
        self._done = threading.Event()

    def look(self, link: Link, timeout_s: float) -> LinkEnd:
        """Run the link until everything was seen, it ended, or the time is over."""
        ends: list[LinkEnd] = []

        def run() -> None:
            ends.append(link.run())
            self._done.set()

        thread = threading.Thread(target=run, name="mqtt-check", daemon=True)
        thread.start()
        self._done.wait(timeout_s)
        link.close(Cause.NO_ANSWER)
        thread.join(2.0)
        return ends[0] if ends else LinkEnd(Cause.NO_ANSWER, "no answer in time")

    def on_up(self, link: Link, session_present: bool) -> None:
        """The subscription follows by itself."""

    def on_subscribed(self, link: Link, refused: Sequence[str]) -> None:
        """Now the canary can fly."""
        self.subscribed, self.refused = True, refused
        link.publish(self._topic, b"{}")

    def on_arrival(self, link: Link, arrival: Arrival) -> None:
        """Our own message, or anything retained, which is none of our business."""
        link.acknowledge_one(arrival.packet_id, arrival.qos)
        if arrival.topic == self._topic.encode():
            self.canary_seen = True
            self._done.set()

    def on_turn(self, link: Link) -> None:
        """Nothing to do."""

    def on_publish_refused(self, link: Link, reason: str) -> None:
        """Then the canary does not come."""


def _report(settings: MqttSettings, version: Protocol, probe: _Probe) -> list[Finding]:
    found = [Finding(True, Cause.CONNECTED, f"{settings.url}: connected with MQTT {version.value}")]
    if probe.refused:
        names = ", ".join(probe.refused)
        found.append(
            Finding(False, Cause.SUBSCRIPTION_REFUSED, f"not granted: {names}; {ADVICE[Cause.SUBSCRIPTION_REFUSED]}")
        )
    if not probe.canary_seen:
        text = "a message that we sent to ourselves did not come back; may the hub's user publish below hub/v1?"
        found.append(Finding(False, "canary", text))
    return found
