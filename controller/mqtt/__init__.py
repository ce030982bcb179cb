"""A site on an MQTT broker: its state out, commands in, found by Home Assistant by itself.

It reads the store as the console does, in a process of its own (``mdc mqtt SITE``): a broker that hangs never reaches
the control loop, and commands go the way of all commands, through the store and its audit trail.
"""
