// Runs in every frame before the page's own scripts. REPORT is a binding of the recorder; pages do not see it.
(() => {
  const report = globalThis.REPORT;
  delete globalThis.REPORT;
  const say = (kind, detail = "") => report(JSON.stringify({ kind, detail }));

  // Only Agora's recorder has this function (agora-reference §8.6).
  Object.defineProperty(Navigator.prototype, "notifyReady", { value: () => say("ready"), configurable: true });

  // Many pages only ask whether there is WebGL: drawing with it is what counts.
  for (const type of [globalThis.WebGLRenderingContext, globalThis.WebGL2RenderingContext]) {
    for (const name of ["drawArrays", "drawElements", "drawArraysInstanced", "drawElementsInstanced"]) {
      const plain = type?.prototype[name];
      if (!plain) continue;
      type.prototype[name] = function (...values) {
        type.prototype[name] = plain;
        say("webgl");
        return plain.apply(this, values);
      };
    }
  }

  // The browser would cover the page: with a print sheet, or by asking whether to open another program.
  window.print = () => {};
  const command = Document.prototype.execCommand;
  Document.prototype.execCommand = function (name, ...more) {
    return String(name).toLowerCase() === "print" ? false : command.call(this, name, ...more);
  };
  const inside = ["http:", "https:", "about:", "blob:", "data:", "file:", "javascript:"];
  const leaves = (url) => URL.canParse(url, document.baseURI) && !inside.includes(new URL(url, document.baseURI).protocol);
  globalThis.navigation?.addEventListener("navigate", (event) => {
    if (leaves(event.destination.url)) event.preventDefault();
  });
  // A frame's first navigation has no such event.
  const frame = HTMLIFrameElement.prototype;
  const source = Object.getOwnPropertyDescriptor(frame, "src");
  Object.defineProperty(frame, "src", { ...source, set(url) { if (!leaves(url)) source.set.call(this, url); } });
  frame.setAttribute = function (name, value) {
    if (String(name).toLowerCase() !== "src" || !leaves(value)) Element.prototype.setAttribute.call(this, name, value);
  };

  // Events of media elements do not bubble, but they are captured on their way down.
  const measure = ({ target }) => {
    if (target instanceof HTMLVideoElement && target.videoWidth) say("video", [target.videoWidth, target.videoHeight]);
  };
  addEventListener("loadedmetadata", measure, true);
  addEventListener("resize", measure, true);
})();
