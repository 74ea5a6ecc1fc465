"""The arguments of each command, without the packages that its work needs: help is there at once."""
