"""Power modes out of a module's own file, and rails as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.devices.compute.gpu_power import Applied, Failed, GpuPowerError, PartlyApplied
from controller.devices.compute.jetson import JetsonModule, asked, module_w, read_modes, read_rails_w
from tests.controller.devices.compute.jetson_tree import JetsonTree


def test_modes_are_sets_of_clocks(tmp_path: Path) -> None:
    found = read_modes(JetsonTree(tmp_path).conf)
    assert [(mode.id, mode.name, mode.nominal_w) for mode in found.modes] == [
        (0, "MAXN", None),
        (1, "MODE_15W", 15.0),
        (2, "MODE_30W", 30.0),
        (3, "MODE_50W", 50.0),
    ]
    assert found.default_id == 2
    assert ("GPU MAX_FREQ", "624750000") in found.modes[2].settings


@pytest.mark.parametrize(("asked_w", "mode"), [(15.0, 1), (29.0, 1), (30.0, 2), (49.9, 2), (50.0, 3), (60.0, 0)])
def test_the_highest_mode_that_is_expected_to_stay_below(asked_w: float, mode: int, tmp_path: Path) -> None:
    tree = JetsonTree(tmp_path)
    assert isinstance(tree.module().set_limit_w(asked_w), Applied)
    assert tree.mode == mode


def test_what_was_measured_counts_for_more_than_the_name(tmp_path: Path) -> None:
    tree = JetsonTree(tmp_path)
    module = tree.module()
    tree.rails(VDD_IN=(5000.0, 7200.0), VDD_CPU_CV=(5000.0, 600.0))
    assert module.reading().power_w == 36.0
    assert module.enforced_limit_w() == 36.0
    assert isinstance(module.set_limit_w(32.0), Applied)
    assert tree.mode == 1, "30 W by name drew 36 W"


def test_a_mode_that_wants_a_reboot_is_partly_applied(tmp_path: Path) -> None:
    tree = JetsonTree(tmp_path)
    tree.needs_reboot = True
    outcome = tree.module().set_limit_w(15.0)
    assert isinstance(outcome, PartlyApplied)
    assert "reboot" in outcome.reason
    assert outcome.enforced_w == 30.0


def test_rails_are_read_where_they_answer(tmp_path: Path) -> None:
    tree = JetsonTree(tmp_path)
    (tree.hwmon / "hwmon3" / "in9_label").write_text("BROKEN\n")
    assert read_rails_w(tree.hwmon) == {"VDD_GPU_SOC": 6.0, "VDD_CPU_CV": 3.0}
    assert module_w(read_rails_w(tree.hwmon)) == 9.0
    assert module_w({"VDD_IN": 20.0, "VDD_GPU_SOC": 9.0}) == 20.0
    assert module_w({}) is None


@pytest.mark.parametrize("text", ["", "< PM_CONFIG DEFAULT=2 >\n", "\x00\xff", "< POWER_MODEL ID=x NAME=y >"])
def test_a_file_without_modes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "nvpmodel.conf"
    path.write_text(text)
    with pytest.raises(GpuPowerError, match="no POWER_MODEL"):
        read_modes(path)


def test_no_module_here(tmp_path: Path) -> None:
    with pytest.raises(GpuPowerError, match="is this a Jetson"):
        read_modes(tmp_path / "none")
    with pytest.raises(GpuPowerError, match="is this a Jetson"):
        asked(["no-such-nvpmodel", "-q"])
    with pytest.raises(GpuPowerError, match="false"):
        asked(["false"])
    tree = JetsonTree(tmp_path)
    module = JetsonModule(most_w=60.0, conf=tree.conf, hwmon=tmp_path / "no-rails", ask=lambda words: "no number")
    with pytest.raises(GpuPowerError, match="no rail"):
        module.power_w()
    assert isinstance(module.set_limit_w(30.0), Failed)
