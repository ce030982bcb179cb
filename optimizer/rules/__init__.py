"""Rules without a solver: load following, cycle charging, jobs by value density, first come first served."""
