"""From chains of the site file to menus, problems and plans."""

from __future__ import annotations

import pytest

from controller.capability import capability, chained
from controller.checking import check_here
from controller.planning import plan_site
from optimizer.chains import time_s
from optimizer.check import check
from optimizer.workload import menu
from sites.errors import InputError
from sites.load import find_site, parse_site
from sites.schema.site import Site
from sites.times import parse_time

EAR = """  - name: speech-to-text
    latency_class: 100-1000ms
    p99_s: 1.0
    model: whisper-large
    precisions: [fp16]
    pools: [l40s, h100]
    request: {units: 3}
    demand: {shape: chat, mean_rps: 5}
    replicas_max: 8
    value_usd_per_1000: 0.2
    unserved_usd_per_1000: 2.0
"""


def site(budget_s: float, first_frac: float = 0.5) -> Site:
    """The container with speech to text before its voice agent, under one budget."""
    stages = f"[{{service: speech-to-text, first_frac: {first_frac}}}, {{service: voice-agent, first_frac: 0.4}}]"
    chain = f"chains:\n  - {{name: voice, p99_s: {budget_s}, stages: {stages}}}\n"
    text = find_site("container").read_text(encoding="utf-8").replace("batch:\n", f"{EAR}{chain}batch:\n", 1)
    return parse_site(text, source="voice.yaml")


def test_stages_of_a_chain_have_modes_within_shares_of_their_budget_and_none_that_is_useless() -> None:
    described = site(0.9)
    modes = [mode for mode in capability(described).menus["speech-to-text"] if mode.gpus]
    assert min(mode.p99_s for mode in modes) < 0.3
    assert max(mode.p99_s for mode in modes) > 0.7
    assert len({mode.name for mode in modes}) == len(modes)
    alone = {service.name: chained(described, service) for service in described.services}
    assert alone == {"voice-agent": 2, "document-chat": 1, "acute-imaging": 1, "speech-to-text": 2}
    for one in modes:
        for other in modes:
            if one.name != other.name and one.pool == other.pool and other.gpus <= one.gpus:
                does_more = other.rate_rps >= one.rate_rps and other.p99_s <= one.p99_s and other.quality >= one.quality
                less_power = (
                    other.idle_w <= one.idle_w and other.power_w(one.rate_rps) < one.power_w(one.rate_rps) - 1e-6
                )
                assert not (does_more and less_power), (one.name, other.name)


def test_a_container_plan_keeps_the_budget_of_its_chain() -> None:
    described = site(0.5)
    moment = parse_time("2025-06-16T18:30", described.location.time_zone, source="test", field="")
    made = plan_site(described, at_utc=moment, folder=find_site("container").parent)
    assert check(made.problem, made.plan) == ()
    menus = {each.name: {mode.name: mode for mode in menu(each)} for each in made.problem.services}
    (chain,) = made.problem.chains
    times = [
        time_s(chain, {each.name: menus[each.name][each.modes[step]] for each in made.plan.services})
        for step in range(len(made.plan.intervals))
    ]
    assert max(times) <= 0.5 + 1e-6
    assert all(each.modes[0] != "off" for each in made.plan.services)


def test_a_budget_below_the_quickest_modes_is_a_fault_of_the_file() -> None:
    with pytest.raises(InputError) as caught:
        check_here(site(0.05), source="voice.yaml", folder=find_site("container").parent)
    (fault,) = caught.value.faults
    assert fault.field == "chains[0].p99_s"
    assert "quickest modes" in fault.mend
