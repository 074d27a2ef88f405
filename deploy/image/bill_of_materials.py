"""What an image holds, as a CycloneDX bill of materials: `bill_of_materials.py deploy/image/service.lock` prints it.

It is made of the lock alone, so it says what is installed and nothing that is only hoped for, and is the same whenever
it is made. No index is asked, and none is named.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?: *; *([^\\\n]+?))? *\\?$", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, name: str) -> dict[str, Any]:
    """The CycloneDX 1.6 document of a lock with hashes. Raises `ValueError` for a requirement without one."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": name, "bom-ref": name}},
        "components": list(_components(lock)),
    }


def _components(lock: str) -> Iterator[dict[str, Any]]:
    pinned = list(_PINNED.finditer(lock))
    ends = [one.start() for one in pinned[1:]] + [len(lock)]
    for one, end in zip(pinned, ends, strict=True):
        hashes = _HASH.findall(lock, one.end(), end)
        name, version, only_where = one.groups()
        if not hashes:
            raise ValueError(f"{name} is pinned without a hash")
        purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "purl": purl,
            "bom-ref": purl,
            "hashes": [{"alg": "SHA-256", "content": content} for content in hashes],
            "properties": [{"name": "pagereel:only-where", "value": only_where}] if only_where else [],
        }


def main() -> None:
    lock = Path(sys.argv[1])
    sys.stdout.write(json.dumps(bill(lock.read_text(), f"pagereel-{lock.stem}"), indent=2) + "\n")


if __name__ == "__main__":
    main()
