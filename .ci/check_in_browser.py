"""Open every deck and every notebook in Chromium, without a network, and fail on what a reader would stumble over.

Decks (built by .slides/build): every slide with all its fragments: content outside the 1280 x 720 slide, a clipped line of
code, math that did not render, a broken image, an error on the console, a request that leaves the machine.
Notebooks in JupyterLab: math that did not render, a broken image, an error on the console, such a request.

Usage: python .ci/check_in_browser.py FOLDER_FOR_SCREENSHOTS [--decks | --lab] [NAME ...]
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --allow-file-access-from-files""".split()
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # the network is cut
SLIDE_FAULTS = """() => {
  const slide = Deck.getCurrentSlide(), scale = Deck.getScale(), faults = [];
  const top = slide.getBoundingClientRect().top;
  let bottom = 0;
  for (const e of slide.querySelectorAll('*')) {
    if (e.closest('aside') || e.closest('mjx-assistive-mml') || !e.getClientRects().length) continue;
    bottom = Math.max(bottom, (e.getBoundingClientRect().bottom - top) / scale);
  }
  if (bottom > 722) faults.push(`content ends at ${Math.round(bottom)} of 720`);
  for (const e of slide.querySelectorAll('pre, .jp-RenderedMarkdown, mjx-container'))
    if (e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0 && !e.closest('aside') && getComputedStyle(e).display !== 'inline')
      faults.push('clipped at the right: ' + e.textContent.trim().slice(0, 50));
  for (const e of slide.querySelectorAll('[data-mml-node=merror], mjx-merror')) faults.push('math: ' + e.textContent.slice(0, 60));
  for (const e of slide.querySelectorAll('.jp-RenderedMarkdown p'))
    if (/\\$\\$|\\\\(frac|sum|tag)/.test([...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join('')))
      faults.push('math left as text: ' + e.textContent.slice(0, 60));
  for (const e of slide.querySelectorAll('img')) if (!e.complete || !e.naturalWidth) faults.push('a broken image');
  return faults;
}"""


def watch(page, faults):
    """Collect console errors and requests that leave the machine."""

    def request(r):
        if not re.match(r"(file|data|blob|about):|(http|ws)://127\.0\.0\.1", r.url):
            faults.append(f"a request leaves the machine: {r.url[:80]}")

    page.set_default_timeout(180_000)  # a busy machine
    page.on("request", request)
    page.on("pageerror", lambda e: faults.append(f"page error: {str(e)[:120]}"))
    page.on("console", lambda m: m.type == "error" and faults.append(f"console: {m.text[:120]}"))


def check_deck(browser, path, pictures):
    faults = []
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    watch(page, faults)
    page.goto(f"file://{path}")
    page.wait_for_function("window.Deck && Deck.isReady() && window.MathJax && MathJax.startup")
    page.evaluate("() => MathJax.startup.promise")
    slides = page.evaluate("Deck.getSlides().map(s => Deck.getIndices(s))")
    for number, where in enumerate(slides, 1):
        page.evaluate("i => Deck.slide(i.h, i.v, 99)", where)
        page.wait_for_timeout(40)
        page.screenshot(path=pictures / f"{path.name.split('.')[0]}-slide-{number:02d}.png")
        faults += [f"slide {number}: {fault}" for fault in page.evaluate(SLIDE_FAULTS)]
    page.close()
    return len(slides), faults


def check_lab(browser, url, name, pictures):
    faults = []
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    watch(page, faults)
    page.goto(f"{url}/lab/tree/notebooks/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1")
    page.wait_for_timeout(2500)
    scroller = page.locator(".jp-WindowedPanel-outer").first
    height, y, number = scroller.evaluate("e => e.scrollHeight"), 0, 1
    while y < height:
        scroller.evaluate("(e, y) => e.scrollTo(0, y)", y)
        page.wait_for_timeout(350)
        page.screenshot(path=pictures / f"{name}-lab-{number:02d}.png")
        bad = page.evaluate("[...document.querySelectorAll('mjx-merror, [data-mml-node=merror]')].map(e => e.textContent)")
        faults += [f"math: {text[:60]}" for text in bad]
        broken = "[...document.querySelectorAll('.jp-Notebook img')].filter(e => e.complete && !e.naturalWidth).length"
        if page.evaluate(broken):
            faults.append(f"a broken image near screen {number}")
        y, number, height = y + 1400, number + 1, scroller.evaluate("e => e.scrollHeight")
    page.close()
    return number - 1, sorted(set(faults))


def start_lab():
    """JupyterLab on this machine only; returns the process and its address."""
    settings = tempfile.mkdtemp()
    options = ["--no-browser", "--ip=127.0.0.1", "--port=8931", "--ServerApp.token=", "--allow-root", "--LabApp.news_url=",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--LabApp.workspaces_dir={settings}"]  # fmt: skip
    log = open(Path(settings) / "log", "w")  # noqa: SIM115
    process = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], cwd=ROOT, stdout=log, stderr=log)
    for _ in range(120):
        try:
            urllib.request.urlopen("http://127.0.0.1:8931/api").close()
            return process, "http://127.0.0.1:8931"
        except OSError:
            time.sleep(0.5)
    process.kill()
    raise SystemExit(f"JupyterLab did not start:\n{(Path(settings) / 'log').read_text()}")


def main():
    pictures, *options = sys.argv[1:]
    pictures = Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    wanted = [o for o in options if not o.startswith("--")]
    names = wanted or [p.stem for p in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    executable = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    failed = False

    def report(what, result):
        nonlocal failed
        count, faults = result
        print(f"{what}: {count} screens, {len(faults)} faults", flush=True)
        for fault in faults:
            print("  ", fault)
        failed = failed or bool(faults)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        if "--lab" not in options:
            for name in names:
                report(f"deck {name}", check_deck(browser, ROOT / ".slides" / "out" / f"{name}.slides.html", pictures))
        if "--decks" not in options:
            process, url = start_lab()
            try:
                for name in names:
                    report(f"JupyterLab {name}", check_lab(browser, url, name, pictures))
            finally:
                process.terminate()
        browser.close()
    sys.exit(failed)


if __name__ == "__main__":
    main()
