// Sends the calls of the page's forms to the service that gave the page, and filters its contents.
(() => {
  const token = document.getElementById("token");
  document.body.classList.add("scripted");

  const ask = async (form) => {
    const query = new URLSearchParams(), headers = {};
    let path = form.dataset.path;
    for (const input of form.querySelectorAll("input")) {
      if (!input.value) continue;
      if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
      if (input.dataset.in === "query") query.append(input.name, input.value);
      if (input.dataset.in === "header") headers[input.name] = input.value;
    }
    if (token.value) headers.Authorization = `Bearer ${token.value.trim()}`;
    const body = form.querySelector("textarea")?.value;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const began = performance.now();
    const answer = await fetch(path + (query.size ? `?${query}` : ""), {
      method: form.dataset.method, headers, body, credentials: "omit", cache: "no-store", redirect: "manual",
    });
    const kind = answer.headers.get("Content-Type") || "";
    const head = `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - began)} ms`;
    if (!/json|text|mpegurl/.test(kind)) return `${head}\n${(await answer.blob()).size} bytes of ${kind || "nothing"}`;
    const text = await answer.text();
    return `${head}\n\n${/json/.test(kind) ? JSON.stringify(JSON.parse(text), null, 2) : text}`;
  };

  for (const form of document.querySelectorAll(".try form")) {
    const output = form.querySelector("output");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      output.textContent = "…";
      try { output.textContent = await ask(form); } catch (error) { output.textContent = `No answer: ${error.message}`; }
    });
  }

  // Where the contents stand above the text, not beside it, they are folded.
  if (!matchMedia("(min-width: 70rem)").matches) {
    for (const group of document.querySelectorAll("nav details")) group.open = false;
  }
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const item of document.querySelectorAll("nav li")) item.hidden = !item.textContent.toLowerCase().includes(wanted);
    if (wanted) for (const group of document.querySelectorAll("nav details")) group.open = true;
  });
})();
