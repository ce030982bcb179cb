"""Power equipment: inverters, gensets, batteries, meters, tanks, cooling and PDUs behind one small driver port.

signals       what each kind of equipment tells and takes, in words and units
driver        the port: read everything, write one order, and what can go wrong
link          Modbus TCP and RTU lines (pymodbus)
codec, register_map, mapped     a device described by a register map in YAML
sunspec_line, sunspec           a device that describes itself (SunSpec, pysunspec2)
watcher       a thread a device: the control cycle reads its latest sample and never waits
site_power    all of it as one snapshot; assemble builds it from a site file
face, twin    the simulated plant seen as equipment, and a twin that can be told to fail
bench/     Modbus servers in front of the simulated plant, for tests and for a bench
"""
