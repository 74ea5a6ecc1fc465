"""What every report has to be."""

import re
import time

import pytest


@pytest.fixture(scope="session")
def pictures_of():
    """A function that counts the pictures of a report, which has to be self-contained and to say what made it."""

    def count(path, command):
        page = path.read_text()
        rest, pictures = re.subn(r'src="data:image/png;base64,[A-Za-z0-9+/=]+"', "", page)
        assert not re.search(r"src=|<link|<script|@import|url\(", rest)
        assert f"<code>genmech {command}" in rest
        for made_by in ("Settings and versions", "machine", "numpy", "genmech_fem", time.strftime("%Y-")):
            assert made_by in rest
        return pictures

    return count
