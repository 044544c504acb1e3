import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeTime } from '../src/host/node/time.ts';
import type { CharPort } from '../src/machine/interfaces.ts';
import {
  deflateCodec,
  MemorySink,
  MemorySource,
  SnapshotFile,
  Vm,
  type VmConfig,
  type VmEvent,
} from '../src/vm/index.ts';
import { multibootKernel } from './guests/multiboot.ts';

/** Counts in EBX for ever, and says that it has started. */
const COUNTS = `
  mov dx, 0x3f8
  mov al, 'S'
  out dx, al
count:
  inc ebx
  jmp count`;
/** Sends back what comes by the serial line. */
const ECHOES = `
  mov dx, 0x3fc
  mov al, 2
  out dx, al
again:
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz again
  mov dx, 0x3f8
  in al, dx
  out dx, al
  jmp again`;
const SHUTS_DOWN = '  mov al, 6\n  mov dx, 0xcf9\n  out dx, al\nend: jmp end';
const STUCK = '  cli\nstuck: hlt\n  jmp stuck';

async function makeVm(source: string, options: Partial<VmConfig> = {}) {
  let output = '';
  const serial: CharPort = {
    send: (byte) => {
      output += String.fromCharCode(byte);
    },
    onByte: () => {},
  };
  const vm = await Vm.create({
    memoryBytes: 8 << 20,
    kernel: multibootKernel(source),
    commandLine: '',
    clock: 'host',
    seed: 1n,
    noReboot: true,
    serial: [serial],
    host: nodeTime,
    ...options,
  });
  const events: VmEvent['kind'][] = [];
  vm.onEvent(({ kind }) => events.push(kind));
  return { vm, events, output: () => output };
}

/** Waits for something that a running machine does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}

/** Ends a machine that would run for ever: it stays paused. */
const park = (vm: Vm) => vm.pause();

test('what comes by a serial line while the kernel is read reaches the guest', async () => {
  let output = '';
  const waiting: number[] = [];
  let receive: ((byte: number) => unknown) | undefined;
  const deliver = () => {
    if (receive) for (const byte of waiting.splice(0)) receive(byte);
  };
  const line: CharPort = {
    send: (byte) => {
      output += String.fromCharCode(byte);
    },
    onByte: (to) => {
      receive = to;
      deliver();
    },
  };
  const kernel = {
    read: () => {
      waiting.push(...new TextEncoder().encode('early'));
      deliver();
      return multibootKernel(ECHOES);
    },
  };
  const { vm } = await makeVm(ECHOES, { serial: [line], kernel });
  void vm.run();
  await sleep(100);
  assert.equal(output, 'early');
  await park(vm);
});

test('a paused machine retires nothing until it is resumed', async () => {
  const { vm, events } = await makeVm(COUNTS);
  void vm.run();
  await sleep(20);
  await vm.pause();
  const before = vm.stats;
  await sleep(20);
  assert.deepEqual(vm.stats, before);
  assert.equal(vm.status, 'paused');
  await vm.resume();
  assert.equal(vm.status, 'running');
  await until(() => vm.stats.instructions > before.instructions);
  await park(vm);
  assert.deepEqual(events, ['stop', 'resume', 'stop']);
});

test('pauses at the same time are one, and a resume behind them holds', async () => {
  const { vm, events } = await makeVm(COUNTS);
  void vm.run();
  await sleep(5);
  await Promise.all([vm.pause(), vm.pause(), vm.resume()]);
  assert.equal(vm.status, 'running');
  await park(vm);
  assert.deepEqual(events, ['stop', 'resume', 'stop']);
});

test('a pause that a shutdown overtakes ends', async () => {
  const { vm } = await makeVm(SHUTS_DOWN);
  const end = vm.run();
  await vm.pause();
  assert.deepEqual(await end, { kind: 'shutdown', reason: 'reset', code: 0 });
  assert.equal(vm.status, 'shutdown');
});

test('a reset starts a running or paused guest anew, and leaves it running or paused', async () => {
  const { vm, events, output } = await makeVm(COUNTS);
  void vm.run();
  await until(() => output() === 'S');
  await vm.reset();
  assert.equal(vm.status, 'running');
  await until(() => output() === 'SS');
  await vm.pause();
  await vm.reset();
  assert.equal(vm.status, 'paused');
  await vm.resume();
  await until(() => output() === 'SSS');
  await park(vm);
  assert.deepEqual(events, ['reset', 'stop', 'reset', 'resume', 'stop']);
});

