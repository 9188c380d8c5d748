"""What the app's server does beside drawing pages: the HTTP API, and opening the browser where there is one."""

from __future__ import annotations

import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from app.ui import services
from genair_engine.api.mounted import mounted

ROUTES = mounted(services.recommenders)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Streamlit opens no browser for an app that brings routes of its own; a person at the machine still gets one."""
    if not st.get_option("server.headless"):
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        webbrowser.open(f"{scheme}://localhost:{st.get_option('server.port')}/{st.get_option('server.baseUrlPath')}")
    yield
