import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyGuest } from './guests/busy-guest.ts';
import { bootingLinux } from './lockstep/linux.ts';
import { Difference, LockStep, type LockStepGuest } from './lockstep/lock-step.ts';

const BUSY: LockStepGuest = { boot: { kernel: busyGuest(), commandLine: '' }, memoryBytes: 16 << 20 };
const BUSY_END = 30_000;

test('the engines agree at every exit of a region, with interrupts and pages that move', () => {
  const machines = new LockStep(BUSY, 0);
  machines.runTo(BUSY_END);
  assert.ok(machines.exits > 100, `only ${machines.exits} exits`);
  assert.equal(machines.translating.stateHash(), machines.interpreting.stateHash());
});

for (const where of ['rbx', 'flags', 'xmm7', 'x87 register 3', 'mxcsr', 'memory']) {
  test(`a wrong bit is found in ${where}`, () => {
    const machines = new LockStep(BUSY, 0, { at: 10_000, where });
    const expected = where === 'memory' ? 'pages at 0x0 differ' : `${where}: translated`;
    assert.throws(
      () => machines.runTo(BUSY_END),
      (error) => error instanceof Difference && error.message.includes(expected),
    );
  });
}

test('the engines agree while Linux boots', async (t) => {
  const guest = await bootingLinux('amd64').catch((error: Error) => error);
  if (guest instanceof Error) return t.skip(`no Debian kernel here: ${guest.message.split('\n')[0]}`);
  const machines = new LockStep(guest, 20);
  machines.runTo(125_000_000);
  assert.match(machines.output, /Linux version/);
  assert.equal(machines.translating.stateHash(), machines.interpreting.stateHash());
});
