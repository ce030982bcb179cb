"""Demand for compute: request rates of services and arrivals of batch jobs."""
