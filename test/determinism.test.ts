import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SplitMix64 } from '../src/base/random.ts';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import { MemoryStore, noTurn } from '../src/cpu/memory-store.case.ts';
import { STATE } from '../src/isa/registers.ts';
import { PAGE_ABSENT } from '../src/machine/guest-memory.ts';
import { busyGuest } from './guests/busy-guest.ts';
import { debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';
import { hashInNewProcess, type TestGuest, writeResumable } from './guests/resume.ts';

const NANOS_PER_INSTRUCTION = 10;
const BUSY: TestGuest = { boot: { kernel: busyGuest(), commandLine: '' }, memoryBytes: 16 << 20 };
const BUSY_END = 400_000;

function bareMetal(source: string): PcMachine {
  return makeTestMachine({ boot: { kernel: multibootKernel(source), commandLine: '' } }).machine;
}

function readWord(machine: PcMachine, gpa: number): number {
  return new DataView(machine.ram.forRead(gpa, 4).slice().buffer).getUint32(0, true);
}

/** Repeatable numbers from 0 to below `limit`. */
function numbers(seed: bigint): (limit: number) => number {
  const random = new SplitMix64(seed);
  return (limit) => Number(random.next() % BigInt(limit));
}

/** The hash of the busy guest after an undisturbed run. */
function busyHash(): bigint {
  const { machine } = makeTestMachine(BUSY);
  runTo(machine, BUSY_END);
  return machine.stateHash();
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-determinism-'));
  await use(folder).finally(() => rm(folder, { recursive: true }));
}

test('a clock read inside a block sees the exact instruction count', () => {
  const machine = bareMetal(
    '  nop\n  nop\n  rdtsc\n  mov [0x200000], eax\n  rdtsc\n  mov [0x200004], eax\nend: jmp end',
  );
  runTo(machine, 100);
  assert.equal(readWord(machine, 0x200000), 2 * NANOS_PER_INSTRUCTION);
  assert.equal(readWord(machine, 0x200004), 4 * NANOS_PER_INSTRUCTION);
});

test('each iteration of a string instruction counts', () => {
  const machine = bareMetal(
    '  mov edi, 0x300000\n  mov ecx, 5000\n  rep stosb\n  rdtsc\n  mov [0x200000], eax\nend: jmp end',
  );
  runTo(machine, 2 + 1234);
  assert.equal(machine.vcpu.state.gpr(1), 5000n - 1234n);
  runTo(machine, 10_000);
  assert.equal(readWord(machine, 0x200000), 5002 * NANOS_PER_INSTRUCTION);
});

test('the hash does not depend on how the run is cut into slices', () => {
  const expected = busyHash();
  for (const seed of [1n, 2n]) {
    const below = numbers(seed);
    const { machine } = makeTestMachine(BUSY);
    for (let at = 0; at < BUSY_END; ) {
      at = Math.min(BUSY_END, at + 1 + below([2, 40, 900, 30_000][below(4)]));
      runTo(machine, at);
    }
    assert.equal(machine.stateHash(), expected);
  }
});

test('the hash does not depend on what is decoded', () => {
  const { machine } = makeTestMachine(BUSY);
  for (let at = 0; at < BUSY_END; at += 7919) {
    runTo(machine, at);
    machine.vcpu.engine.cache.flush();
    machine.vcpu.engine.mode.newGeneration({ system: true, user: true });
  }
  runTo(machine, BUSY_END);
  assert.equal(machine.stateHash(), busyHash());
});

test('a machine that is restored at any instruction goes on as if it had never been saved', () => {
  const expected = busyHash();
  const below = numbers(3n);
  const { machine } = makeTestMachine(BUSY);
  const other = makeTestMachine(BUSY).machine;
  for (let n = 0; n < 15; n++) {
    const at = n * 26_000 + below(26_000);
    runTo(machine, at);
    other.restore(machine.save());
    assert.equal(other.stateHash(), machine.stateHash(), `restored at ${at}`);
    runTo(other, BUSY_END);
    assert.equal(other.stateHash(), expected, `gone on from ${at}`);
  }
});

test('a machine goes on in another process', () =>
  withFolder(async (folder) => {
    const { machine } = makeTestMachine(BUSY);
    runTo(machine, 123_457);
    await writeResumable(folder, BUSY, machine.save());
    assert.equal(await hashInNewProcess(folder, BUSY_END), busyHash());
  }));

test('input at the same instruction has the same effect, and at another one another', () => {
  const hashWithInputAt = (count: number) => {
    const { machine, serial } = makeTestMachine(BUSY);
    runTo(machine, count);
    serial.type('abc');
    runTo(machine, BUSY_END);
    return machine.stateHash();
  };
  assert.equal(hashWithInputAt(200_000), hashWithInputAt(200_000));
  assert.notEqual(hashWithInputAt(200_000), hashWithInputAt(300_000));
});

test('a saved machine that has ended has ended when it is restored', () => {
  const source = '  mov al, 6\n  mov dx, 0xcf9\n  out dx, al\n  mov ecx, 7\nend: jmp end';
  const machine = bareMetal(source);
  const end = { kind: 'shutdown', reason: 'reset', code: 0 };
  assert.deepEqual(machine.run(1000), end);
  assert.equal(machine.vcpu.retired, 3);
  const other = bareMetal(source);
  other.restore(machine.save());
  assert.deepEqual(other.run(1000), end);
  assert.equal(other.vcpu.retired, 3);
});

test('HLT stops the processor at once, and nothing but an accepted interrupt wakes it', () => {
  const machine = bareMetal('  mov eax, 1\n  hlt\n  mov eax, 2\nend: jmp end');
  assert.deepEqual(machine.run(1000), { kind: 'halted' });
  assert.equal(machine.vcpu.retired, 2);
  assert.equal(machine.vcpu.state.gpr(0), 1n);
  assert.equal(machine.awake, false);
});

test('a device access that finds a page absent is done again once the page is there', () => {
  const source = `
  mov dword [0x200000], 0x0a001900   ; fw_cfg: select item 19h and read 4 bytes to 201000h
  mov dword [0x200004], 0x04000000
  mov dword [0x200008], 0
  mov dword [0x20000c], 0x00102000
  mov dx, 0x518
  mov eax, 0x00002000
  out dx, eax
  mov ebx, [0x201000]
end: jmp end`;
  const expected = bareMetal(source);
  expected.run(1000);
  const machine = bareMetal(source);
  const flags = new DataView(machine.vcpu.engine.view.buffer);
  const flagOfTarget = machine.vcpu.state.u32(STATE.pageFlags) + 0x201;
  flags.setUint8(flagOfTarget, PAGE_ABSENT);
  assert.deepEqual(machine.run(1000), { kind: 'pageIn', gpa: 0x201000 });
  assert.equal(machine.vcpu.retired, 6);
  flags.setUint8(flagOfTarget, 0);
  runTo(machine, 1000);
  assert.equal(machine.stateHash(), expected.stateHash());
});

test('Linux boots to the same state twice, from where it was saved, and with handlers that were kept', async (t) => {
  const files = Promise.all([debianKernel('amd64', 'linux-image-cloud-amd64'), debianBusybox('amd64')]);
  const found = await files.catch((error: Error) => error);
  if (found instanceof Error) return t.skip(`no Debian kernel here: ${found.message.split('\n')[0]}`);
  const boot = { kernel: found[0], initrd: packInitramfs(found[1]), commandLine: 'earlyprintk=ttyS0 console=ttyS0' };
  const guest: TestGuest = { boot, memoryBytes: 128 << 20 };
  const end = 160_000_000;
  const saveAt = 100_000_000 + numbers(5n)(50_000_000);
  const handlers = new MemoryStore();
  const [first, second] = [makeTestMachine({ ...guest, handlers }), makeTestMachine(guest)];
  runTo(first.machine, end);
  await first.machine.keepHandlers(noTurn);
  runTo(second.machine, saveAt);
  await withFolder(async (folder) => {
    await writeResumable(folder, guest, second.machine.save());
    assert.equal(await hashInNewProcess(folder, end), first.machine.stateHash());
  });
  runTo(second.machine, end);
  assert.equal(second.machine.stateHash(), first.machine.stateHash());
  const third = makeTestMachine({ ...guest, handlers }).machine;
  runTo(third, end);
  assert.equal(third.stateHash(), first.machine.stateHash());
  assert.match(first.serial.output, /Linux version/);
});
