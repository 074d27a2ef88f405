"""Every metric object of the service with its help text, and the functions that feed it; nothing else.

One module per subject. Names start with `pagereel_`, units are base units, labels are closed sets and every
series exists (as zero) from the start, so a graph never begins with a gap. Nothing here reads a clock, a database or a
setting.
"""

from prometheus_client import CollectorRegistry, disable_created_metrics

# The start of every counter, as 50 families that nobody asks for: the process's own start says the same.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types
REGISTRY = CollectorRegistry(auto_describe=True)
