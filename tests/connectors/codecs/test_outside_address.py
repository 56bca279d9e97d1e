"""Where a webhook may lead: public addresses and those of the allow-list, however they are written."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.outside_address import CLOSED, is_listed, read_networks, why_closed

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """Every way in which an IPv6 address may stand for this one."""
    number = int(address)
    return [
        IPv6Address(number | 0xFFFF << 32),  # ::ffff:a.b.c.d
        IPv6Address(number),  # ::a.b.c.d
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),  # NAT64
        IPv6Address(int(IPv6Address("2002::")) | number << 80 | 1),  # 6to4
    ]


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "this machine"),
        ("127.255.255.254", "this machine"),
        ("0.0.0.0", "this machine"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "provider"),
        ("100.100.100.200", "provider"),  # Alibaba Cloud's metadata
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "reserved"),  # Oracle Cloud's metadata
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "measurements"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "this machine"),
        ("::1", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("::ffff:a00:1", "private"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::7f00:1", "this machine"),
        ("64:ff9b:1::a00:1", "no public"),
        ("2002:7f00:1::1", "this machine"),
        ("2001::1", "reserved"),  # Teredo
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("fc00::1", "no public"),
        ("fd00:ec2::254", "no public"),  # AWS metadata over IPv6
        ("fe80::1", "no public"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "no public"),
        ("ff02::1", "no public"),
        ("100::1", "no public"),
        ("localhost", "no address"),
        ("", "no address"),
    ],
)
def test_what_is_not_public_is_refused_with_its_reason(address, word):
    assert word in why_closed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "223.5.5.5", "2400:3200::1", "2606:4700:4700::1111"])
def test_public_addresses_are_allowed(address):
    assert why_closed(address) is None


@given(V4)
def test_wrapping_an_address_into_ipv6_never_opens_it(address):
    if why_closed(str(address)) is not None:
        assert all(why_closed(str(each)) is not None for each in wrapped(address))


@given(V4)
def test_nothing_is_public_that_the_standard_library_calls_private(address):
    if not address.is_global or address.is_multicast:
        assert why_closed(str(address)) is not None


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_of_ipv6_only_global_unicast_can_be_public(address):
    if why_closed(str(address)) is None and address.ipv4_mapped is None:
        assert address.is_global
        assert not address.is_multicast


@given(V4, st.sampled_from([text for text, _ in CLOSED]))
def test_the_list_opens_what_stands_on_it_and_nothing_else(address, network):
    allowed = read_networks([network])
    assert (why_closed(str(address), allowed) is None) == (address in allowed[0] or why_closed(str(address)) is None)


def test_the_list_holds_for_the_mapped_form_too_and_for_no_other_wrapping():
    allowed = read_networks(["10.20.0.0/16", "fd00::/8"])
    assert why_closed("10.20.3.4", allowed) is None
    assert why_closed("::ffff:10.20.3.4", allowed) is None
    assert why_closed("fd12::1", allowed) is None
    assert why_closed("10.21.0.1", allowed) is not None
    assert why_closed("2002:a14:304::1", allowed) is not None
    assert not is_listed("8.8.8.8", allowed)
    assert not is_listed("nonsense", allowed)


def test_a_network_with_host_bits_is_a_mistake():
    with pytest.raises(ValueError, match="host bits"):
        read_networks(["10.20.0.1/16"])


@given(st.ip_addresses())
def test_every_address_gets_an_answer(address):
    """Words for people, or None, which nobody may get who is not public for the standard library too."""
    why = why_closed(str(ip_address(address)))
    assert why or (getattr(address, "ipv4_mapped", None) or address).is_global
