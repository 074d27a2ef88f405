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

  // Nobody is there to choose a screen, and the question would cover the page.
  if (globalThis.MediaDevices) {
    const refused = () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
    Object.defineProperty(MediaDevices.prototype, "getDisplayMedia", { value: refused, configurable: true, writable: true });
  }

  // Events of media elements do not bubble, but they are captured on their way down.
  const measure = ({ target }) => {
    if (target instanceof HTMLVideoElement && target.videoWidth) say("video", [target.videoWidth, target.videoHeight]);
  };
  addEventListener("loadedmetadata", measure, true);
  addEventListener("resize", measure, true);
})();
