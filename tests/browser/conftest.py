"""The really started app, from another folder and on the filled workspace, and a headless Chromium to drive it.

Both run in process groups of their own and are stopped with the tests. Chromium is Debian's; where it is missing it is
installed if the process is root and CI or GENAIR_TEST_INSTALL is set, else the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from tests.debian import found_or_installed
from tests.workspaces import FilledWorkspace

ENTRY = Path(__file__).resolve().parents[2] / "app" / "Home.py"
STARTS_WITHIN = 60.0
"""Seconds that a cold start may take on a busy machine."""
PATIENCE = 30_000
"""Milliseconds in which what a test expects may come on a busy machine."""
expect.set_options(timeout=PATIENCE)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def app_url(filled_workspace: FilledWorkspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `streamlit run app/Home.py`, started in a folder that is not the project's."""
    with serving(filled_workspace.folder, tmp_path_factory.mktemp("elsewhere")) as url:
        yield url


@contextmanager
def serving(workspace: Path, elsewhere: Path) -> Iterator[str]:
    """The app on a workspace, started in the folder `elsewhere`, as its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "GENAIR_DATABASE_URL"}}
    environment |= {
        "HOME": str(elsewhere),
        "GENAIR_WORKSPACE": str(workspace),
        "GENAIR_API": "on",
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_SERVER_ENABLE_AGENT_API": "true",
    }
    command = [str(Path(sys.executable).parent / "streamlit"), "run", str(ENTRY)]
    log = elsewhere / "app.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=elsewhere, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_stcore/health", server, log)
        yield url
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def until(condition: Callable[[], bool], what: str, within: float = 90.0) -> None:
    """Waits for a condition, `within` seconds at most on a busy machine; fails with `what` should have been."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def press(button: Locator, condition: Callable[[], bool], what: str, within: float = 90.0) -> None:
    """Clicks until the condition holds, as a person would: the browser may drop a click while the page is drawn anew."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, what
        with suppress(Error, AssertionError):
            button.click(timeout=2000)
            until(condition, what, within=10.0)


def end_worker(process: int) -> None:
    """Asks a worker to leave, which ends its jobs, and insists."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 20
        with suppress(ProcessLookupError):
            os.kill(process, sign)
            while time.monotonic() < until:
                os.kill(process, 0)
                time.sleep(0.1)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the app did not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    program = found_or_installed(lambda: shutil.which("chromium"), "chromium")
    if program is None:
        pytest.skip("NO CHROMIUM: `apt-get install chromium` (or GENAIR_TEST_INSTALL=1 as root) runs these tests")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A desktop window."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone's window."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()
