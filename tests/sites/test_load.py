"""Site files: what is right is read, what is wrong is named, all of it at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sites.errors import InputError
from sites.load import find_site, load_site, parse_site

EXAMPLES = ("container", "cabinet", "clinic", "cell-tower", "jetson-box")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_in_order(name: str) -> None:
    assert load_site(name).name == name


def faults(change: Callable[[str], str]) -> dict[str, str]:
    """Return field -> mend for the container's file after a change."""
    text = find_site("container").read_text(encoding="utf-8")
    changed = change(text)
    assert changed != text
    with pytest.raises(InputError) as caught:
        parse_site(changed, source="site.yaml")
    assert all(fault.source == "site.yaml" for fault in caught.value.faults)
    return {fault.field: fault.mend for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("old", "new", "field", "mend"),
    [
        ("kwp: 400", "kwp: -4", "pv.arrays[0].kwp", "greater than 0"),
        ("kwp: 400", "kwpp: 400", "pv.arrays[0].kwpp", "no such field"),
        ("kwp: 400", "kwp: .nan", "pv.arrays[0].kwp", "finite"),
        ("level_l: 3200", "level_l: 9000", "tank", "exceeds capacity_l"),
        ("name: diesel-2", "name: diesel-1", "gensets", "own name"),
        ("inverter: string-a", "inverter: string-x", "pv.arrays[0].inverter", "string-a, string-b"),
        ("pools: [h100]", "pools: [h200]", "services[1].pools[0]", "h100, l40s"),
        ("America/New_York", "America/Greensboro", "location.time_zone", "IANA"),
        ("gpus_min: 8\n    gpus_max: 32", "gpus_min: 80\n    gpus_max: 90", "batch[1].gpus_min", "64 GPUs"),
        (
            "gpus_min: 8\n    gpus_max: 32",
            "gpus_min: 8\n    gpus_max: 8\n    group_gpus: 4",
            "batch[1].group_gpus",
            "largest NVLink island of its pools has 2",
        ),
        (
            "batch:\n",
            "chains:\n  - {name: c, p99_s: 1, stages: [{service: voice-agent}, {service: ear}]}\nbatch:\n",
            "chains[0].stages[1].service",
            "document-chat, voice-agent",
        ),
        ("gpus_min: 8\n    gpus_max: 32", "gpus_min: 8\n    gpus_max: 32\n    group_gpus: 2", "batch[1]", "one value"),
    ],
)
def test_each_fault_names_its_field_and_mend(old: str, new: str, field: str, mend: str) -> None:
    found = faults(lambda text: text.replace(old, new, 1))
    assert mend in found[field]


def test_all_faults_of_a_file_come_at_once() -> None:
    def spoil(text: str) -> str:
        spoiled = text.replace("kwp: 400", "kwp: -4").replace("level_l: 3200", "level_l: 9000")
        return spoiled.replace("name: diesel-2", "name: diesel-1").replace("version: 1", "version: 7")

    assert set(faults(spoil)) == {"version", "pv.arrays[0].kwp", "tank", "gensets"}


def test_a_list_whose_entries_are_at_fault_is_not_called_empty_too() -> None:
    found = faults(lambda text: text.replace("model: llama-70b", "modell: llama-70b"))
    assert "services" not in found
    one = find_site("clinic").read_text(encoding="utf-8").replace("tilt_deg: 20", "tilt: 20")
    with pytest.raises(InputError) as caught:
        parse_site(one, source="clinic")
    assert [fault.field for fault in caught.value.faults] == ["pv.arrays[0].tilt"]


def test_a_key_written_twice_is_refused_with_its_line() -> None:
    found = faults(lambda text: text.replace("version: 1", "version: 1\nversion: 1"))
    assert list(found) == ["line 3, column 1"]


def test_an_unquoted_clock_time_is_explained() -> None:
    found = faults(lambda text: text.replace("rating_kw: 60,", "rating_kw: 60, quiet_hours: [22:00, 06:00],", 1))
    assert all("quote" in mend for mend in found.values())


def test_a_missing_file_lists_the_examples() -> None:
    with pytest.raises(InputError, match="container"):
        load_site("nowhere")
