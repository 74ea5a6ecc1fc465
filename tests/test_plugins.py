import json
import sys

import pytest

from genmech_fem import plugins
from genmech_fem.cli import main
from genmech_fem.generative import VAE
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.training import load_model, save_model


def install(folder, name, entry, code, *, group="microstructures", target="Sampler"):
    """Make an installed distribution with one plugin."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[genmech_fem.{group}]\n{entry} = {module}:{target}\n")
    (folder / f"{module}.py").write_text(code)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Installed distributions: two that cannot be imported, two that take a name in use."""
    install(tmp_path, "broken-plugin", "broken", "raise RuntimeError('half installed')\n")
    install(tmp_path, "leaving-plugin", "leaving", "raise SystemExit(3)\n")
    install(tmp_path, "a-copy", "fibres", "Sampler = 1\n")
    install(tmp_path, "z-copy", "ellipses", "Sampler = 2\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def test_built_in_and_third_party_samplers_are_found():
    assert {"fibres", "ellipses"} <= set(plugins.names("microstructures"))
    assert plugins.load("microstructures", "fibres") is PeriodicFibres


def test_an_unknown_name_lists_what_exists():
    known = "basic_shapes, darcy_permeability, ellipses, fibres"
    with pytest.raises(ValueError, match=rf"unknown name 'fibers' in microstructures: choose one of {known}"):
        plugins.load("microstructures", "fibers")
    with pytest.raises(ValueError, match="unknown plugin group 'meshes': choose one of problems, "):
        plugins.names("meshes")


@pytest.mark.filterwarnings("ignore:the plugin")
def test_a_broken_plugin_warns_is_listed_and_breaks_nothing_else(broken):
    with pytest.warns(UserWarning, match="'broken' of microstructures .* is broken: RuntimeError"):
        listing = {(plugin.name, plugin.distribution): plugin for plugin in plugins.listing(["microstructures"])}
    assert "half installed" in listing["broken", "broken-plugin"].error
    assert listing["broken", "broken-plugin"].version == "1.0"
    assert listing["leaving", "leaving-plugin"].error == "SystemExit(3)"
    assert listing["fibres", "genmech_fem"].error is None
    with pytest.raises(ValueError, match="'broken' .* cannot be imported: RuntimeError"):
        plugins.load("microstructures", "broken")
    with pytest.raises(ValueError, match="'leaving' .* cannot be imported: SystemExit"):
        plugins.load("microstructures", "leaving")


@pytest.mark.filterwarnings("ignore:the plugin")
def test_a_name_in_use_stays_with_the_built_in_plugin_else_with_the_first(broken):
    listing = {(plugin.name, plugin.distribution): plugin for plugin in plugins.listing(["microstructures"])}
    taken = "its name is taken by genmech_fem (genmech_fem.microstructure:PeriodicFibres): rename it"
    assert listing["fibres", "a-copy"].error == taken
    assert plugins.load("microstructures", "fibres") is PeriodicFibres
    assert "taken by genmech-ellipses" in listing["ellipses", "z-copy"].error
    assert listing["ellipses", "genmech-ellipses"].error is None


def test_the_command_lists_where_plugins_come_from_and_why_they_fail(broken, tmp_path, capsys):
    assert main(["plugins", "--group", "microstructures", "--json"]) == 0
    found = {(plugin["name"], plugin["distribution"]): plugin for plugin in json.loads(capsys.readouterr().out)}
    assert found["broken", "broken-plugin"]["location"] == str(tmp_path)
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("broken-plugin" in line and "half installed" in line for line in lines)
    assert sum("works" in line for line in lines) > 40


def test_a_foreign_class_with_the_name_of_a_built_in_one_does_not_open_its_files(tmp_path, monkeypatch):
    install(tmp_path, "z-vae", "z_vae", "class VAE: ...\n", group="generative", target="VAE")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "z_vae" in plugins.names("generative")
    model = VAE((1, 8, 8), 2)
    save_model(model, tmp_path / "model.safetensors")
    assert type(load_model(tmp_path / "model.safetensors")[0]) is VAE
