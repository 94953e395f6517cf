// Drives Chromium for a test: reads a command a line on standard input, writes its answer a line
// on standard output, both as JSON. Arguments: the browser, the folder of playwright-core, an
// empty folder for the browser's profile.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [executablePath, playwright, profile] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = context.pages()[0] ?? (await context.newPage());

const session = await context.newCDPSession(page);

// What went wrong, and where the page went, since the last `seen`.
let wrong = [];
let requests = [];
page.on("console", (message) => {
  if (message.type() === "error" || message.type() === "warning") wrong.push(message.text());
});
page.on("pageerror", (error) => wrong.push(String(error)));
page.on("request", (request) => requests.push(request.url()));

// Text whose contrast with what is behind it is below WCAG's AA for small text, and how many
// texts there were.
function contrast() {
  const rgba = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (front, back) =>
    [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255, 1]);
  };
  const poor = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!walker.currentNode.data.trim() || box.width < 2 || box.height < 2) continue;
    texts += 1;
    const ground = behind(element);
    const color = over(rgba(getComputedStyle(element).color), ground);
    const [dark, light] = [luminance(color), luminance(ground)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  const style = getComputedStyle(document.documentElement);
  return { texts, poor, ground: style.backgroundColor, text: style.color };
}

const commands = {
  open: async ({ url }) => (await page.goto(url)).status(),
  // Waits until this expression is true.
  // (Asked from here: a page whose policy forbids `eval` cannot ask itself.)
  wait: async ({ expression, timeout }) => {
    const deadline = Date.now() + timeout;
    while (!(await page.evaluate(expression))) {
      if (Date.now() > deadline) throw new Error(`not after ${timeout} ms`);
      await new Promise((done) => setTimeout(done, 50));
    }
    return true;
  },
  evaluate: ({ expression }) => page.evaluate(expression),
  look: async ({ scheme, width, height, shot }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    const seen = await page.evaluate(contrast);
    const { scrollWidth, clientWidth } = await page.evaluate(
      "({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })",
    );
    await page.screenshot({ path: shot, fullPage: true });
    return { ...seen, scrollWidth, clientWidth };
  },
  scripts: async ({ on }) => {
    await session.send("Emulation.setScriptExecutionDisabled", { value: !on });
    return true;
  },
  seen: () => {
    const answer = { wrong, requests };
    wrong = [];
    requests = [];
    return answer;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await commands[command.do](command)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
