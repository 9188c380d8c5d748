"""Entry point of the app: `streamlit run app/Home.py` from any folder. It only navigates; the pages are in ../pages."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:  # `streamlit run` puts only app/ on the path
    sys.path.insert(0, ROOT)

import streamlit as st

from app.ui import guards, navigation

if __name__ == "__main__":  # Streamlit runs this file for every page that it draws
    page = st.navigation(navigation.pages())
    st.set_page_config(page_title=f"{page.title} · GenAIR Studio", page_icon=":material/diversity_3:", layout="wide")
    with guards.readable_errors():
        page.run()
else:  # its server imports it once, and finds `app`
    from app.ui import server

    app = st.App(__file__, routes=server.ROUTES, lifespan=server.lifespan)
