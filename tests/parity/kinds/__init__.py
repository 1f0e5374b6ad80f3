"""What runs each kind of KINDS.md: kind -> ``handler(given, *, <args>) -> {role: value}``."""

from parity.kinds import (
    augment,
    end_to_end,
    feeder,
    graph,
    lists,
    metric,
    model,
    objectives,
    reader,
    transform,
)  # fmt: skip

KINDS = {
    **metric.KINDS,
    **graph.KINDS,
    **augment.KINDS,
    **transform.KINDS,
    **feeder.KINDS,
    **lists.KINDS,
    **model.KINDS,
    **reader.KINDS,
    **objectives.KINDS,
    **end_to_end.KINDS,
}

# Kinds that record a slip which no public checkpoint and no published number needs -> why.
DECLINED: dict[str, str] = {}
