"""Hosts powered off and on: by their BMC (Redfish), by the outlet they hang on (PDU), or by Slurm's power saving.

switch      the port, and its twin that can be told to fail
redfish, outlet, slurm_power     the drivers
boot_times  how long each host takes to come up, learned and kept
slurm_drain a host emptied by Slurm before somebody else takes its power
keeper      as many hosts of a pool on as are wanted, staggered, drained before they go off
"""
