"""Every metric object of the service with its help text, and the functions that feed it; nothing else.

One module per subject. Names start with `pagereel_`, units are base units, labels are closed sets and every
series exists (as zero) from the start, so a graph never begins with a gap. Nothing here reads a clock, a database or a
setting.
"""

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry(auto_describe=True)
