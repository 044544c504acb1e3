import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import type { JitOptions } from '../src/cpu/machine-code.ts';
import { collectStatistics } from '../src/cpu/statistics.ts';
import { busyGuest } from './guests/busy-guest.ts';
import { debianKernel } from './guests/debian.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

const BUSY = { boot: { kernel: busyGuest(), commandLine: '' }, memoryBytes: 16 << 20 };
const COUNTS = [100_000, 250_001, 400_000];

const HARDLY_ROOM_BYTES = 8192;

/** Hashes of the whole machine at the counts. */
function hashes(boot: typeof BUSY, counts: readonly number[], jit?: JitOptions): bigint[] {
  return hashesOf(makeTestMachine({ ...boot, jit }).machine, counts);
}

function hashesOf(machine: PcMachine, counts: readonly number[]): bigint[] {
  return counts.map((count) => {
    runTo(machine, count);
    return machine.stateHash();
  });
}

describe('translated code ends where interpreted code does', () => {
  const expected = hashes(BUSY, COUNTS);
  for (const hotAfter of [0, 1, 7, 300]) {
    it(`when blocks are hot after ${hotAfter} entries`, () => {
      assert.deepEqual(hashes(BUSY, COUNTS, { hotAfter }), expected);
    });
  }

  it('when there is hardly room for translated code', () => {
    assert.deepEqual(hashes(BUSY, COUNTS, { hotAfter: 1, cacheBytes: 2_000 }), expected);
  });

  it('when there is hardly room for decoded code', () => {
    for (const jit of [undefined, { hotAfter: 1 }]) {
      const { machine } = makeTestMachine({ ...BUSY, jit, recordBytes: HARDLY_ROOM_BYTES });
      assert.deepEqual(hashesOf(machine, COUNTS), expected);
      assert.ok(machine.vcpu.engine.cache.evictions > 0);
    }
  });

  it('when regions that meet are joined', () => {
    assert.deepEqual(hashes(BUSY, COUNTS, { hotAfter: 1, joinAfter: 10 }), expected);
  });

  it('in a booting Linux', async (t) => {
    const kernel = await debianKernel('amd64', 'linux-image-cloud-amd64').catch((error: Error) => error.message);
    if (typeof kernel === 'string') return t.skip(kernel);
    const boot = { boot: { kernel, commandLine: 'console=ttyS0' }, memoryBytes: 256 << 20 };
    const counts = [150_000_000];
    assert.deepEqual(hashes(boot, counts, { hotAfter: 50, joinAfter: 1_000 }), hashes(boot, counts));
  });
});

/** Runs a piece of code on a bare machine that translates what is hot, for `count` instructions. */
function run(source: string, count: number, hotAfter = 0): PcMachine {
  const boot = { kernel: multibootKernel(source), commandLine: '' };
  const { machine } = makeTestMachine({ boot, jit: { hotAfter } });
  for (let at = 500; at < count; at += 500) runTo(machine, at);
  runTo(machine, count);
  return machine;
}

test('an instruction that overwrites the next one is followed by what it wrote', () => {
  const machine = run(
    `  mov ebx, 20
again:
  mov byte [patched], 0x41
patched:
  nop
  mov byte [patched], 0x90
  dec ebx
  jnz again
end: jmp end`,
    2_000,
  );
  assert.equal(machine.vcpu.state.gpr32(1), 20);
});

test('a loop that is entered at two places finds the flags of either way', () => {
  const machine = run(
    `  mov ecx, 200
  mov ebx, 0
  mov esi, 0
  jmp again
again:
  mov edx, 1
  test cl, 1
  jz even
  jmp odd
even:
  cmp ecx, 0
  jmp middle
odd:
  cmp ecx, -1
  jmp first
first:
  adc ebx, 0
  jmp middle
middle:
  adc esi, 0
  dec edx
  jnz first
  dec ecx
  jnz again
end: jmp end`,
    6_000,
    20,
  );
  assert.deepEqual([machine.vcpu.state.gpr32(3), machine.vcpu.state.gpr32(6)], [100, 0]);
});

test('code of two pages that calls one another becomes one region', () => {
  const kernel = multibootKernel(`mov edx, 0\nagain: call other\n  jmp again\n  times 4096 nop\nother: inc edx\n  ret`);
  const { machine } = makeTestMachine({ boot: { kernel, commandLine: '' }, jit: { hotAfter: 10, joinAfter: 100 } });
  for (let at = 500; at <= 10_000; at += 500) runTo(machine, at);
  assert.ok((machine.vcpu.engine.translator?.stats.joined ?? 0) > 0);
  assert.ok(Math.abs(machine.vcpu.state.gpr32(2) - 2_500) < 10);
});

