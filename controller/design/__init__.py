"""What-if studies of sites: study file, places, runner, economics, report."""
