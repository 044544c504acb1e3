// A browser's worker with one guest. Its address says `shared=1` or `shared=0`; what the guest prints goes to the server.
import { browserTime } from '../../src/host/browser/time.ts';
import { Vm } from '../../src/vm/index.ts';

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

async function boot(): Promise<void> {
  const kernel = await fetch('/kernel').then((response) => response.arrayBuffer());
  const vm = await Vm.create({
    memoryBytes: 128 * 2 ** 20,
    kernel: new Uint8Array(kernel),
    commandLine: 'earlyprintk=serial,ttyS0,115200',
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
