"""Simulated elevators, meters, door controllers and estates; shares no code with what it tests."""
