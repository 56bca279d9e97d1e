"""Which addresses the hub may be sent to by an address that somebody has typed in: public ones, and those on a list.

A webhook's URL must not become a way into the hub's own network (CVE-2026-22247, CVE-2024-42467: domain/reliability.md 4.2).
What a maintainer must keep: an IPv6 address that carries an IPv4 one is judged by both, and what is not known to be public is
refused. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, 8190), RFC 6052 (NAT64), 3056 (6to4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

CLOSED: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "this machine"),
    ("10.0.0.0/8", "a private network"),
    ("100.64.0.0/10", "a provider's own network"),
    ("127.0.0.0/8", "this machine"),
    ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
    ("172.16.0.0/12", "a private network"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation only"),
    ("192.31.196.0/24", "reserved for protocols"),
    ("192.52.193.0/24", "reserved for protocols"),
    ("192.88.99.0/24", "a relay that is out of use"),
    ("192.168.0.0/16", "a private network"),
    ("192.175.48.0/24", "reserved for protocols"),
    ("198.18.0.0/15", "for measurements only"),
    ("198.51.100.0/24", "for documentation only"),
    ("203.0.113.0/24", "for documentation only"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("168.63.129.16/32", "a cloud's metadata"),
)
"""IPv4; whatever is named here is not public."""

OPEN_V6: Final = ip_network("2000::/3")
"""Only what is handed out as global unicast; everything else of IPv6 is refused, whatever it will be called."""

CLOSED_V6: Final[tuple[tuple[str, str], ...]] = (
    ("2001::/23", "reserved for protocols"),
    ("2001:db8::/32", "for documentation only"),
    ("2620:4f:8000::/48", "reserved for protocols"),
    ("3fff::/20", "for documentation only"),
    ("5f00::/16", "reserved for protocols"),
)

_CLOSED_V4: Final = tuple((IPv4Network(text), why) for text, why in CLOSED)
_CLOSED_V6: Final = tuple((IPv6Network(text), why) for text, why in CLOSED_V6)
_NAT64: Final = (IPv6Network("64:ff9b::/96"),)
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_COMPATIBLE: Final = IPv6Network("::/96")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks of an allow-list; raises ValueError with the text that is none."""
    return tuple(ip_network(text, strict=True) for text in texts)


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, or may be forwarded to."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    number = int(address)
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        yield IPv4Address(number & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address((number >> 80) & 0xFFFF_FFFF)


def why_closed(text: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why the hub does not connect to this address; None: it may. Text that is no address at all is closed too."""
    try:
        address = ip_address(text)
    except ValueError:
        return "no address"
    if getattr(address, "scope_id", None) is not None:
        return "link-local"  # fe80::1%eth0: only a neighbour has a zone
    if is_listed(text, allowed):
        return None
    if isinstance(address, IPv4Address):
        return _why_closed_v4(address)
    inner = list(embedded(address))
    for each in inner:
        if (why := _why_closed_v4(each)) is not None:
            return f"{why} ({each} in IPv6)"
    if address.ipv4_mapped is not None or any(address in network for network in _NAT64):
        return None  # public behind its wrapping
    for network, why in _CLOSED_V6:
        if address in network:
            return why
    return None if address in OPEN_V6 else "no public address"


def is_listed(text: str, allowed: Sequence[Network]) -> bool:
    """Whether an address stands on the allow-list, as itself or as the IPv4 address that it only wraps."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    plain: list[Address] = [address]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        plain = [address.ipv4_mapped]
    return any(each.version == network.version and each in network for each in plain for network in allowed)


def _why_closed_v4(address: IPv4Address) -> str | None:
    for network, why in _CLOSED_V4:
        if address in network:
            return why
    return None
