"""A stage live between two devices: in blocks of which size, so that the delay stays within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtaudio.devices.catalogue import DeviceInfo
from rtaudio.devices.portaudio import PortAudioDevice, burst, find_device, native_block
from rtaudio.dsp.resample import AtRate
from rtaudio.engine.budget import BLOCKS, LatencyBudget, plan_budget
from rtaudio.engine.live import LiveEngine, Tap
from rtaudio.errors import BudgetError
from rtaudio.stream.stage import NativeStage


def usual_block(stage: NativeStage) -> int:
    """A hop; of several at once an even part, no longer than one of them, so that buffers stay as short."""
    (hop_length,) = stage.in_spec.shape
    longest = hop_length // stage.hops if isinstance(stage, AtRate) else hop_length
    return max(size for size in range(1, longest + 1) if hop_length % size == 0)


def blocks_to_try(stage: NativeStage, microphone: DeviceInfo, budget_ms: float | None) -> list[int]:
    """Block sizes, first choice first; one alone where the device has its own, or no budget is to be met.

    The largest comes first: whatever the budget leaves goes into safety.
    """
    period = native_block(microphone)
    if period:
        return [period]
    usual, (hop_length,) = usual_block(stage), stage.in_spec.shape
    if budget_ms is None:
        return [usual]
    return sorted((size for size in {*BLOCKS, usual, hop_length} if size <= hop_length), reverse=True)


def first_fitting(
    stage: NativeStage, rate: int, budget_ms: float | None, blocks: Sequence[int], **options: Any
) -> LatencyBudget:
    """The plan with the first of the blocks that stays within the budget; `options` are `plan_budget`'s.

    Raises BudgetError, of the last of them, where none does.
    """
    for block in blocks[:-1]:
        try:
            return plan_budget(stage, rate, budget_ms=budget_ms, block=block, **options)
        except BudgetError:
            continue
    return plan_budget(stage, rate, budget_ms=budget_ms, block=blocks[-1], **options)


def open_engine(
    stage: NativeStage,
    rate: int,
    source: str | None,
    sink: str | None,
    budget_ms: float | None,
    tap: Tap | None = None,
) -> LiveEngine:
    """A running engine within the budget, counted with what the devices declare once they are open.

    Raises BudgetError where no block size fits, DeviceError where a device can't be opened.
    """
    microphone = find_device(source, "input")
    blocks = blocks_to_try(stage, microphone, budget_ms)
    device_blocks = (1.0, 1.0)
    while True:
        options = {
            "device_blocks": device_blocks,
            "burst": burst(microphone),
            "duplex": PortAudioDevice(source, sink, sample_rate=rate).duplex,
        }
        plan = first_fitting(stage, rate, budget_ms, blocks, **options)
        device = PortAudioDevice(source, sink, sample_rate=rate, block=plan.block)
        engine = LiveEngine(stage, device, plan, tap=tap)
        engine.start()
        parts = engine.latency_parts()
        if budget_ms is None or sum(parts.values()) <= budget_ms:
            return engine
        engine.stop()
        blocks = blocks[blocks.index(plan.block) + 1 :]
        if not blocks:
            raise _refused(budget_ms, parts)
        device_blocks = in_blocks(device, rate, plan.block)


def in_blocks(device: PortAudioDevice, rate: int, block: int) -> tuple[float, float]:
    """What an open device declares to hold, at capture and at playback, in blocks.

    Most devices keep a fixed number of them: smaller ones need not be opened to know.
    """
    per_block = rate / block
    return device.capture_latency_s * per_block, device.playback_latency_s * per_block


def _refused(budget_ms: float, parts: dict[str, float]) -> BudgetError:
    told = " + ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    total = sum(parts.values())
    return BudgetError(
        f"a budget of {budget_ms:g} ms can't be met with these devices: {total:.1f} ms = {told}, "
        f"{total - budget_ms:.1f} ms more"
    )
