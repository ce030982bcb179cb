"""The compute side of a site: power limits of GPUs, jobs at their runner, serving modes at their servers.

Each of the three has a port, drivers behind it, a twin that can be told to fail, and one conformance suite for all. Drivers
block for as long as their time-out; a desk with a thread of its own stands between them and the control cycle.
"""
