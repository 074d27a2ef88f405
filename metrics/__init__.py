"""All metric objects of the service with their help texts, and the functions that update them.

Each subject has one module. Names start with `pagereel_`, units are base units, and labels are closed sets. Every
series exists (as zero) from the start, so that graphs have no gap at the beginning. The package reads no clock,
database or setting.
"""

from prometheus_client import CollectorRegistry, disable_created_metrics

# The creation times of counters would add 50 unused families, and the process's start time provides the same
# information.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types
REGISTRY = CollectorRegistry(auto_describe=True)
