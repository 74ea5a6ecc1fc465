"""``python -m genmech_fem.cli``: the command without its script."""

import sys

from genmech_fem.cli import main

sys.exit(main())