test('a place behind a call that two regions have is found in either', () => {
  const { state } = run(
    `  mov ecx, 200
  xor ebx, ebx
  xor edx, edx
  xor esi, esi
  xor edi, edi
  jmp one
one: inc esi
common: call other
  dec ecx
  jz change
  cmp edi, 1
  je two
  jmp one
two: inc edx
  test edx, 1
  jz even
  jmp common
even: add edx, 2
  jmp common
change: mov ecx, 200
  mov edi, 1
  cmp ebx, 300
  jb two
end: jmp end
  times 4096 nop
other: inc ebx
  ret`,
    10_000,
    20,
  ).vcpu;
  assert.deepEqual(
    [3, 2, 6].map((n) => state.gpr32(n)),
    [400, 400, 200],
  );
});

test('x87 arithmetic stays in its region, also with zeros, denormals, infinities and another precision', () => {
  const kernel = multibootKernel(`  mov ecx, 2000
  fninit
  fldz
  fld1
  fld1
  fdiv st0, st2
again:
  fld st1
  fadd st0, st3
  fsub dword [tiny]
  fsqrt
  fmul st0, st1
  fdivp st1, st0
  fiadd dword [seven]
  xor word [control], 0x100
  fldcw [control]
  dec ecx
  jnz again
end: jmp end
tiny: dd 1
seven: dd 7
control: dw 0x37f`);
  const { machine } = makeTestMachine({ boot: { kernel, commandLine: '' }, jit: { hotAfter: 10, countExits: true } });
  for (let at = 500; at <= 22_000; at += 500) runTo(machine, at);
  const exits = new Map(collectStatistics([machine.vcpu.engine]).exits);
  assert.deepEqual([exits.get('helper'), exits.get('fault')], [0, 0]);
});

test('two regions that call each other for ever do not hold up the end of a slice', () => {
  const machine = run('one: jmp two\n  nop\ntwo: jmp one', 100_003);
  assert.equal(machine.vcpu.retired, 100_003);
});

test('what becomes hot at once is translated in several batches, all of it in the end', () => {
  const names = ['one', 'two', 'three', 'four', 'five'];
  const functions = names.map((name) => `${name}: times 150 inc eax\n  ret\n  times 4096 db 0`);
  const kernel = multibootKernel(
    `again:\n${names.map((name) => `  call ${name}\n`).join('')}  jmp again\n${functions.join('\n')}`,
  );
  const { machine } = makeTestMachine({ boot: { kernel, commandLine: '' }, jit: { hotAfter: 10 } });
  const { stats } = machine.vcpu.engine.translator ?? assert.fail('there is no translator');
  runTo(machine, 50_000);
  const batches = [50_001, 400_000, 750_000].map((at) => {
    runTo(machine, at);
    return stats.batches.count;
  });
  assert.deepEqual(batches, [1, 2, 3]);
  assert.equal(stats.regions, names.length);
});

test('modules of translated code that is not reached any more are dropped', () => {
  const { machine } = makeTestMachine({ ...BUSY, jit: { hotAfter: 1, cacheBytes: 2_000 } });
  runTo(machine, 100_000);
  assert.ok((machine.vcpu.engine.translator?.stats.evicted ?? 0) > 10);
});

test('a block that is hardly ever entered is left out of the region that leads to it', () => {
  const texts: string[] = [];
  const source = `  xor ecx, ecx
  xor ebx, ebx
again: inc ecx
  test cl, 3
  jnz fourth
  inc edx
fourth: test cl, 127
  jnz again
  inc ebx
  jmp again`;
  const boot = { kernel: multibootKernel(source), commandLine: '' };
  const onTranslated = (_name: string, text: string) => void texts.push(text);
  const { machine } = makeTestMachine({ boot, jit: { hotAfter: 320, onTranslated } });
  for (let at = 500; at <= 10_000; at += 500) runTo(machine, at);
  const [first] = texts;
  assert.match(first, /inc edx/, 'entered by each fourth turn');
  assert.doesNotMatch(first, /inc ebx/, 'entered by one turn in 128');
  const turns = machine.vcpu.state.gpr32(1);
  assert.equal(machine.vcpu.state.gpr32(3), Math.floor(turns / 128));
});

test('what is translated can be read: guest code, and what is made of it', () => {
  const texts = new Map<string, string>();
  const boot = {
    kernel: multibootKernel('  mov ecx, 1000\nagain:\n  dec ecx\n  jnz again\nend: jmp end'),
    commandLine: '',
  };
  const onTranslated = (name: string, text: string) => void texts.set(name, text);
  const { machine } = makeTestMachine({ boot, jit: { hotAfter: 10, onTranslated } });
  for (let at = 500; at < 5000; at += 500) runTo(machine, at);
  const [text] = [...texts.values()].filter((each) => /dec ecx/.test(each));
  assert.match(text, /^region_[0-9a-f]+: 32-bit code, \d blocks?, \d instructions\n/);
  assert.match(text, /^block \d+ \(entry\), leads to block \d+/m);
  assert.match(text, /^ +[0-9a-f]+ {2}49 +dec ecx\n +[0-9a-f]+ {2}75 fd +jne 0x[0-9a-f]+$/m);
  assert.match(text, /\$s8 = %\d+$/m, 'ECX');
  assert.match(text, /i32\.add\(%\d+, 0xffffffff\)/);
  assert.match(text, /^ *loop @\d+$/m);
});
