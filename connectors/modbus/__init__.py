"""Modbus: block planner (pure), bus scheduler and the pymodbus shell."""
