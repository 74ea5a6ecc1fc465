"""What ``genmech doctor`` checks.

Each check is a function that returns what it found, or raises. It runs in a process of its own, for an import
may end its process or never return.
"""

from dataclasses import dataclass

__all__ = ["CHECKS", "Check"]

COMPILER = (
    "apt install gcc python3-dev  or  conda install -c conda-forge c-compiler; CC, where it is set, has to name it"
)
DOLFINX = "pip install 'genmech_fem[fem]'  or  conda install -c conda-forge fenics-dolfinx, and not both in one place"
GMSH = "apt install libglu1-mesa libxcursor1 libxft2 libxinerama1; pip install --force-reinstall gmsh"
MPI = "pip install mpich  or  apt install mpich: mpiexec has to be of the MPI that mpi4py uses"
HEADLESS = "apt install libgl1 libegl1  or, on a machine without them, pip install vtk-osmesa in place of vtk"
SHARED = "export OMP_NUM_THREADS=1, and let several samples be solved side by side"


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: What it is called.
        function: The function as ``module:name``, in this package.
        repair: What to do where it fails.
        package: The package that it is about, if that is optional.
        extra: The extra that brings this package.
    """

    name: str
    function: str
    repair: str
    package: str = ""
    extra: str = ""


CHECKS = (
    Check("python", "machine:python", "pip install --upgrade genmech_fem  in a Python of 3.12 or newer"),
    Check("packages", "machine:packages", "pip install --upgrade genmech_fem"),
    Check("space", "machine:space", "remove what is not needed, or write to another disk with --out"),
    Check("threads", "machine:threads", SHARED),
    Check("dolfinx", "fem:library", DOLFINX, "dolfinx", "fem"),
    Check("cache", "fem:cache", "export XDG_CACHE_HOME=FOLDER  with a folder that you may write to", "dolfinx", "fem"),
    Check("compiler", "fem:compiler", COMPILER, "dolfinx", "fem"),
    Check("petsc", "solvers:petsc", DOLFINX, "petsc4py", "fem"),
    Check("slepc", "solvers:slepc", DOLFINX, "slepc4py", "fem"),
    Check("mpi", "solvers:ranks", MPI, "mpi4py", "fem"),
    Check("torch", "learning:network", "pip install --force-reinstall torch", "torch", "learn"),
    Check("onnxruntime", "learning:session", "pip install --force-reinstall onnxruntime"),
    Check("onnx", "learning:export", "pip install --upgrade onnx onnxscript torch", "onnx", "learn"),
    Check("gmsh", "drawing:mesh", GMSH, "gmsh", "gmsh"),
    Check("matplotlib", "drawing:figure", "pip install --force-reinstall matplotlib", "matplotlib", "viz"),
    Check("rendering", "drawing:rendering", HEADLESS, "pyvista", "viz"),
    Check("plugins", "machine:plugins", "pip install --upgrade NAME  or  pip uninstall NAME  of its distribution"),
)
