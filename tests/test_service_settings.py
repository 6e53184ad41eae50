"""The settings and the manual that lists them."""

import re
from pathlib import Path

import pytest

from palate.errors import SettingsError
from palate.service.settings import Settings
from serving import client


def test_settings_have_one_schema_for_flags_environment_and_file(tmp_path, monkeypatch):
    file = tmp_path / "palate.toml"
    file.write_text('model = "a.palate"\nport = 1000\nrate = 5\nhosts = ["a.example"]\nretrain_every = "6h"\n')
    resolved = Settings.resolve(file)
    assert (resolved.port, resolved.rate, resolved.hosts, resolved.is_exposed) == (1000, 5, ["a.example"], True)
    monkeypatch.setenv("PALATE_PORT", "2000")
    assert (Settings.resolve(file).port, Settings.resolve(file, port=3000).port) == (2000, 3000)
    assert Settings.resolve(file, port=None).port == 2000
    again = Settings.resolve(file, secret="s")
    for name, value in again.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.resolve() == again
    file.write_text('model = "a"\nprot = 5\n')
    with pytest.raises(SettingsError, match="prot"):
        Settings.resolve(file)
    for wrong, name in (({"port": -1}, "port"), ({"workers": 0}, "workers"), ({"protect": "maybe"}, "protect")):
        with pytest.raises(SettingsError, match=name):
            Settings.resolve(**{"model": "a", **wrong})
    monkeypatch.delenv("PALATE_MODEL")
    with pytest.raises(SettingsError, match="model"):
        Settings.resolve()
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.resolve(tmp_path / "none.toml")


def test_the_manual_lists_every_setting_and_every_path(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "serving.md").read_text()
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^\| `{name}` \| .*\| {re.escape(field.description)} \|$", text, re.MULTILINE), name
    with client(tmp_path) as served:
        paths = served.get("/v1/openapi.json").json()["paths"]
    for path in paths:
        if not path.startswith("/v1/me"):
            assert path.replace("/v1/anonymous/", "…/") in text or path in text, path
