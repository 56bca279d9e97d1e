"""Simulated elevators, meters, door controllers and whole estates, for demonstrations and for acceptance tests.

Nothing here imports the hub, its connectors or its rules: every byte comes from the vendor documents again, so that a wrong
map in the hub shows up as a difference instead of being copied.
"""
