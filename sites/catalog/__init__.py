"""The catalogue: GPUs, models, cap curves and workload archetypes as YAML, each figure with its source."""
