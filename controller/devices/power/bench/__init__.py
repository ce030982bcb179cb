"""Servers that stand in for equipment: real Modbus in front of the simulated plant."""
