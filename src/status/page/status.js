"use strict";
// Fetches the page again every second, and takes over what has changed.
(() => {
  const PERIOD = 1000;
  const PATIENCE = 3000;
  let since = new Date();

  // Makes `old` like `fresh`. What is the same stays as it is, with its selection and its focus.
  function take(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((child, place) => {
      if (place < before.length) take(before[place], child);
      else old.append(document.importNode(child, true));
    });
    for (const child of before.slice(after.length)) child.remove();
  }

  // Says that the values are old. They stay, for that may be what one wants to know.
  function stale() {
    const notice = document.querySelector(".stale");
    document.body.classList.add("is-stale");
    if (!notice.hidden) return;
    notice.textContent = `✕ No answer since ${since.toISOString().slice(11, 19)} UTC. The values below are those of then.`;
    notice.hidden = false;
  }

  async function refresh() {
    try {
      const answer = await fetch(location.pathname, {
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      take(document.body, fresh.body);
      since = new Date();
    } catch {
      stale();
    }
  }

  async function run() {
    // Nobody looks at a hidden page.
    if (!document.hidden) await refresh();
    setTimeout(run, PERIOD);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  setTimeout(run, PERIOD);
})();
