"""Counterparts of the drivers, for tests and for trying out: real daemons in a folder of their own, and stand-ins that say so."""
