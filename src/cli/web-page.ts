/** What the page has besides the screen. */
export interface PageParts {
  /** How many serial consoles. */
  readonly serialLines: number;
  readonly hasSound: boolean;
}

/** The page of `--display web`. @param script the address of its script */
export function webPage(script: string, { serialLines, hasSound }: PageParts): string {
  const tabs = Array.from({ length: serialLines }, (_, i) => `<button data-view="serial${i}">Serial ${i + 1}</button>`);
  const views = Array.from({ length: serialLines }, (_, i) => `<div class="view" id="serial${i}"></div>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Vitrine</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="xterm/xterm.css">
<style>${STYLE}</style>
<header>
  <nav role="tablist"><button data-view="screen" aria-current="true">Screen</button>${tabs.join('')}</nav>
  <span class="tools">
    <select id="keys" aria-label="Press keys">
      <option value="">Keys…</option>
      ${KEYS.map(([label, names]) => `<option value="${names}">${label}</option>`).join('\n      ')}
    </select>
    <button id="paste">Paste…</button>
    <button id="capture" title="The pointer stays in the screen until Escape is pressed">Capture mouse</button>
    <label><input type="checkbox" id="scale" checked> Scale</label>
    ${hasSound ? '<label><input type="checkbox" id="sound" autocomplete="off"> Sound</label>' : ''}
    <button id="full">Full screen</button>
  </span>
  <output id="state">connecting</output>
</header>
<main><div class="view" id="screen"></div>${views.join('')}</main>
<dialog id="paste-dialog">
  <form method="dialog">
    <p><label>Text that is typed into the guest<br><textarea rows="8" cols="60" id="paste-text"></textarea></label></p>
    <p><label>Keyboard layout of the guest
      <select id="layout"><option value="us">US</option><option value="de">German</option></select></label></p>
    <menu><button value="">Cancel</button> <button value="type" id="type">Type</button></menu>
  </form>
</dialog>
<script type="module" src="${script}"></script>
`;
}

/** Combinations that browsers and window systems keep for themselves. */
const KEYS = [
  ['Ctrl+Alt+Del', 'ctrl alt delete'],
  ['Esc', 'esc'],
  ['Tab', 'tab'],
  ['Alt+Tab', 'alt tab'],
  ['Alt+F4', 'alt f4'],
  ['Print', 'print'],
  ['Windows', 'meta_l'],
  ['Menu', 'menu'],
  ...Array.from({ length: 12 }, (_, n) => [`F${n + 1}`, `f${n + 1}`]),
  ...Array.from({ length: 7 }, (_, n) => [`Ctrl+Alt+F${n + 1}`, `ctrl alt f${n + 1}`]),
];

const STYLE = `
:root { color-scheme: light dark; font: 14px system-ui, sans-serif; }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; }
header { display: flex; flex-wrap: wrap; gap: .5em 1em; align-items: center; padding: .4em .6em; border-bottom: 1px solid #8888; }
nav { display: flex; gap: .2em; }
nav button[aria-current=true] { font-weight: bold; }
.tools { display: flex; gap: .4em; align-items: center; }
#state { margin-left: auto; opacity: .7; }
main { flex: 1; min-height: 0; position: relative; background: #000; }
.view { position: absolute; inset: 0; display: none; }
.view.shown { display: block; }
main:fullscreen { width: 100%; height: 100%; }
`;
