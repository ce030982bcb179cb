"use strict";
/* Keeps the page fresh, moves the present along, and explains marks on hover and focus. Works without: titles stay. */
(() => {
  const tip = document.getElementById("tip");
  const lost = document.getElementById("lost");
  const busy = new Set();
  const PAUSE_MS = 1900;
  const filled = new WeakMap();

  /* A live part is fetched again when its version has changed. */
  async function refresh(part, version) {
    if (busy.has(part) || part.dataset.version === version || document.hidden) return;
    if (performance.now() - (filled.get(part) ?? -PAUSE_MS) < PAUSE_MS) return;
    if (await fill(part, `/fragments/${part.dataset.live}`)) part.dataset.version = version;
  }

  async function fill(part, address) {
    busy.add(part);
    try {
      const answer = await fetch(address, { headers: { accept: "text/html" } });
      if (!answer.ok) return false;
      const words = await answer.text();
      const place = placeOfFocus(part);
      part.innerHTML = words;
      prepare(part);
      giveFocusBack(part, place);
      filled.set(part, performance.now());
      return true;
    } catch {
      return false; /* the stream's own error handler tells the reader */
    } finally {
      busy.delete(part);
    }
  }

  function placeOfFocus(root) {
    const all = [...root.querySelectorAll(".hit, a, button")];
    return all.indexOf(document.activeElement);
  }

  function giveFocusBack(root, place) {
    const mark = place >= 0 ? [...root.querySelectorAll(".hit, a, button")][place] : null;
    if (mark) mark.focus({ preventScroll: true });
    else if (root.contains(shown)) hide();
  }

  /* One tool tip of ours instead of the browser's late one. */
  function prepare(root) {
    for (const title of root.querySelectorAll(".hit > title")) {
      title.parentNode.setAttribute("aria-label", title.textContent);
      title.remove();
    }
  }

  let shown = null;
  function show(mark, x, y) {
    if (shown) for (const column of twins(shown)) column.classList.remove("on");
    shown = mark;
    for (const column of twins(mark)) column.classList.add("on");
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(x - box.width / 2, 8), window.innerWidth - box.width - 8);
    const top = y - box.height - 14 > 8 ? y - box.height - 14 : y + 20;
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }

  function hide() {
    if (shown) for (const column of twins(shown)) column.classList.remove("on");
    shown = null;
    tip.hidden = true;
  }

  /* The same interval in all charts. */
  function twins(mark) {
    const group = mark.closest(".columns");
    if (!group) return [];
    const index = [...group.children].indexOf(mark);
    return [...document.querySelectorAll(".columns")].map((each) => each.children[index]).filter(Boolean);
  }

  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.(".hit");
    if (mark) show(mark, event.clientX, event.clientY);
    else if (shown && shown !== document.activeElement) hide();
  });
  document.addEventListener("focusin", (event) => {
    const mark = event.target.closest?.(".hit");
    if (!mark) return hide();
    const box = mark.getBoundingClientRect();
    show(mark, box.left + box.width / 2, box.top);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const mark = document.activeElement?.closest?.(".hit");
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (!mark || !(event.key in steps || event.key === "Home" || event.key === "End")) return;
    const marks = [...mark.closest("svg").querySelectorAll(".hit")];
    let next = marks.indexOf(mark) + (steps[event.key] ?? 0);
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = marks.length - 1;
    event.preventDefault();
    const target = marks[Math.min(Math.max(next, 0), marks.length - 1)];
    mark.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
    target.focus();
  });
  document.addEventListener("scroll", () => { if (shown && shown !== document.activeElement) hide(); }, { passive: true });

  function movePresent(seconds) {
    for (const mark of document.querySelectorAll(".present")) {
      const { fromS, toS, fromPx, toPx } = mark.dataset;
      const share = Math.min(Math.max((seconds - fromS) / (toS - fromS), 0), 1);
      const x = Number(fromPx) + share * (toPx - fromPx);
      mark.setAttribute("x1", x);
      mark.setAttribute("x2", x);
    }
  }

  const stream = new EventSource("/v1/events");
  stream.addEventListener("versions", (event) => {
    const versions = JSON.parse(event.data);
    lost.hidden = true;
    for (const part of document.querySelectorAll("[data-live]")) {
      refresh(part, String(part.dataset.live === "plan" ? versions.plan : versions.now));
    }
    if (versions.now_s !== null) movePresent(versions.now_s);
  });
  stream.addEventListener("error", () => { lost.hidden = false; });
  stream.addEventListener("open", () => { lost.hidden = true; });
  prepare(document);
  for (const part of document.querySelectorAll("[data-fragment]")) fill(part, part.dataset.fragment);
})();
