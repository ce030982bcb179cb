"""Everything the controller touches: one port a kind of device, a simulated twin beside each driver."""
