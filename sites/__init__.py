"""What is there: the site file, time, equipment, workloads and the physics of the plant."""
