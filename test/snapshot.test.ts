import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import { PAGE_BYTES } from '../src/machine/guest-memory.ts';
import type { PageSource } from '../src/machine/lazy-memory.ts';
import { CHUNK_PAGES, type MemoryCapture } from '../src/machine/memory-capture.ts';
import { busyGuest } from './guests/busy-guest.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';

const BOOT = { kernel: busyGuest(), commandLine: '' };
const END = 400_000;
const JIT = { hotAfter: 20 };

/** All pages that a capture gives, while `meanwhile` happens now and then. */
async function readAll(capture: MemoryCapture, meanwhile: () => void): Promise<Map<number, Uint8Array>> {
  const pages = new Map<number, Uint8Array>();
  for (const chunk of capture.chunks()) {
    meanwhile();
    const { mask, bytes } = await capture.read(chunk);
    for (let page = 0, at = 0; page < CHUNK_PAGES; page++) {
      if (((mask >> page) & 1) === 0) continue;
      pages.set(chunk + page * PAGE_BYTES, bytes.slice(at, at + PAGE_BYTES));
      at += PAGE_BYTES;
    }
  }
  return pages;
}

function sourceOf(pages: ReadonlyMap<number, Uint8Array>, later: boolean): PageSource {
  const find = (gpa: number) => pages.get(gpa) ?? assert.fail(`page ${gpa} has no content`);
  return { pages: () => pages.keys(), read: (gpa) => (later ? Promise.resolve(find(gpa)) : find(gpa)) };
}

/** As {@link runTo}, for a machine that waits for pages. */
async function runLazily(machine: PcMachine, count: number): Promise<void> {
  while (machine.vcpu.retired < count) {
    const exit = machine.run(count - machine.vcpu.retired);
    if (exit.kind === 'pageIn') await machine.pageIn(exit.gpa);
    else if (exit.kind !== 'budget' && !machine.awake && !machine.skipIdle()) assert.fail(JSON.stringify(exit));
  }
}

async function hashOf(machine: PcMachine): Promise<bigint> {
  await machine.pageInAll();
  return machine.stateHash();
}

const expected = (() => {
  const { machine } = makeTestMachine({ boot: BOOT });
  runTo(machine, END);
  return machine.stateHash();
})();

for (const jit of [undefined, JIT]) {
  const engine = jit ? 'translated' : 'interpreted';

  test(`memory is saved as it was though the ${engine} guest goes on, which does not notice`, async () => {
    const { machine } = makeTestMachine({ boot: BOOT, jit });
    for (const at of [60_000, 250_001]) {
      runTo(machine, at);
      const [state, capture] = [machine.saveWithoutMemory(), machine.captureMemory()];
      const pages = await readAll(capture, () => runTo(machine, Math.min(END, machine.vcpu.retired + 301)));
      machine.endCapture(capture);
      const other = makeTestMachine({ boot: BOOT, jit }).machine;
      await other.restoreLazily(state, sourceOf(pages, false));
      runTo(other, END);
      assert.equal(await hashOf(other), expected, `saved at ${at}`);
    }
    runTo(machine, END);
    assert.equal(machine.stateHash(), expected);
  });

  test(`a restored ${engine} guest waits for each page that it touches and does not notice`, async () => {
    const { machine } = makeTestMachine({ boot: BOOT, jit });
    runTo(machine, 200_003);
    const [state, capture] = [machine.saveWithoutMemory(), machine.captureMemory()];
    const pages = await readAll(capture, () => {});
    const other = makeTestMachine({ boot: BOOT, jit }).machine;
    await other.restoreLazily(state, sourceOf(pages, true));
    assert.ok(other.ram.absentPages().length > 0);
    await runLazily(other, END);
    assert.equal(await hashOf(other), expected);
  });
}

test('a machine that has not touched all of its memory can be saved again', async () => {
  const { machine } = makeTestMachine({ boot: BOOT });
  runTo(machine, 100_000);
  const first = makeTestMachine({ boot: BOOT }).machine;
  await first.restoreLazily(
    machine.saveWithoutMemory(),
    sourceOf(await readAll(machine.captureMemory(), () => {}), true),
  );
  await runLazily(first, 200_000);
  const [state, capture] = [first.saveWithoutMemory(), first.captureMemory()];
  const second = makeTestMachine({ boot: BOOT }).machine;
  await second.restoreLazily(state, sourceOf(await readAll(capture, () => {}), true));
  await runLazily(second, END);
  assert.equal(await hashOf(second), expected);
});
