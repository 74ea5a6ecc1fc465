import numpy as np

from genmech_fem.geometry import conforming_mesh
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.plotting import histories, images, mesh_picture, parity, to_png


def test_a_field_is_drawn_with_x_to_the_right_and_y_upwards():
    field = np.zeros((4, 3))
    field[3, 0] = 1.0
    (axes,) = images([[field]], limits=(0, 1)).axes
    picture = axes.images[0]
    assert picture.origin == "lower"
    drawn = np.asarray(picture.get_array())
    assert drawn.shape == (3, 4)
    assert drawn[0, 3] == 1.0


def test_every_figure_renders():
    phase = PeriodicFibres(resolution=16)(np.random.default_rng(0))["phase"][0]
    mesh = conforming_mesh(phase)
    figures = [
        images([[phase, phase], [phase]], [["a", "b"], ["c"]]),
        mesh_picture(mesh, "mesh"),
        histories({"loss": [(1, 1.0), (2, 0.5)], "empty": []}, "step", "loss"),
        parity(np.random.default_rng(0).random((9, 2)), np.zeros((9, 2)), ("C11", "C12"), "GPa"),
    ]
    for figure in figures:
        png = to_png(figure)
        assert png.startswith(b"\x89PNG")
        assert len(png) > 2000
    triangles = figures[1].axes[0].collections[0]
    assert len(triangles.get_array()) == len(mesh.cells)
