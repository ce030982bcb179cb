"""What counts as one GPU of a pool: a GPU of the catalogue, or one of the parts that MIG cuts it into."""

from __future__ import annotations

from sites.compute.hardware import GpuSpec, gpu_spec
from sites.compute.point import mig_part
from sites.schema.workload import Pool


def pool_gpu(pool: Pool) -> GpuSpec:
    """Return the GPU, or the part of one, that a pool counts by; limits and draw are a part's share.

    Raises:
        InputError: a GPU that the catalogue does not know, or one that is not cut into so many parts.
    """
    return mig_part(gpu_spec(pool.gpu), pool.mig_parts)
