"""Print the file to load into ParaView: ``python -m genmech_paraview``."""

import sys

from genmech_paraview import filter_path

if __name__ == "__main__":
    sys.stdout.write(f"{filter_path()}\n")
