"""Tickets: kinds as data, lifecycle, clocks and the calendar that they run on."""