test('a reset asked for while the guest accesses a device happens after the slice', async () => {
  let vm: Vm | undefined;
  let sent = 0;
  const serial: CharPort = {
    send: () => {
      sent++;
      if (sent === 1) void vm?.reset();
      assert.throws(() => vm?.stateHash(), /running guest code/);
    },
    onByte: () => {},
  };
  ({ vm } = await makeVm(COUNTS, { serial: [serial] }));
  void vm.run();
  await until(() => sent === 2);
  await park(vm);
});

test('a guest that halts with interrupts off leaves its host free, and can be paused and reset', async () => {
  const { vm } = await makeVm(STUCK, { clock: 'virtual' });
  void vm.run();
  await sleep(20);
  await vm.reset();
  await vm.pause();
  assert.equal(vm.status, 'paused');
});

test('under the virtual clock neither the date nor the speed of the host is seen', async () => {
  const run = async (date: number, hostNanos: () => bigint) => {
    const host = { ...nodeTime, monotonicNanos: hostNanos, utcMillis: () => date };
    const source = '  mov ecx, 3000000\nspin: loop spin\n  mov al, 0\n  out 0x70, al\n  in al, 0x71\n  mov ebx, eax\n';
    const { vm } = await makeVm(`${source}${SHUTS_DOWN}`, { clock: 'virtual', host });
    await vm.run();
    return vm.stateHash();
  };
  let ticks = 0n;
  assert.equal(await run(0, nodeTime.monotonicNanos), await run(2e12, () => (ticks += 900_000n)));
});

test('a saved machine goes on where another was, and counts on', async () => {
  const { vm } = await makeVm(COUNTS, { clock: 'virtual' });
  void vm.run();
  await sleep(20);
  await vm.pause();
  const sink = new MemorySink();
  await vm.snapshot(sink, { codec: deflateCodec });
  const snapshot = await SnapshotFile.open(new MemorySource(sink.bytes()));
  const { vm: other } = await makeVm(COUNTS, { clock: 'virtual', kernel: undefined, snapshot });
  assert.deepEqual(other.stats, vm.stats);
  void other.run();
  await until(() => other.stats.instructions > vm.stats.instructions + 100_000n);
  await park(other);
});

test('a restored machine starts anew when it is reset', async () => {
  const { vm } = await makeVm(COUNTS);
  const sink = new MemorySink();
  await vm.snapshot(sink, { codec: deflateCodec });
  const snapshot = await SnapshotFile.open(new MemorySource(sink.bytes()));
  const { vm: other, output } = await makeVm(COUNTS, { kernel: undefined, snapshot });
  void other.run();
  await until(() => output() === 'S');
  await other.reset();
  await until(() => output() === 'SS');
  await park(other);
});

test('the file of a kernel is read for each reset and not kept in between', async () => {
  const [first, second] = ['A', 'B'].map((letter) => multibootKernel(COUNTS.replace("'S'", `'${letter}'`)));
  let kernel = first;
  const { vm, output } = await makeVm('', { kernel: { read: async () => kernel } });
  void vm.run();
  await until(() => output() === 'A');
  kernel = second;
  await vm.reset();
  await until(() => output() === 'AB');
  await park(vm);
});

test('a machine whose kernel cannot be booted any more goes on instead of being reset', async () => {
  let kernel = multibootKernel(COUNTS);
  const { vm, events, output } = await makeVm('', { kernel: { read: () => kernel } });
  void vm.run();
  await until(() => output() === 'S');
  kernel = new Uint8Array(100);
  await assert.rejects(vm.reset(), /^Error: the machine cannot be reset: the kernel [^\n]*$/);
  const { instructions } = vm.stats;
  await until(() => vm.stats.instructions > instructions);
  await park(vm);
  assert.deepEqual(events, ['stop']);
});

test('the run of a guest that reboots ends when its kernel cannot be read any more', async () => {
  let reads = 0;
  const read = async () => {
    if (reads++ > 0) throw new Error('EIO: i/o error, read');
    return multibootKernel(SHUTS_DOWN);
  };
  const { vm } = await makeVm('', { noReboot: false, kernel: { read } });
  await assert.rejects(vm.run(), /^Error: the machine cannot be reset: EIO: i\/o error, read$/);
});
