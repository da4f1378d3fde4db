"""Models from the Hugging Face hub, for machines that reach it."""

from __future__ import annotations

import re
from pathlib import Path

from learning.model.convert import Progress
from learning.model.sources.hub_file import HubRequest, explained
from learning.model.sources.wheels import NoNetworkError

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
_WANTED = ("*.safetensors", "*.json", "*.jinja", "LICENSE*", "merges.txt", "vocab.*")


def is_hub_id(name: str) -> bool:
    """True if the text has the form `owner/name`."""
    return bool(_HUB_ID.match(name)) and ".." not in name


def folder_name(hub_id: str) -> str:
    """Name of the model's folder in the models folder; never empty, hidden or with a path in it."""
    return re.sub(r"[^\w.-]", "-", hub_id.replace("/", "--")).lstrip(".") or "-"


def download(hub_id: str, out: Path, *, on_progress: Progress) -> None:
    """Fetch weights, tokenizer and template; resume what an earlier download left in `out`.

    Only data is fetched: no pickled weights, no code.

    Raises:
        FetchError: If the hub cannot be reached, has no such model, or does not give it out.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    on_progress(f"downloading {hub_id} from the hub", 0, 0)
    with explained(HubRequest(repository=hub_id, name="the model"), constants.ENDPOINT):
        try:
            snapshot_download(hub_id, local_dir=out, allow_patterns=list(_WANTED))
        except LocalEntryNotFoundError as err:
            raise NoNetworkError(
                f"The model hub cannot be reached to fetch {hub_id}; check the network, or give a "
                "local model folder or .gguf file instead."
            ) from err
