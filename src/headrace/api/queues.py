"""How much a flow still has to process, asked of the broker."""

from __future__ import annotations

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.errors import NotFound

__all__ = ["waiting"]


async def waiting(bus: Bus, flow_id: str) -> int:
    """Messages a flow has not finished: queued, in progress or delayed, in all its deployments; 0 without a journal."""
    return await _queued(bus, subjects.stream(flow_id)) + await _delayed(bus, flow_id)


async def _queued(bus: Bus, stream: str) -> int:
    found = 0
    offset = 0
    while True:
        try:
            answer = await bus.api(f"CONSUMER.LIST.{stream}", {"offset": offset})
        except NotFound:
            return 0
        consumers = answer["consumers"] or []
        for consumer in consumers:
            if "durable_name" in consumer["config"]:  # the others are people who read along
                found += int(consumer["num_pending"]) + int(consumer["num_ack_pending"])
        offset += len(consumers)
        if not consumers or offset >= int(answer["total"]):
            return found


async def _delayed(bus: Bus, flow_id: str) -> int:
    found = 0
    for prefix in ("delay", "due"):
        info = await bus.api(f"STREAM.INFO.{subjects.DELAYS}", {"subjects_filter": f"{prefix}.{flow_id}.>"})
        found += sum((info["state"].get("subjects") or {}).values())
    return found
