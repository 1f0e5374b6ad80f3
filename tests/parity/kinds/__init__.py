"""What runs each kind of KINDS.md: kind -> ``handler(given, *, <args>) -> {role: value}``."""

from parity.kinds import (
    augment,
    brl,
    contrastive,
    contrastive_probes,
    contrastive_steps,
    end_to_end,
    feeder,
    frhead,
    graph,
    language,
    lists,
    loss,
    metric,
    model,
    objectives,
    reader,
    transform,
)

KINDS = {
    **augment.KINDS,
    **brl.KINDS,
    **contrastive.KINDS,
    **contrastive_probes.KINDS,
    **contrastive_steps.KINDS,
    **end_to_end.KINDS,
    **feeder.KINDS,
    **frhead.KINDS,
    **graph.KINDS,
    **language.KINDS,
    **lists.KINDS,
    **loss.KINDS,
    **metric.KINDS,
    **model.KINDS,
    **objectives.KINDS,
    **reader.KINDS,
    **transform.KINDS,
}

# Kinds that record a slip which no public checkpoint and no published number needs -> why.
DECLINED: dict[str, str] = {}
