"""Open every deck, hand-out, live show and notebook in Chromium, without a network; fail on what a reader stumbles over.

Decks (built by .slides/build) and the two live shows (.slides/show: RISE with --rise, "Start Deck" with --deck-mode):
every slide with all its fragments at 1280 x 720: content outside the slide, a clipped line of code, text below
20 pixels, math that did not render, a cell that the show leaves out. With --live as a lecturer would: Run All,
outputs cleared, then every cell on a slide run in the show (minutes a notebook).
Hand-outs and solutions: a note or an answer where none belongs, and the same of math and pictures.
Notebooks in JupyterLab: the same. Everywhere but in the shows: an error on the console, a broken image, a picture
without alternative text (JupyterLab shows none), a request that leaves the machine.

Usage: python .ci/check_in_browser.py SCREENSHOTS [--decks] [--sheets] [--lab] [--rise] [--deck-mode] [--live] [NAME ...]
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    *["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    *["--disable-component-update", "--disable-sync", "--allow-file-access-from-files"],
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the network is cut
]
PAGE_FAULTS = """root => {
  const faults = [];
  for (const e of root.querySelectorAll('[data-mml-node=merror], mjx-merror')) faults.push('math: ' + e.textContent.slice(0, 60));
  for (const e of root.querySelectorAll('.jp-RenderedMarkdown p')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join('');
    if (/\\$\\$|\\\\(frac|sum|tag)/.test(text)) faults.push('math left as text: ' + e.textContent.slice(0, 60));
  }
  for (const e of root.querySelectorAll('img')) {
    if (!e.complete || !e.naturalWidth) faults.push('a broken image');
    if (!e.alt && !document.querySelector('#main.lm-Widget, .jp-LabShell')) faults.push('a picture without alternative text');
  }
  return faults;
}"""
SMALL = """slide => {
  const small = new Set(), texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  for (let n = texts.nextNode(); n; n = texts.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.getClientRects().length || !e.checkVisibility({visibilityProperty: true})) continue;
    if (e.closest('aside, mjx-container, .MathJax, .cm-gutters')) continue;
    const size = getComputedStyle(e).fontSize;
    if (parseFloat(size) < 20) small.add(`text of ${size}: ${n.data.trim().slice(0, 30)}`);
  }
  return [...small].slice(0, 3);
}"""
SLIDE_FAULTS = """() => {
  const slide = Deck.getCurrentSlide(), scale = Deck.getScale(), faults = [];
  const top = slide.getBoundingClientRect().top;
  let bottom = 0;
  for (const e of slide.querySelectorAll('*')) {
    if (e.closest('aside, mjx-assistive-mml') || !e.getClientRects().length) continue;
    bottom = Math.max(bottom, (e.getBoundingClientRect().bottom - top) / scale);
  }
  if (bottom > 722) faults.push(`content ends at ${Math.round(bottom)} of 720`);
  for (const e of slide.querySelectorAll('pre, .jp-RenderedMarkdown, mjx-container'))
    if (e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0 && !e.closest('aside') && getComputedStyle(e).display !== 'inline')
      faults.push('clipped at the right: ' + e.textContent.trim().slice(0, 50));
  return faults;
}"""
VISIBLE = "e => e.getClientRects().length > 0 && e.offsetHeight > 0 && e.checkVisibility({opacityProperty: true, visibilityProperty: true})"
SHOW_FAULTS = """slide => {
  const seen = {opacityProperty: true, visibilityProperty: true}, faults = [];
  const shown = e => e.getClientRects().length && e.checkVisibility(seen) && !e.parentElement.closest('mjx-container, .jp-Deck-Remote');
  const parts = [...slide.querySelectorAll('*')].filter(shown);
  const bottom = Math.max(...parts.map(e => e.getBoundingClientRect().bottom));
  if (bottom > 722) faults.push(`content ends at ${Math.round(bottom)} of 720`);
  if (!slide.innerText.trim() && !slide.querySelector('img')) faults.push('empty');
  for (const e of slide.querySelectorAll('.jp-RenderedText[data-mime-type*=stderr]'))
    if (shown(e)) faults.push('an error: ' + e.innerText.slice(-200));
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
        slide = page.evaluate_handle("Deck.getCurrentSlide()")
        found = page.evaluate(SLIDE_FAULTS) + page.evaluate(SMALL, slide) + page.evaluate(PAGE_FAULTS, slide)
        faults += [f"slide {number}: {fault}" for fault in found]
    page.close()
    return len(slides), faults


def check_sheet(browser, path, pictures):
    """A hand-out or a sheet of solutions: what must not stand there, and what must."""
    faults = []
    page = browser.new_page(viewport={"width": 900, "height": 1200})
    watch(page, faults)
    page.goto(f"file://{path}")
    page.wait_for_function("window.MathJax && MathJax.startup")
    page.evaluate("() => MathJax.startup.promise")
    faults += page.evaluate(PAGE_FAULTS, page.query_selector("body"))
    text = page.inner_text("body")
    students = ".handout." in path.name
    for words in ["For the teacher", *(["Answer (", "One way to write it", "people write"] if students else ["What the check draws"])]:
        if words in text:
            faults.append(f"'{words}' stands there")
    if page.evaluate("document.documentElement.scrollWidth > innerWidth + 2"):
        faults.append("wider than the page")
    page.screenshot(path=pictures / f"{path.name.removesuffix('.html')}.png", full_page=True)
    page.close()
    return 1, faults


def open_lab(page, url, name):
    page.goto(f"{url}/lab/tree/notebooks/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1")
    page.wait_for_timeout(3000)


def wait_until_idle(page):
    busy = "[...document.querySelectorAll('.jp-InputPrompt')].some(e => e.textContent.includes('[*]'))"
    page.wait_for_function(f"!{busy}", timeout=400_000)  # the longest notebook on a busy machine


def run_all_and_clear(page, url, name):
    """What the first slide says: Run All, clear the outputs, start."""
    open_lab(page, url, name)
    for menu, command in [("Run", "Run All Cells"), ("Edit", "Clear Outputs of All Cells"), ("File", "Save Notebook")]:
        page.get_by_role("menuitem", name=menu, exact=True).click()
        page.get_by_text(command, exact=True).click()
        page.wait_for_timeout(2000)
        wait_until_idle(page)


def run_cells(page, cells):
    """Run cells one by one, as a lecturer does; yield what fails."""
    for cell in cells:
        line = cell.query_selector(".cm-content")
        if line and line.is_visible():
            line.evaluate("e => e.focus()")
        else:
            cell.click(position={"x": 60, "y": 12})
            page.wait_for_timeout(500)
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(400)
        wait_until_idle(page)
        ran = "cell => !cell.matches('.jp-mod-noOutputs') || /\\[\\d+\\]/.test(cell.querySelector('.jp-InputPrompt').textContent)"
        try:
            page.wait_for_function(ran, arg=cell)  # a folded cell has no prompt, but a picture
        except TimeoutError:
            yield "a cell that did not run"
        text = cell.inner_text()
        if "Traceback" in text or "Error:" in text:
            yield f"a cell that fails: {text[-200:]}"


def rise_steps(page, url, name):
    """The steps of the show that Alt+R starts."""
    page.goto(f"{url}/rise/notebooks/{name}.ipynb")
    page.wait_for_selector(".reveal section.present h1")
    page.wait_for_timeout(4000)
    seen = ""
    while page.url != seen:
        seen = page.url
        yield page.query_selector(".reveal section.present section.present") or page.query_selector(".reveal section.present")
        page.keyboard.press("Escape")
        page.keyboard.press("PageDown")
        page.wait_for_timeout(500)


def deck_mode_steps(page, url, name):
    """The steps of the show that the button "Start Deck" starts."""
    if f"/{name}.ipynb" not in page.url:
        open_lab(page, url, name)
    page.locator(".jp-Notebook .jp-RenderedMarkdown h1").first.click()
    page.locator("[data-command='deck:toggle']").first.click()
    page.wait_for_selector(".jp-Deck .jp-deck-mod-visible h1")
    where = """[...document.querySelectorAll('.jp-Deck .jp-Cell')].map(
      (e, i) => (e.matches('.jp-deck-mod-visible') ? i : '') + (e.matches('.jp-mod-active') ? '*' : '')).join()"""
    moved = True
    while moved:
        page.wait_for_timeout(500)
        here, moved = page.evaluate(where), False
        yield page.query_selector(".jp-Deck .jp-Notebook")
        for way in ("down", "forward"):
            button = page.query_selector(f".jp-deck-mod-direction-{way}:not(.jp-mod-disabled)")
            if button and not moved:
                button.click()
                page.mouse.move(640, 700)
                with contextlib.suppress(TimeoutError):
                    page.wait_for_function("here => " + where + " !== here", arg=here, timeout=2000)
                    moved = True
    page.keyboard.press("Escape")
    page.wait_for_selector("body:not([data-jp-deck-mode='presenting'])", state="attached")


def check_show(browser, url, name, pictures, steps, live):
    """A live show, step by step, with the stored outputs or run live; its own errors on the console are not ours."""
    faults, seen, number = [], 0, 0
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(60_000)
    if live:
        run_all_and_clear(page, url, name)
    for number, slide in enumerate(steps(page, url, name), 1):
        new = [cell for cell in slide.query_selector_all(".jp-Cell:not([data-seen])") if cell.evaluate(VISIBLE)]
        seen += len(new)
        for cell in new:
            cell.evaluate("e => e.setAttribute('data-seen', '')")
        found = list(run_cells(page, [cell for cell in new if cell.evaluate("e => e.matches('.jp-CodeCell')")])) if live else []
        page.screenshot(path=pictures / f"{name}-{steps.__name__.removesuffix('_steps')}-{number:02d}.png")
        found += page.evaluate(SHOW_FAULTS, slide) + page.evaluate(SMALL, slide)
        faults += [f"step {number}: {fault}" for fault in found]
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    types = [cell["metadata"].get("slideshow", {}).get("slide_type") for cell in cells]
    wanted = len([kind for kind in types if kind not in ("skip", "notes")])
    if seen != wanted:
        faults.append(f"{seen} of {wanted} cells were seen")
    page.close()
    return number, faults


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


def start_lab(root, live):
    """JupyterLab on this machine only, as a reader or as a live show starts it; returns the process and its address."""
    settings = tempfile.mkdtemp()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.token=", "--allow-root", "--LabApp.news_url="]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--LabApp.workspaces_dir={settings}"]
    start = [root / ".slides" / "show", "00_start_here"] if live else ["-m", "jupyterlab"]
    command = [sys.executable, *start, "--ServerApp.port_retries=0", *options]
    url = f"http://127.0.0.1:{port}"
    log = open(Path(settings) / "log", "w")  # noqa: SIM115
    process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, start_new_session=True)
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/api").close()
            return process, url
        except OSError:
            time.sleep(0.5)
    process.kill()
    raise SystemExit(f"JupyterLab did not start:\n{(Path(settings) / 'log').read_text()}")


