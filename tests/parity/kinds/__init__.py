"""What runs each kind of KINDS.md: kind -> ``handler(given, *, <args>) -> {role: value}``."""

from parity.kinds import augment, feeder, graph, language, lists, metric, model, transform

KINDS = {
    **metric.KINDS,
    **graph.KINDS,
    **augment.KINDS,
    **transform.KINDS,
    **feeder.KINDS,
    **lists.KINDS,
    **model.KINDS,
    **language.KINDS,
}

# Kinds that record a slip which no public checkpoint and no published number needs -> why.
DECLINED: dict[str, str] = {}
