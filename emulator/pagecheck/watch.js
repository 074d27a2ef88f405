// Injected into every frame before its own scripts: notes what the page does and tells it through one binding.
(() => {
  const tell = (kind, more) => {
    try { globalThis.__pagereel_tell(JSON.stringify({ kind, ...more })); } catch { /* the page is going away */ }
  };
  const hook = (owner, name, note) => {
    const original = owner && owner[name];
    if (typeof original !== "function") return;
    owner[name] = function (...words) {
      try { note.apply(this, words); } catch { /* the page must not feel it */ }
      return original.apply(this, words);
    };
  };

  if (window === window.top) {
    navigator.notifyReady = () => tell("ready", { at: performance.now() / 1000 });
  }

  for (const canvas of [globalThis.HTMLCanvasElement, globalThis.OffscreenCanvas]) {
    hook(canvas && canvas.prototype, "getContext", (type) => {
      if (/webgl|webgpu/.test(String(type))) tell("webgl", { type: String(type) });
    });
  }

  const opened = (what) => tell("windows", { what });
  hook(window, "open", () => opened("window.open"));
  hook(window, "print", () => opened("print"));
  hook(Document.prototype, "execCommand", (name) => { if (/^print$/i.test(String(name))) opened("print"); });

  const devices = globalThis.MediaDevices && MediaDevices.prototype;
  hook(devices, "getUserMedia", (asked) => {
    if (asked && asked.audio) tell("opens", { what: "microphone" });
    if (asked && asked.video) tell("opens", { what: "camera" });
  });
  hook(devices, "getDisplayMedia", () => tell("opens", { what: "screen" }));

  const peers = [];
  const Peer = globalThis.RTCPeerConnection;
  if (Peer) {
    globalThis.RTCPeerConnection = class extends Peer {
      constructor(...words) { super(...words); peers.push(this); }
    };
    hook(Peer.prototype, "addTrack", (track) => tell("publishes", { what: track.kind }));
    hook(Peer.prototype, "addStream", (stream) => stream.getTracks().forEach((t) => tell("publishes", { what: t.kind })));
    hook(Peer.prototype, "addTransceiver", (what, options) => {
      const sends = !options || !options.direction || options.direction.startsWith("send");
      if (sends && what instanceof MediaStreamTrack) tell("publishes", { what: what.kind });
    });
  }
  const countPeers = async () => {
    let sent = 0, received = 0;
    for (const peer of peers) {
      for (const report of (await peer.getStats()).values()) {
        if (report.type === "transport") { sent += report.bytesSent; received += report.bytesReceived; }
      }
    }
    tell("rtc", { sent, received });
  };

  const all = function* (root) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      if (element.shadowRoot) yield* all(element.shadowRoot);
    }
  };
  const shown = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowY + getComputedStyle(element).overflowX);
  const overflows = (element) =>
    element.scrollHeight > element.clientHeight + 1 || element.scrollWidth > element.clientWidth + 1;

  // The element on top at a point, whatever shadow tree it is in; and whether one element is in another.
  const topAt = (x, y) => {
    let found = document.elementFromPoint(x, y);
    for (let inner; found?.shadowRoot && (inner = found.shadowRoot.elementFromPoint(x, y)) && inner !== found;) found = inner;
    return found;
  };
  const within = (element, outer) => {
    for (let node = element; node; node = node.parentNode || node.host) if (node === outer) return true;
    return false;
  };
  const topOf = (element) => {
    const box = element.getBoundingClientRect();
    return topAt(box.x + box.width / 2, box.y + box.height / 2);
  };
  const covers = (element) => {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    return style.position === "fixed" && box.width >= innerWidth * 0.95 && box.height >= innerHeight * 0.95
      && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  };
  const holdsContent = (element) =>
    /^(img|video|canvas|svg|iframe|input|button)$/.test(element.localName)
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  // Whether anything of it is seen: a layer that only catches clicks hides nothing.
  const painted = (element) => {
    const style = getComputedStyle(element);
    return !/^(rgba\(.*, 0\)|transparent)$/.test(style.backgroundColor) || style.backgroundImage !== "none"
      || (style.backdropFilter || "none") !== "none" || [element, ...all(element)].some(holdsContent);
  };
  const nameOf = (element) => element.localName + (element.id ? `#${element.id.slice(0, 40)}` : "");
  const controls = "a[href], button, input, select, textarea, iframe, [role=button]";

  // What lies over the whole page: a modal dialog, or a fixed layer with something of the page under it.
  const overlay = () => {
    const elements = [...all(document)].filter((element) => element !== document.body);
    let found = elements.find((element) => element.localName === "dialog" && element.matches(":modal"));
    found ||= elements.find((element) => covers(element) && painted(element) && elements.some((other) =>
      !within(other, element) && !within(element, other) && holdsContent(other) && shown(other)
      && within(topOf(other), element)));
    if (!found) return null;
    const waits = elements.some((element) => element.matches(controls) && shown(element) && within(topOf(element), element));
    return { what: nameOf(found), waits };
  };

  // Consent bars, by their words and names. Words of the first list need a button beside them, those of the second one
  // an answer: a toolbar, a header or a chat has buttons too.
  const cookies = /cookies?\b|куки|クッキー|쿠키|ملفات تعريف الارتباط|informasjonskapsler|evästeet|\bkakor\b|çerez|\bsütik?\b|ciastecz/i;
  const privacy = /privacy|consent|our partners|gdpr|dsgvo|datenschutz|einwillig|vie privée|consentement|privacidad|privacidade|privatsphäre|конфиденциальн|персональн|隐私|隱私|プライバシー|개인정보|الخصوصية/i;
  const named = /cookie|consent|gdpr|onetrust|didomi|usercentrics|sp_message|qc-cmp|cmpbox|truste|osano|iubenda|klaro|axeptio|borlabs/i;
  const answer = /^\W*(accept|agree|allow|reject|decline|deny|ok\b|okay|got it|i understand|continue|save|akzept|zustimm|ablehn|einverstanden|verstanden|alle |accept|refus|j'accepte|d'accord|acept|rechaz|aceit|rejeit|accett|rifiut|akkoord|weiger|godta|godkänn|accepter|hyväksy|zgadzam|akceptuj|kabul|принять|принима|согла|отклон|同意|接受|拒绝|拒絕|許可|拒否|동의|거부|موافق|قبول|رفض)/i;
  const buttons = "button, [role=button], input[type=button], input[type=submit], a[class*=btn i], a[class*=button i]";

  const floats = (element) =>
    /^(fixed|sticky)$/.test(getComputedStyle(element).position)
    || element.matches("dialog[open], [role=dialog], [role=alertdialog]");
  // What it says outside of its buttons and links: a menu may name the cookies too.
  const wordsOf = (elements) => elements.filter((one) => !one.closest("a, button, [role=button], script, style, option"))
    .flatMap((one) => [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && one.checkVisibility()))
    .map((node) => node.data).join(" ").slice(0, 4000);
  const asksForConsent = (element) => {
    const inside = [element, ...all(element)];
    const name = [element.id, element.getAttribute("class"), element.getAttribute("aria-label")].join(" ");
    const pressed = inside.filter((one) => one.matches(buttons) && shown(one) && within(topOf(one), one));
    const answered = pressed.some((one) => answer.test((one.value || one.textContent || "").trim()));
    const said = wordsOf(inside);
    return (cookies.test(said) && pressed.length > 0) || ((privacy.test(said) || named.test(name)) && answered)
      || (named.test(name) && inside.some((one) => one.localName === "iframe" && shown(one)));
  };
  // The share of the window in which it is on top, by a grid of points.
  const shareOf = (element) => {
    let hits = 0;
    for (let row = 0; row < 30; row++) for (let column = 0; column < 40; column++) {
      hits += within(topAt((column + 0.5) * innerWidth / 40, (row + 0.5) * innerHeight / 30), element);
    }
    return hits / 1200;
  };
  // The largest bar or box that asks for consent. What covers nearly everything is the page itself, or an overlay.
  const consent = () => {
    const found = [...all(document)]
      .filter((element) => element !== document.body && floats(element) && shown(element) && painted(element)
        && asksForConsent(element))
      .map((element) => ({ what: nameOf(element), share: shareOf(element) }))
      .filter(({ share }) => share >= 0.02 && share <= 0.75);
    return found.sort((one, other) => other.share - one.share)[0] || null;
  };

  const scan = () => {
    const media = [];
    let password = false, inside = 0;
    for (const element of all(document)) {
      if (element instanceof HTMLMediaElement && (element.currentSrc || element.src || element.srcObject)) {
        media.push({
          tag: element.localName, width: element.videoWidth || 0, height: element.videoHeight || 0,
          autoplay: element.autoplay, played: !element.paused || element.played.length > 0,
        });
      } else if (element instanceof HTMLInputElement && element.type === "password") {
        password ||= shown(element);
      } else if (element !== document.body && element !== document.documentElement
                 && element.clientHeight > 40 && overflows(element) && scrolls(element)) {
        inside += 1;
      }
    }
    tell("scan", { media, password, inside });
    if (peers.length) countPeers();
    if (window !== window.top) return;
    // A page that hides its overflow on both has it in its body.
    const roots = [document.documentElement, document.body].filter(Boolean);
    const covering = overlay();
    tell("layout", {
      overlay: covering, consent: covering ? null : consent(),
      width: innerWidth, height: innerHeight,
      content_width: Math.max(...roots.map((root) => root.scrollWidth)),
      content_height: Math.max(...roots.map((root) => root.scrollHeight)),
      cut: roots.some((root) => /hidden|clip/.test(getComputedStyle(root).overflowY)),
      text: (document.body ? document.body.innerText : "").trim().length, title: document.title,
    });
  };
  document.addEventListener("DOMContentLoaded", scan);
  window.addEventListener("load", () => setTimeout(scan, 50));
  setInterval(scan, 500);
})();
