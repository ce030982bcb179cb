"""The cabinet with GPUs that MIG cuts into parts: two services, two kinds of jobs."""

from __future__ import annotations

import re

from sites.load import find_site, parse_site
from sites.schema.site import Site

POOL = "  - {name: h100, gpu: h100-pcie, nodes: 2, gpus_per_node: 2, mig_parts: 2, host_w: 400}\n"
SPEECH = """  - name: dictation
    latency_class: 1-10s
    p99_s: 6.0
    model: whisper-large
    precisions: [fp16]
    pools: [h100]
    request: {units: 3}
    demand: {shape: clinic, mean_rps: 0.2}
    replicas_max: 2
    value_usd_per_1000: 2.0
    unserved_usd_per_1000: 8.0
"""


def cut_text(pool: str = POOL, more: str = "") -> str:
    """Return the site file; ``more`` is added at its end."""
    text = (
        find_site("cabinet").read_text(encoding="utf-8").replace("[l40s]", "[h100]").replace("pool: l40s", "pool: h100")
    )
    text = re.sub(r"  - \{name: l40s.*\n", pool, text).replace("batch:\n", f"{SPEECH}batch:\n", 1)
    return text.replace("name: cabinet\n", "name: cut\n", 1) + more


def cut_site(pool: str = POOL, more: str = "") -> Site:
    """Return the site."""
    return parse_site(cut_text(pool, more), source="cut.yaml")
