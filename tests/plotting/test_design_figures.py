import numpy as np

from genmech_fem.geometry import design_mesh
from genmech_fem.plotting import to_png
from genmech_fem.plotting.design import density_picture, history_curve, solid_picture, tensor_picture


def bar(*shape):
    """Density of a bar along x in the middle."""
    density = np.zeros(shape)
    density[(slice(None), *[slice(2, -2)] * (len(shape) - 1))] = 1.0
    return density


def test_a_history_is_logarithmic_where_it_can_be_and_shows_its_stages():
    (ax,) = history_curve([8.0, 4.0, 3.0, 2.0], "compliance", stages=(2, 2)).axes
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 8], [2, 4], [3, 3], [4, 2]])
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [2.5]
    assert history_curve([0.1, -0.2], "displacement").axes[0].get_yscale() == "linear"


def test_a_density_is_drawn_in_its_proportions_and_a_body_by_its_means():
    figure = density_picture(bar(24, 8))
    width, height = figure.get_size_inches()
    assert width / (height - 0.4) == 3
    density = bar(12, 6, 8)
    views = [np.asarray(ax.images[0].get_array()).T for ax in density_picture(density).axes]
    for view, axis in zip(views, (2, 1, 0), strict=True):
        np.testing.assert_array_equal(view, density.mean(axis=axis))


def test_meshes_of_both_dimensions_are_drawn():
    for shape, kind in (((12, 8), "triangles"), ((8, 6, 6), "tetrahedra")):
        mesh = design_mesh(bar(*shape), lower=(0.0,) * len(shape), upper=tuple(map(float, shape)), smooth=0.5).mesh
        figure = solid_picture(mesh)
        assert figure.axes[0].get_title() == f"{len(mesh.cells)} {kind}"
        assert to_png(figure).startswith(b"\x89PNG")


def test_tensors_are_written_entry_by_entry_in_common_colours():
    figure = tensor_picture({"target": np.array([4.0, 1.0, -2.0]), "found": np.array([3.0, 0.5, 8.0])}, "GPa")
    assert [ax.get_title() for ax in figure.axes] == ["target [GPa]", "found [GPa]"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["4", "1", "1", "-2"]
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-8.0, 8.0)}
    assert to_png(figure).startswith(b"\x89PNG")
