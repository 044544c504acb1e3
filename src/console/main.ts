// The page of `--display web`: the guest's screen by noVNC, its serial consoles by xterm.js.

import { Sound } from './sound.ts';

/** What is used of noVNC (its docs/API.md). */
interface Rfb extends EventTarget {
  scaleViewport: boolean;
  showDotCursor: boolean;
  focus(): void;
}
interface RfbModule {
  readonly default: new (target: Element, url: string, options: { shared: boolean }) => Rfb;
}
/** What is used of xterm.js. */
interface TerminalLike {
  loadAddon(addon: { fit(): void }): void;
  open(parent: Element): void;
  write(bytes: Uint8Array): void;
  onData(listen: (text: string) => void): void;
  focus(): void;
}
interface TerminalModule {
  readonly Terminal: new (options: object) => TerminalLike;
}
interface FitModule {
  readonly FitAddon: new () => { fit(): void };
}

/** The ending of our own scripts, which are modules of TypeScript or what was made of them. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const SCRIPTS = {
  rfb: './novnc/core/rfb.js',
  terminal: './xterm/xterm.mjs',
  fit: './xterm/addon-fit.mjs',
} as const;

/** Left, right, middle and the two at the side, as pages and guests number them alike. */
const ALL_BUTTONS = 0x1f;

const base = new URL('.', document.baseURI);
const sockets = new URL(base);
sockets.protocol = 'ws:';

function load<Module>(path: string): Promise<Module> {
  return import(new URL(path, base).href);
}

function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as Kind;
}

/** A view that a tab shows. */
interface View {
  shown(): void;
}

const views = new Map<string, View>();

function show(name: string): void {
  for (const view of document.querySelectorAll('.view')) view.classList.toggle('shown', view.id === name);
  for (const tab of document.querySelectorAll<HTMLElement>('nav button')) {
    tab.setAttribute('aria-current', String(tab.dataset.view === name));
  }
  views.get(name)?.shown();
}

/** What the page tells the machine besides what VNC has words for. */
class Control {
  readonly #socket = new WebSocket(new URL('control', sockets));

  send(message: object): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

async function openScreen(): Promise<Rfb> {
  const { default: RFB } = await load<RfbModule>(SCRIPTS.rfb);
  const rfb = new RFB(element('screen'), new URL('screen', sockets).href, { shared: true });
  const state = element<HTMLOutputElement>('state');
  rfb.scaleViewport = true;
  rfb.addEventListener('connect', () => {
    state.value = 'connected';
  });
  rfb.addEventListener('disconnect', () => {
    state.value = 'the machine has ended';
  });
  views.set('screen', { shown: () => rfb.focus() });
  return rfb;
}

async function openSerial(name: string): Promise<void> {
  const [{ Terminal }, { FitAddon }] = await Promise.all([
    load<TerminalModule>(SCRIPTS.terminal),
    load<FitModule>(SCRIPTS.fit),
  ]);
  const terminal = new Terminal({ convertEol: false, scrollback: 10_000 });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  const socket = new WebSocket(new URL(name, sockets));
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => terminal.write(new Uint8Array(data as ArrayBuffer));
  const encoder = new TextEncoder();
  terminal.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(encoder.encode(text)));
  let isOpen = false;
  const shown = () => {
    if (!isOpen) terminal.open(element(name));
    isOpen = true;
    fit.fit();
    terminal.focus();
  };
  window.addEventListener('resize', () => isOpen && fit.fit());
  views.set(name, { shown });
}

function connectTools(control: Control, rfb: Rfb): void {
  const keys = element<HTMLSelectElement>('keys');
  keys.addEventListener('change', () => {
    control.send({ type: 'keys', names: keys.value.split(' ') });
    keys.value = '';
    rfb.focus();
  });
  const scale = element<HTMLInputElement>('scale');
  scale.addEventListener('change', () => {
    rfb.scaleViewport = scale.checked;
  });
  element('full').addEventListener('click', () => void document.querySelector('main')?.requestFullscreen());
  const dialog = element<HTMLDialogElement>('paste-dialog');
  element('paste').addEventListener('click', () => dialog.showModal());
  dialog.addEventListener('close', () => {
    const text = element<HTMLTextAreaElement>('paste-text');
    const layout = element<HTMLSelectElement>('layout').value;
    if (dialog.returnValue === 'type') control.send({ type: 'text', text: text.value, layout });
    text.value = '';
    rfb.focus();
  });
}

/** A captured mouse tells how far it was moved, for guests that want to know only that. */
function connectCapture(control: Control): void {
  const screen = element('screen');
  element('capture').addEventListener('click', () => screen.requestPointerLock());
  const isCaptured = () => document.pointerLockElement === screen;
  const tell = (event: MouseEvent, wheel: number) => {
    const [dx, dy] = [Math.round(event.movementX), Math.round(event.movementY)];
    control.send({ type: 'move', dx, dy, wheel, buttons: event.buttons & ALL_BUTTONS });
    event.stopPropagation();
    event.preventDefault();
  };
  for (const type of ['mousemove', 'mousedown', 'mouseup'] as const) {
    document.addEventListener(type, (event) => isCaptured() && tell(event, 0), { capture: true });
  }
  const wheel = (event: WheelEvent) => isCaptured() && tell(event, Math.sign(event.deltaY));
  document.addEventListener('wheel', wheel, { capture: true, passive: false });
}

/** There is a box for sound where there is sound. */
function connectSound(): void {
  const box = document.getElementById('sound');
  const sound = new Sound(new URL('sound', sockets), new URL(`console/sound-player${EXTENSION}`, base));
  box?.addEventListener('change', () => void sound.toggle());
}

const control = new Control();
const tabs = [...document.querySelectorAll<HTMLElement>('nav button')];
for (const tab of tabs) tab.addEventListener('click', () => show(tab.dataset.view ?? 'screen'));
const serialNames = tabs.flatMap(({ dataset }) => (dataset.view?.startsWith('serial') ? [dataset.view] : []));
const [rfb] = await Promise.all([openScreen(), ...serialNames.map(openSerial)]);
connectTools(control, rfb);
connectCapture(control);
connectSound();
show('screen');
