"""What runs each kind of KINDS.md: kind -> ``handler(given, *, <args>) -> {role: value}``."""

from parity.kinds import (
    augment,
    brl,
    contrastive,
    contrastive_probes,
    contrastive_steps,
    feeder,
    frhead,
    graph,
    lists,
    loss,
    metric,
    model,
    reader,
    transform,
)

KINDS = {
    **metric.KINDS,
    **graph.KINDS,
    **augment.KINDS,
    **brl.KINDS,
    **transform.KINDS,
    **feeder.KINDS,
    **lists.KINDS,
    **loss.KINDS,
    **model.KINDS,
    **reader.KINDS,
    **contrastive.KINDS,
    **contrastive_steps.KINDS,
    **contrastive_probes.KINDS,
    **frhead.KINDS,
}

# Kinds that record a slip which no public checkpoint and no published number needs -> why.
DECLINED: dict[str, str] = {}
