"""The integration hub's core: turns events from a building into tickets, durably; imports no sibling package but in wiring."""
