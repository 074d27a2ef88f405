// Keeps what is marked data-live up to date by asking for the page again. Everything works without it.
"use strict";
(() => {
  const busy = (part) => {
    const here = document.activeElement;
    return part.querySelector("details[open]") || (part.contains(here) && here.matches("input, select, textarea"));
  };
  const swap = (part, fresh) => {
    if (!fresh || part.innerHTML === fresh.innerHTML || busy(part)) return;
    const here = document.activeElement;
    const link = part.contains(here) ? here.getAttribute("href") : null;
    part.innerHTML = fresh.innerHTML;
    part.dataset.live = fresh.dataset.live;
    if (link) { for (const one of part.querySelectorAll("a")) { if (one.getAttribute("href") === link) { one.focus(); break; } } }
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(10000) });
      if (answer.type === "opaqueredirect") location.reload();  // the session is over
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) swap(part, page.getElementById(part.id));
      document.title = page.title;
    } catch { /* the next look may succeed */ }
  };
  const wait = () => {
    const seconds = [...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live));
    if (seconds.length) setTimeout(async () => { await look(); wait(); }, 1000 * Math.min(...seconds));
  };
  wait();
})();
