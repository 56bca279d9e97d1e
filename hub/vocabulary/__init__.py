"""Pure words of the hub: events, decisions, facts, ports, units and errors; no I/O, no clock, no randomness."""
