import sys

import pytest

from genmech_fem import plugins
from genmech_fem.microstructure import PeriodicFibres


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """An installed distribution whose plugin cannot be imported."""
    info = tmp_path / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[genmech_fem.microstructures]\nbroken = broken_plugin:Sampler\n")
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('half installed')\n")
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


def test_a_broken_plugin_warns_is_listed_and_breaks_nothing_else(broken):
    with pytest.warns(UserWarning, match="'broken' of microstructures .* is broken: RuntimeError"):
        listing = {plugin.name: plugin for plugin in plugins.listing()}
    assert "half installed" in listing["broken"].error
    assert listing["broken"].distribution == "broken-plugin"
    assert listing["fibres"].error is None
    with pytest.raises(ValueError, match="'broken' .* cannot be imported: RuntimeError"):
        plugins.load("microstructures", "broken")
