"""dbt's own documentation, with its lineage, as one file."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

from ab_pipeline.maintenance.object_store import ObjectMissingError, ObjectStore

PAGE = "docs/index.html"
_MADE_OF = "docs/manifest.sha256"
_MANIFEST, _CATALOG = '"MANIFEST.JSON INLINE DATA"', '"CATALOG.JSON INLINE DATA"'


def write_documentation(manifest: Path, store: ObjectStore) -> bool:
    """Write it, if it was made of another manifest or never; whether it was written.

    It is what `dbt docs generate --static --empty-catalog` writes, from the manifest that is there already: dbt would
    parse the project once more. The catalog, which needs the warehouse, is empty.

    Raises:
        StoreError: the folder or bucket cannot be written.
    """
    content = manifest.read_bytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    try:
        if store.get_bytes(_MADE_OF) == digest:
            return False
    except ObjectMissingError:
        pass
    store.put_bytes(PAGE, _page(content.decode()).encode())
    store.put_bytes(_MADE_OF, digest)
    return True


def _page(manifest: str) -> str:
    template = (files("dbt") / "task" / "docs" / "index.html").read_text(encoding="utf-8")
    assert _MANIFEST in template
    catalog = json.dumps({"metadata": {}, "nodes": {}, "sources": {}, "errors": None})
    # what is inside a script must not end it
    return template.replace(_MANIFEST, manifest.replace("</", "<\\/")).replace(_CATALOG, catalog)
