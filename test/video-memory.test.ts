import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import { Screen } from '../src/display/screen.ts';
import { BASE_ADDRESS_0, showBochsMode } from './guests/bochs-mode.ts';
import { makeTestMachine } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

const WIDTH = 64;
/** A 64×64 Bochs mode. */
const SET_MODE = showBochsMode(WIDTH, 64);

function boot(source: string): PcMachine {
  return makeTestMachine({ boot: { kernel: multibootKernel(source), commandLine: '' } }).machine;
}

/** Draws one pixel after the other, from the top on. */
const DRAW = `${SET_MODE}
    xor ecx, ecx
  again:
    mov dword [ebx + ecx * 4], 0x00ff0000
    add ecx, 1
    cmp ecx, ${WIDTH * 64}
    jne again
    hlt`;

const red = (screen: Screen) => screen.frame.pixels.filter((pixel) => pixel === 0xff0000ff).length;

it('what guest code writes to video memory shows, and what it does not write is not drawn again', () => {
  const machine = boot(DRAW);
  const screen = new Screen(machine.display);
  machine.run(1_000);
  assert.deepEqual(screen.refresh(), [{ x: 0, y: 0, width: WIDTH, height: 64 }]);
  const first = red(screen);
  assert.ok(first > 100 && first < 1000, `${first}`);
  assert.deepEqual(screen.refresh(), []);
  machine.run(1_000);
  const parts = screen.refresh();
  assert.ok(
    parts.every(({ y, height }) => y >= Math.floor(first / WIDTH) && y + height < 20),
    JSON.stringify(parts),
  );
  assert.equal(red(screen), first + 250);
  assert.deepEqual(screen.frame.pixels.lastIndexOf(0xff0000ff), first + 249);
  assert.equal(machine.run(1_000_000).kind, 'halted');
  screen.refresh();
  assert.equal(red(screen), WIDTH * 64);
});

it('a restored machine has its picture, and goes on drawing it', () => {
  const machine = boot(DRAW);
  machine.run(2_000);
  const other = boot(DRAW);
  other.restore(machine.save());
  const screen = new Screen(other.display);
  screen.refresh();
  assert.ok(red(screen) > 100);
  for (const either of [machine, other]) assert.equal(either.run(1_000_000).kind, 'halted');
  screen.refresh();
  assert.equal(red(screen), WIDTH * 64);
  assert.equal(other.stateHash(), machine.stateHash());
  other.reset();
  screen.refresh();
  assert.deepEqual([screen.frame.width, screen.text()?.join('')], [720, '']);
});

it('the guest reads what it wrote, and nothing where video memory was before it was moved', () => {
  const machine = boot(`${SET_MODE}
    mov dword [ebx + 0x1000], 0x12345678
    mov edi, ebx
    mov eax, ${BASE_ADDRESS_0}
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    mov eax, 0xe8000000
    out dx, eax
    mov ecx, dword [edi + 0x1000]
    mov esi, dword [0xe8001000]
    hlt`);
  assert.equal(machine.run(1_000_000).kind, 'halted');
  const { state } = machine.vcpu;
  assert.equal(state.gpr(1) & 0xffffffffn, 0xffffffffn);
  assert.equal(state.gpr(6) & 0xffffffffn, 0x12345678n);
});