def copy_of_checkout(folder):
    """A copy for JupyterLab, which saves what it has opened."""
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def main():
    pictures, *options = sys.argv[1:]
    pictures = Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    wanted = [o for o in options if not o.startswith("--")]
    names = wanted or [p.stem for p in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    executable = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    live = "--live" in options
    parts = {o for o in options if o.startswith("--")} - {"--live"} or {"--decks", "--sheets", "--rise", "--deck-mode", "--lab"}
    out, failed = ROOT / ".slides" / "out", False

    def report(what, result):
        nonlocal failed
        count, faults = result
        print(f"{what}: {count} screens, {len(faults)} faults", flush=True)
        for fault in faults:
            print("  ", fault)
        failed = failed or bool(faults)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for name in names if "--decks" in parts else []:
            report(f"deck {name}", check_deck(browser, out / f"{name}.slides.html", pictures))
        for name in names if "--sheets" in parts else []:
            report(f"hand-out {name}", check_sheet(browser, out / f"{name}.handout.html", pictures))
            report(f"solutions {name}", check_sheet(browser, out / f"{name}.solutions.html", pictures))
        for part, check, *more in [
            ("--rise", check_show, rise_steps, live),
            ("--deck-mode", check_show, deck_mode_steps, live),
            ("--lab", check_lab),
        ]:
            if part not in parts:
                continue
            with tempfile.TemporaryDirectory() as folder:
                process, url = start_lab(copy_of_checkout(Path(folder)), part != "--lab")
                try:
                    for name in names:
                        report(f"{part[2:]} {name}", check(browser, url, name, pictures, *more))
                finally:
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait()
        browser.close()
    sys.exit(failed)


if __name__ == "__main__":
    main()
