"""Hostile text in a run is shown by its report and does nothing, in a real browser too."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import xarray as xr

import ionflow
from ionflow import report
from ionflow.registry import Declared, Origin, Registry

sys.path.insert(0, str(Path(__file__).parents[1]))
import synthetic_run
from page_text import Page

MARK = "document.documentElement.dataset.ran='yes'"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def hostile(server: str) -> list[str]:
    """Texts that would run a script, ask the server, or leave the place they are written to."""
    return [
        f"<script>{MARK}</script>",
        f'"><img src={server}/img onerror="{MARK}">',
        f"'><svg onload={MARK}>",
        f"</style><script>{MARK}</script><style>@import url({server}/css);",
        f"javascript:{MARK}",
        f"</title></textarea></svg><iframe srcdoc='<script>parent.{MARK}</script>'>",
        f"<link rel=stylesheet href={server}/link>",
        f"<meta http-equiv=refresh content='0;{server}/go'>",
        f'x" style="background:url({server}/attr)',
        f"&lt;script&gt;{MARK}&lt;/script&gt;",
        "{{7*7}}{% raw %}{{ page }}${7*7}#{7*7}",
        "\u202egpj.exe\u2066\u200b\x00\x1b[31m\ud800",
        f"]]><script>{MARK}</script><![CDATA[",
        f"--><script>{MARK}</script><!--",
        "../../../../tmp/evil",
    ]


@pytest.fixture(scope="module")
def server():
    """Whoever is asked for anything; `asked` has the paths."""
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_port}", asked
    listener.shutdown()
    listener.server_close()


@pytest.fixture(scope="module")
def run(server, tmp_path_factory) -> Path:
    """A run with hostile text wherever a recipe, a plugin or a machine can put some."""
    texts = [text.encode(errors="replace").decode() for text in hostile(server[0])]
    everything = " ".join(texts)
    root = tmp_path_factory.mktemp("hostile") / "run"
    made = synthetic_run.Synthetic(root, alkalis=("Li",), replicas=1, steps=200)
    made.title = everything
    made.trajectories()
    for number, text in enumerate(texts):
        reason = {"label": text, "name": text, "reason": text, "traceback": text}
        made.store.record_failure(synthetic_run.key("gone", number), reason)
        made.stage(text, {"A": "Li", "axis": text, "replica": 0}, (300.0, 300.0), 200, record=False)
        attrs = {"units": text, "long_name": text, text: text}
        word = "v" + re.sub(r"[ /\\\x00]", "_", text)  # what the store takes for a name
        values, labels = {word: (f"d{word}", [1.0], attrs)}, {f"d{word}": [text]}
        made.joined(text, xr.Dataset(values, labels, {text: text}))
    for A, T, r in made.cases():
        drawn = texts[:5]  # each is a panel or a line
        data = xr.Dataset(
            {"diffusion": ("species", [1e-5] * len(drawn), {"units": everything})},
            {"species": drawn},
        )
        made.result("diffusion", (A, T, r), data)
        shape = {"pair": drawn, "r": [1.0, 2.0, 3.0]}
        curve = xr.DataArray([[0.0, 1.0, 1.0]] * len(drawn), shape, ("pair", "r"))
        made.result("rdf", (A, T, r), xr.Dataset({"rdf": curve}))
    host = {"hostname": everything, "cpu": everything, "cores": 1, "memory_GB": 1.0}
    more = {"name": everything, "scale": everything, "host": host}
    return made.finish(**more, versions={text: text for text in texts})


@pytest.fixture(scope="module")
def page(run) -> Path:
    return report.write(run)


def test_no_text_becomes_a_tag_or_an_attribute(page):
    tags = Page(page).tags
    assert not {tag for tag, _ in tags} & {"script", "iframe", "img", "link", "object", "base"}
    names = {name for _, attributes in tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "srcdoc")}
    links = [a["href"] for _, a in tags if "href" in a]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_the_text_is_there_and_no_template_was_evaluated(page):
    text = Page(page).text
    assert f"<script>{MARK}</script>" in text
    assert "{{7*7}}" in text
    assert "\x00" not in text
    assert "\x1b" not in text


def test_the_policy_allows_no_script_and_no_address(page):
    policies = [a["content"] for tag, a in Page(page).tags
                if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]  # fmt: skip
    (policy,) = policies
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "*" not in policy
    assert "script-src" not in policy
    assert "unsafe-eval" not in policy


def test_figures_have_names_of_ionflows_own_and_stay_in_their_folder(run, page):
    figures = sorted((run / "report" / "figures").iterdir())
    assert figures
    assert all(re.fullmatch(r"[a-z0-9_-]+\.svg", path.name) for path in figures)
    assert not [p for p in (run / "report").rglob("*") if p.suffix not in (".svg", ".html", "")]
    for path in figures:
        assert "<script" not in path.read_text(encoding="utf-8")


def dumped(page: Path, folder: Path) -> str:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs a browser: chromium or google-chrome")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-extensions",
               "--disable-background-networking", "--no-first-run", "--virtual-time-budget=3000",
               f"--user-data-dir={folder}", "--dump-dom", page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "<" not in done.stdout:
        pytest.skip(f"the browser does not work here: {done.stderr[-300:]}")
    return done.stdout


def test_a_browser_runs_nothing_and_asks_nobody(page, server, tmp_path):
    # the same browser does run a script and ask the server where nothing keeps it from doing so
    address, asked = server
    bait = tmp_path / "bait.html"
    bait.write_text(f"<html><script>{MARK}</script><img src={address}/bait></html>")
    assert 'data-ran="yes"' in dumped(bait, tmp_path / "profile")
    assert asked == ["/bait"]
    asked.clear()
    document = dumped(page, tmp_path / "profile")
    assert "ionflow report" in document
    assert "data-ran" not in document.partition("<body")[0]
    assert asked == []


def test_notebooks_show_hostile_names_as_text(run, server):
    texts = hostile(server[0])
    origin = Origin(texts[1], texts[0], lambda: None, "x")
    shown = ionflow.open(run)._repr_html_()
    shown += Registry([Declared("fine", origin), Declared(texts[0], origin)])._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown
