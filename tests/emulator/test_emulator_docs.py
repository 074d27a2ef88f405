"""The emulator's page of the documentation names everything that can be set."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.browser.settings import Browser, Limits
from emulator.faults.model import Fault, kinds
from emulator.requests.quirks import Quirks
from emulator.settings import App, Callback, Settings, Times

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()


@pytest.mark.parametrize("model", [Settings, App, Callback, Times, Quirks, Fault, Browser, Limits])
def test_every_setting_is_documented(model: type[Settings]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in PAGE] == []


def test_every_kind_of_fault_is_documented() -> None:
    assert [kind for kind in kinds() if f"| `{kind}` |" not in PAGE] == []


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    from emulator.settings import load

    path = tmp_path / "emulator.toml"
    path.write_text(PAGE.split("`emulator.toml`:\n\n```toml\n")[1].split("```\n")[0])
    assert load(path, port=0).apps[0].app_id == "demo-app"
