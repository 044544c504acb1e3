// A browser's worker with one guest. Its address says `shared=1` or `shared=0`; what the guest prints goes to the server.
import { browserTime } from '../../src/host/browser/time.ts';
import { Vm } from '../../src/vm/index.ts';

/** What the server says of the guest. */
interface Facts {
  readonly commandLine: string;
  readonly memoryBytes: number;
}

const decoder = new TextDecoder();
let line: number[] = [];

function tell(kind: 'line' | 'failure', text: string): Promise<unknown> {
  return fetch(`/${kind}`, { method: 'POST', body: text });
}

function print(byte: number): void {
  if (byte !== 0x0a) {
    line.push(byte);
    return;
  }
  void tell('line', decoder.decode(Uint8Array.from(line)).trimEnd());
  line = [];
}

async function fetchBytes(path: string): Promise<Uint8Array> {
  const bytes = await fetch(path).then((response) => response.arrayBuffer());
  return new Uint8Array(bytes);
}

async function boot(): Promise<void> {
  const [kernel, initrd] = await Promise.all(['/kernel', '/initrd'].map(fetchBytes));
  const facts = await fetch('/guest').then((response) => response.text());
  const { commandLine, memoryBytes }: Facts = JSON.parse(facts);
  const vm = await Vm.create({
    memoryBytes,
    kernel,
    initrd: initrd.length > 0 ? initrd : undefined,
    commandLine,
    clock: 'host',
    seed: 1n,
    noReboot: true,
    serial: [{ send: print, onByte: () => {} }, undefined],
    host: browserTime,
    sharedMemory: new URL(import.meta.url).searchParams.get('shared') === '1',
  });
  await vm.run();
}

await boot().catch((error: Error) => tell('failure', `${error.message}\n${error.stack}`));
