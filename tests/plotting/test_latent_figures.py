import numpy as np

from genmech_fem.plotting import to_png
from genmech_fem.plotting.latent import attention_picture, interpolation_strip, latent_map_picture, traversal_grid


def test_every_class_of_a_latent_map_gets_its_points_and_its_name():
    points = np.random.default_rng(0).random((10, 2))
    labels = np.arange(10) % 3
    (axes,) = latent_map_picture(points, labels, ("circle", "square", "cross")).axes
    assert [line.get_label() for line in axes.lines] == ["circle", "square", "cross"]
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), points[labels == 1])


def test_pictures_of_a_strip_share_their_colours_and_tell_the_way():
    rows = np.random.default_rng(0).random((2, 5, 4, 4))
    figure = interpolation_strip(list(rows))
    assert [axes.get_title() for axes in figure.axes[:5]] == ["0", "0.25", "0.5", "0.75", "1"]
    assert {axes.images[0].get_clim() for axes in figure.axes} == {(rows.min(), rows.max())}


def test_a_traversal_has_a_row_for_each_latent():
    fields = np.random.default_rng(0).random((2, 3, 4, 4))
    figure = traversal_grid(fields, [-1.0, 0.0, 2.5])
    assert [axes.get_title() for axes in figure.axes][3:] == ["z1 = -1", "z1 = 0", "z1 = 2.5"]
    np.testing.assert_array_equal(figure.axes[5].images[0].get_array(), fields[1, 2].T)


def test_attention_is_drawn_query_by_query():
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3))
    figure = attention_picture(weights)
    picture = figure.axes[1].images[0]
    assert picture.origin == "upper"
    np.testing.assert_array_equal(picture.get_array(), weights[1])


def test_every_figure_renders():
    fields = np.random.default_rng(0).random((2, 3, 4, 4))
    for figure in (
        latent_map_picture(np.eye(2), np.arange(2), ("a", "b")),
        interpolation_strip(list(fields)),
        traversal_grid(fields, [0, 1, 2]),
        attention_picture(fields[0]),
    ):
        assert to_png(figure).startswith(b"\x89PNG")
