"""The catalogue: complete, with a known source for each figure, and true to the tables it was taken from."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sites.catalog.load import archetype, figures, gpu, gpu_id, load_catalog, model_id
from sites.compute.decode import weights_b
from sites.compute.hardware import LlmSpec, bytes_per_param, llm_spec, model_spec, quality
from sites.compute.memory import memory_need
from sites.errors import InputError
from tests.shared_data import shared_path

PRODUCTS = {
    "h100-sxm5": "NVIDIA-H100-80GB-HBM3",
    "h100-pcie": "NVIDIA-H100-PCIe",
    "h200-sxm": "NVIDIA-H200",
    "b200": "NVIDIA-B200",
    "a100-pcie-80gb": "NVIDIA-A100-80GB-PCIe",
    "a100-pcie-40gb": "NVIDIA-A100-PCIE-40GB",
    "l40s": "NVIDIA-L40S",
    "l4": "NVIDIA-L4",
    "rtx-6000-ada": "NVIDIA-RTX-6000-Ada-Generation",
    "rtx-pro-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition",
    "rtx-pro-6000-server": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
}


def test_what_has_to_be_there_is_there() -> None:
    known = load_catalog()
    assert {*PRODUCTS, "jetson-agx-orin", "jetson-agx-thor"} <= set(known.gpus)
    sizes = {entry.params_b.value for entry in known.models.values()}
    assert any(7 < each < 9 for each in sizes)
    assert any(69 < each < 72 for each in sizes)
    assert any(400 < each < 410 for each in sizes)
    assert {"vision", "diffusion", "prefill", "training"} <= {
        entry.profile for entry in known.models.values() if entry.kind == "item"
    }
    assert {entry.latency_class for entry in known.archetypes.values()} == {
        "under-100ms",
        "100-1000ms",
        "1-10s",
        "over-10s",
    }


def test_every_figure_names_a_known_source() -> None:
    known = load_catalog()
    count = 0
    for entries in (known.gpus, known.models, known.curves, known.precisions, known.archetypes):
        for entry in entries.values():
            for _, figure in figures(entry):
                assert figure.source in known.sources
                count += 1
    assert count > 500


@pytest.mark.parametrize(("key", "product"), sorted(PRODUCTS.items()))
def test_settable_limits_are_those_of_the_driver(key: str, product: str) -> None:
    path = shared_path("data/compute/gpu_power_limit_ranges.csv")
    rows = {row["gpu_product"]: row for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())}
    entry = gpu(key)
    seen = (entry.min_limit_w.value, entry.default_limit_w.value, entry.max_limit_w.value)
    assert seen == (float(rows[product]["Min_W"]), float(rows[product]["Default_W"]), float(rows[product]["Max_W"]))


def test_limits_idle_and_saturated_draw_are_in_order() -> None:
    for entry in load_catalog().gpus.values():
        assert entry.idle_w.value < entry.min_limit_w.value <= entry.default_limit_w.value <= entry.max_limit_w.value
        assert entry.idle_w.value < entry.saturated_w.value <= entry.max_limit_w.value
        assert entry.inlet_min_c.value < entry.inlet_max_c.value
        assert entry.board_gpus <= entry.gpus_per_host


@pytest.mark.parametrize(("precision", "gb"), [("fp16", 140.0), ("int4", 40.0), ("fp8", 71.0)])
def test_a_70b_model_needs_what_it_needs(precision: str, gb: float) -> None:
    assert weights_b(llm_spec("70b"), precision) / 1e9 == pytest.approx(gb, rel=0.02)  # type: ignore[arg-type]


def test_names_and_aliases_find_the_same_entry() -> None:
    assert gpu_id("H100-SXM") == gpu_id("NVIDIA-H100-80GB-HBM3") == "h100-sxm5"
    assert model_id("llm-8b") == model_id("8b") == "llama-8b"


def test_every_draft_model_and_archetype_model_exists() -> None:
    known = load_catalog()
    for entry in known.models.values():
        if entry.kind == "llm" and entry.draft_model:
            assert isinstance(model_spec(entry.draft_model), LlmSpec)
    for kind in known.archetypes.values():
        model_spec(kind.model)


@pytest.mark.parametrize(("find", "said"), [(gpu_id, "l40s"), (model_id, "llama-8b")])
def test_an_unknown_name_is_answered_with_the_nearest(find: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        find({"l40s": "l40x", "llama-8b": "lama-8b"}[said])  # type: ignore[operator]
    with pytest.raises(InputError, match="voice-agent"):
        archetype("voice")


def test_quality_is_relative_to_the_published_weights() -> None:
    assert quality("int4", "int4") == 1.0
    assert 0.9 < quality("int4") < quality("fp8") < quality("fp16") == 1.0
    assert bytes_per_param("int4") > 0.5


def test_an_overlay_goes_before_and_its_faults_are_told(tmp_path: Path) -> None:
    (tmp_path / "gpus.yaml").write_text("l40s: {name: broken}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"gpus.yaml: l40s.memory_gb"):
        load_catalog(tmp_path)
    (tmp_path / "gpus.yaml").unlink()
    (tmp_path / "gpu_curves.yaml").write_text(
        "l40s: {vision: {knee_frac: [5, measured, nowhere], exponent: [0.4, measured, nowhere], fit_rmse: 0.01}}\n",
        encoding="utf-8",
    )
    other = tmp_path / "other"
    (tmp_path).rename(tmp_path.with_name("moved"))
    with pytest.raises(InputError, match=r"name a key of sources\.yaml"):
        load_catalog(other.parent.with_name("moved"))
    with pytest.raises(InputError, match="name a folder"):
        load_catalog(Path("no-such-folder"))


def test_adapters_and_fine_tuning_memory() -> None:
    """QLoRA of a 70B model fits one 48 GB GPU (Dettmers et al. 2023, arXiv:2305.14314); LoRA of 8B one of 24 GB hardly."""
    big, small = memory_need(llm_spec("llama-70b")), memory_need(llm_spec("llama-8b"))
    assert 40.0 < big.qlora_gb < 48.0
    assert big.lora_gb > 140.0
    assert 16.0 < small.lora_gb < 24.0
    assert 0.05 < small.adapter_gb < 0.2
    assert small.cache_mb_per_1000_tokens == pytest.approx(131.0, rel=0.01)
