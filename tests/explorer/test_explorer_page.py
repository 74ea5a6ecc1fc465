"""The page of the explorer in a real browser, and who is let in."""

import base64
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil
import pytest
from PIL import Image

from genmech_fem.cli import main
from genmech_fem.explorer.pictures import VIRIDIS, coloured
from genmech_fem.metrics import relative_frobenius

CHROMIUM = shutil.which("chromium") or ""
FLAGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
]
PATIENCE = 120_000  # [ms]


@pytest.fixture(scope="module")
def served(run_folder):
    """A running explorer: its process and its address."""
    command = sys.executable, "-m", "genmech_fem.cli", "explore", str(run_folder), "--no-browser"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = process.stdout.readline()
        assert "http" in said, said + process.stdout.read()
        yield process, re.search(r"http\S+", said)[0]
        process.kill()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def page(served, browser):
    """The page, and what it asks for and complains of."""
    tab = browser.new_page(viewport={"width": 1500, "height": 1100})
    tab.set_default_timeout(PATIENCE)
    tab.asked, tab.errors = [], []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.goto(served[1])
    tab.wait_for_selector("#walk")
    yield tab
    tab.close()


def answer(address, path, **headers):
    """Status and headers of a request to the port of an address."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    found = connection.getresponse()
    connection.close()
    return found.status, dict(found.getheaders())


def websocket(address, **headers):
    """Status of a request for the websocket."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = base64.b64encode(bytes(16)).decode()
    return answer(address, "/ws", **upgrade, **{"Sec-WebSocket-Key": key}, **headers)[0]


def test_only_who_knows_the_token_is_let_in(served):
    process, address = served
    place, token = urlsplit(address), parse_qs(urlsplit(address).query)["token"][0]
    assert place.hostname == "127.0.0.1"
    assert len(token) >= 32
    for path in ("/", "/index.html", "/?token=", f"/?token={token[:-1]}x", "/?token=%C3%A9%FF"):
        assert answer(address, path)[0] == 403
    status, headers = answer(address, f"/?token={token}")
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert (status, headers["Location"]) == (303, "/index.html")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    status, headers = answer(address, "/index.html", Cookie=cookie)
    assert status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert answer(address, "/index.html", Cookie=cookie, Host="example.org")[0] == 403
    assert websocket(address) == 403
    assert websocket(address, Cookie=cookie, Origin="http://example.org") == 403
    assert websocket(address, Cookie=cookie, Origin=f"http://localhost:{place.port + 1}") == 403
    assert websocket(address, Cookie=cookie, Origin=f"http://{place.netloc}") == 101
    explorer = psutil.Process(process.pid)
    sockets = [c for one in (explorer, *explorer.children(recursive=True)) for c in one.net_connections()]
    listening = [c.laddr for c in sockets if c.status == psutil.CONN_LISTEN]
    assert {where.ip for where in listening} == {"127.0.0.1"}
    assert place.port in {where.port for where in listening}


def test_a_candidate_is_meshed_and_verified_by_clicks(page, source, run_folder, tmp_path):
    page.fill("#count", "10")
    page.click("#generate")
    page.wait_for_function("document.querySelector('#drawn').innerText === '10 of 10 drawn'")
    assert page.locator(".candidate").count() == 10
    errors = [float(text.removesuffix(" %")) for text in page.locator(".candidate span").all_inner_texts()]
    assert errors == sorted(errors)
    page.locator(".candidate").first.click()
    page.wait_for_selector("#chosen")
    target = [float(page.input_value(f"#{entry}")) for entry in ("C11", "C12", "C16", "C22", "C26", "C66")]
    page.click("#verify")
    page.wait_for_selector("#result")
    page.click("#export")
    page.wait_for_selector("#exported")
    kept = re.search(r"explorer/\S+\.npy", page.inner_text("#exported"))[0]
    direct = source.solver(2)({"phase": np.load(run_folder / kept)[None]})["stiffness"][0]
    said = page.inner_text("#error-verified").removesuffix(" %")
    assert float(said) == pytest.approx(100 * relative_frobenius(direct, target), abs=0.006)
    rows = [page.locator(f"#row-{entry} td").all_inner_texts() for entry in ("C11", "C66")]
    assert [float(row[3]) for row in rows] == pytest.approx(direct[[0, 5]], abs=6e-4)
    picture = page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert len(picture) > 50_000
    assert page.locator(".strains img").count() == 3
    page.uncheck("#edges")
    page.select_option("#field", "phase")
    share = source.solver(2).mesh(np.load(run_folder / kept)).phase_fractions()[1]
    assert painted(page, share) == pytest.approx(share, abs=0.01)
    assert not page.errors
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in page.asked)


