// Keeps what is marked data-live up to date by asking for the page again. Everything works without it.
"use strict";
(() => {
  // What is alike stays in place: a film goes on, what is open stays open, what has the focus keeps it.
  const update = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = fresh.nodeValue; return; }
    for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    updateChildren(old, fresh);
  };
  const named = (part, id) => [...part.children].find((child) => child.id === id);
  const updateChildren = (old, fresh) => {
    let here = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const alike = here && !here.id && here.nodeName === next.nodeName ? here : null;
      const found = next.id ? named(old, next.id) : alike;
      if (!found) { old.insertBefore(document.importNode(next, true), here); continue; }
      if (found === here) here = here.nextSibling; else old.insertBefore(found, here);
      update(found, next);
    }
    while (here) { const gone = here; here = here.nextSibling; gone.remove(); }
  };
  // A place in a film: without this script the link opens the film there.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-film]");
    const film = link && document.getElementById(link.dataset.film);
    if (!film || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const folded = film.closest("details");
    if (folded) folded.open = true;
    film.currentTime = Number(link.dataset.seconds);
    film.scrollIntoView({ block: "center" });
    film.focus({ preventScroll: true });
    film.play().catch(() => {});  // the browser may want a click on the film itself
  });
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(10000) });
      if (answer.type === "opaqueredirect") location.reload();  // the session is over
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh) update(part, fresh);
      }
      document.title = page.title;
    } catch { /* the next look may succeed */ }
  };
  const wait = () => {
    const seconds = [...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live));
    if (seconds.length) setTimeout(async () => { await look(); wait(); }, 1000 * Math.min(...seconds));
  };
  wait();
})();
