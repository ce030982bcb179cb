"""Placement on nodes: islands, memory, MIG slices, gangs, few moves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.placement import Bin, Task, fits, place


def _islands(count: int, size: int = 4, **change: object) -> list[Bin]:
    given: dict[str, object] = {"pool": "h100", "size": size, "memory_gb": 80.0} | change
    return [Bin(name=f"i{number}", node=f"n{number // 2}", **given) for number in range(count)]  # type: ignore[arg-type]


def test_a_gang_gets_all_its_gpus_or_none() -> None:
    found = place(_islands(2), [Task(name="gang", pool="h100", gpus=9)])
    assert found.gpus == {}
    assert "9 GPUs" in found.left_out["gang"]
    found = place(_islands(2), [Task(name="gang", pool="h100", gpus=8)])
    assert sum(found.gpus["gang"].values()) == 8


def test_tensor_parallel_groups_stay_on_one_island() -> None:
    tasks = [Task(name=f"t{number}", pool="h100", gpus=3, group=3) for number in range(3)]
    found = place(_islands(2), tasks)
    assert len(found.gpus) == 2
    assert all(len(here) == 1 for here in found.gpus.values())
    pcie = place(_islands(2, linked=False), tasks[:1])
    assert "NVLink" in pcie.left_out["t0"]


def test_memory_decides_who_fits() -> None:
    small = [Bin(name="a", node="n", pool="h100", size=4, memory_gb=48.0)]
    found = place(small, [Task(name="big", pool="h100", gpus=1, memory_gb=70.0)])
    assert "70 GB" in found.left_out["big"]


def test_nothing_moves_without_need() -> None:
    tasks = [
        Task(name="a", pool="h100", gpus=2, now={"i1": 2}),
        Task(name="b", pool="h100", gpus=3, now={"i0": 3}),
        Task(name="new", pool="h100", gpus=2, group=2),
    ]
    found = place(_islands(2), tasks)
    assert found.gpus == {"a": {"i1": 2}, "b": {"i0": 3}, "new": {"i1": 2}}
    assert found.moved_gpus == 0
    assert found.proved


def test_one_move_makes_room_for_a_group() -> None:
    tasks = [
        Task(name="a", pool="h100", gpus=1, now={"i0": 1}),
        Task(name="b", pool="h100", gpus=1, now={"i1": 1}),
        Task(name="group", pool="h100", gpus=4, group=4),
    ]
    found = place(_islands(2), tasks)
    assert set(found.gpus) == {"a", "b", "group"}
    assert found.moved_gpus == 1


def test_priority_wins_when_room_is_short() -> None:
    tasks = [Task(name="low", pool="h100", gpus=4), Task(name="high", pool="h100", gpus=3, priority=1)]
    assert set(place(_islands(1), tasks).gpus) == {"high"}


def test_slices_of_a_gpu_share_one_limit() -> None:
    gpus = [
        Bin(name=f"g{n}", node="n0", pool="a100", size=7, memory_gb=10.0, linked=False, one_limit=True) for n in (0, 1)
    ]
    tasks = [
        Task(name="fast", pool="a100", gpus=2, limit_w=400.0),
        Task(name="slow", pool="a100", gpus=2, limit_w=200.0),
        Task(name="third", pool="a100", gpus=6, limit_w=300.0),
    ]
    found = place(gpus, tasks)
    assert len(found.gpus) == 2
    for name in ("g0", "g1"):
        limits = {task.limit_w for task in tasks if found.gpus.get(task.name, {}).get(name)}
        assert len(limits) <= 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.builds(
            Task,
            name=st.uuids().map(str),
            pool=st.sampled_from(["h100", "l40s"]),
            gpus=st.integers(1, 6),
            group=st.sampled_from([1, 1, 2]),
            memory_gb=st.sampled_from([0.0, 60.0, 90.0]),
            priority=st.integers(0, 2),
        ),
        max_size=6,
    )
)
def test_no_bin_is_overfull_and_every_task_is_answered(tasks: list[Task]) -> None:
    bins = [*_islands(3), Bin(name="l0", node="l", pool="l40s", size=8, memory_gb=48.0, linked=False)]
    found = place(bins, tasks)
    by_name = {each.name: each for each in bins}
    for each in bins:
        assert sum(here.get(each.name, 0) for here in found.gpus.values()) <= each.size
    for task in tasks:
        if task.name not in found.gpus:
            assert found.left_out[task.name]
            continue
        here = found.gpus[task.name]
        assert sum(here.values()) == task.gpus
        assert all(fits(task, by_name[name]) and number % task.group == 0 for name, number in here.items())


def test_groups_over_pcie_stay_in_a_node_and_may_span_its_islands() -> None:
    bins = _islands(4, size=2)
    found = place(bins, [Task(name="t", pool="h100", gpus=4, group=4, nvlink=False)])
    assert found.gpus["t"] == {"i0": 2, "i1": 2}
    crowded = [Task(name=f"one{n}", pool="h100", gpus=1, priority=1, now={f"i{2 * n}": 1}) for n in (0, 1)]
    found = place(bins, [*crowded, Task(name="t", pool="h100", gpus=4, group=4, nvlink=False)])
    assert set(found.gpus["t"]) in ({"i0", "i1"}, {"i2", "i3"})
    assert found.moved_gpus == 1


def test_a_gang_is_kept_on_few_nodes_and_on_those_that_go_on_first() -> None:
    bins = [Bin(name=f"{n}", node=f"{n}", pool="h100", size=8, memory_gb=80.0, linked=False) for n in range(6)]
    found = place(bins, [Task(name=f"t{n}", pool="h100", gpus=8) for n in range(3)])
    assert sorted(name for here in found.gpus.values() for name in here) == ["0", "1", "2"]


def test_many_priorities_of_many_tasks_keep_their_order() -> None:
    tasks = [Task(name=f"t{n}", pool="h100", gpus=1 + n % 3, priority=n % 7) for n in range(120)]
    found = place(_islands(10), tasks, limit=0.05)
    assert {task.priority for task in tasks if task.name not in found.gpus} <= set(range(6))
    assert sum(sum(here.values()) for here in found.gpus.values()) == 40


def test_without_time_the_quick_placement_stands() -> None:
    tasks = [Task(name=f"t{n}", pool="h100", gpus=3, group=3) for n in range(3)]
    found = place(_islands(2), tasks, limit=1e-9)
    assert set(found.gpus) == {"t0", "t1"}
    assert found.left_out["t2"]
