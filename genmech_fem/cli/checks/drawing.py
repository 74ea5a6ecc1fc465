"""Checks of gmsh and of pictures without a screen."""

import io

import numpy as np

from genmech_fem.errors import GenmechError

SIZE = 200  # pixels along a side


def mesh() -> str:
    """Mesh the unit square in gmsh."""
    import gmsh

    gmsh.initialize(["-noenv"], interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
    gmsh.model.occ.synchronize()
    gmsh.model.mesh.generate(2)
    triangles = gmsh.model.mesh.getElements(2)[1][0]
    area = gmsh.model.mesh.getElementQualities(triangles, "volume").sum()
    gmsh.finalize()
    if abs(area - 1) > 1e-9:
        raise GenmechError(f"expected triangles of the area 1 in the unit square, got {area}")
    return f"gmsh {gmsh.__version__}: {len(triangles)} triangles in the unit square"


def figure() -> str:
    """Draw a figure."""
    import matplotlib
    from matplotlib.figure import Figure

    picture, buffer = Figure(figsize=(2, 2)), io.BytesIO()
    picture.subplots().imshow(np.eye(2), cmap="gray")
    picture.savefig(buffer, format="png")
    _check(buffer.getvalue())
    return f"matplotlib {matplotlib.__version__}"


def rendering() -> str:
    """Render a sphere without a screen."""
    import pyvista
    from PIL import Image

    plotter = pyvista.Plotter(off_screen=True, window_size=(SIZE, SIZE))
    plotter.add_mesh(pyvista.Sphere(), color="white")
    plotter.set_background("black")
    buffer = io.BytesIO()
    Image.fromarray(plotter.screenshot(None, return_img=True)).save(buffer, "PNG")
    window = type(plotter.render_window).__name__
    plotter.close()
    bright = _check(buffer.getvalue())
    return f"PyVista {pyvista.__version__}, VTK {pyvista.vtk_version_info} by {window}: {bright:.0%} of the pixels"


def _check(png: bytes) -> float:
    """The share of bright pixels of a picture that is not blank."""
    from PIL import Image

    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    share = float(np.mean(grey > 127))
    if not 0.05 < share < 0.95:
        raise GenmechError(f"the picture is blank: {share:.0%} of its pixels are bright")
    return share