def painted(page, share):
    """Share of the bright pixels in the view of the mesh, once it is the expected one or the time is over."""
    found, deadline = 0.0, time.monotonic() + 30
    while abs(found - share) > 0.01 and time.monotonic() < deadline:
        shot = Image.open(io.BytesIO(page.locator(".view").screenshot())).convert("RGB")
        dark, bright = (
            (np.abs(np.asarray(shot, dtype=int) - colour).max(axis=2) < 3).sum()
            for colour in coloured(np.array([0.0, 1.0]), VIRIDIS, (0.0, 1.0))
        )
        found = bright / max(bright + dark, 1)
    return found


def test_a_walk_follows_the_slider_and_its_cell_can_be_the_target(page):
    before = page.get_attribute("#walk img", "src")
    page.locator("#share").fill("1")
    page.wait_for_function("src => document.querySelector('#walk img').src !== src", arg=before)
    page.wait_for_function("document.querySelector('#walk .name').innerText.startsWith('1.00')")
    predicted = page.locator("#walk td").first.inner_text()
    page.click("#take")
    page.wait_for_function("value => document.querySelector('#C11').value === value", arg=predicted)
    name = page.inner_text("#walk .name")
    page.locator("circle.cell").nth(3).dispatch_event("click")
    page.wait_for_function("name => document.querySelector('#walk .name').innerText !== name", arg=name)
    assert page.inner_text("#walk .name").endswith("to cell 3")


def test_the_page_lives_while_a_solve_hangs_and_cancels_it(served, page):
    children = psutil.Process(served[0].pid).children(recursive=True)
    for child in children:
        child.suspend()
    page.click("#choose-walk")
    page.click("#verify")
    page.wait_for_function("/process: [1-9]\\d* s/.test(document.querySelector('#progress').innerText)")
    page.locator("#share").fill("0.25")
    page.wait_for_function("document.querySelector('#walk .name').innerText.startsWith('0.25')")
    page.click("#cancel")
    page.wait_for_function("document.querySelector('#progress').innerText === 'cancelled'")
    for child in children:
        child.resume()


def test_an_impossible_target_is_refused_as_it_is_typed(page):
    page.fill("#C11", "500")
    page.wait_for_selector("#feasible.bad")
    assert "Voigt" in page.inner_text("#feasible")
    assert page.is_disabled("#generate")
    page.fill("#C11", "eight")
    page.wait_for_function("document.querySelector('#feasible').innerText.includes('expected six numbers')")
    page.click("#isotropic")
    page.wait_for_selector("#feasible.good")
    page.fill("#ratio", "0.7")
    page.click("#isotropic")
    page.wait_for_selector("#message")
    assert "Poisson" in page.inner_text("#message")


def test_a_port_that_is_taken_is_one_line(served, run_folder, capsys):
    port = str(urlsplit(served[1]).port)
    assert main(["explore", str(run_folder), "--no-browser", "--port", port]) == 2
    assert "Address already in use" in capsys.readouterr().err


def test_ctrl_c_ends_it_and_leaves_no_process(served):
    process, _ = served
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(30) == 0
    assert "explorer ended" in rest
    assert "Traceback" not in rest
    assert not psutil.wait_procs(children, timeout=10)[1]


def write(folder, record):
    """The record of a designed cell."""
    (folder / "design.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: None, "expected the folder of a genmech demo run, found no run.json, data"),
        (lambda folder: write(folder, {}), "expected the record of genmech design cell"),
        (
            lambda folder: write(folder, {"run": "nowhere", "settings": {"target": [9, 4.5, 0, 9, 0, 4]}}),
            "nowhere: expected the folder of a genmech demo run",
        ),
    ],
)
def test_other_folders_are_one_line(tmp_path, capsys, make, text):
    make(tmp_path)
    assert main(["explore", str(tmp_path), "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


def test_a_port_out_of_range_is_refused(run_folder, capsys):
    assert main(["explore", str(run_folder), "--port", "70000"]) == 2
    assert "--port: expected 0 to 65535, got 70000" in capsys.readouterr().err
