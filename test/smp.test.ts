import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

const APIC = 0xfee00000;
/** Where the processors write: how many have started, a counter under LOCK, a plain one under a spin lock, the lock. */
const STARTED = 0x200000;
const COUNTER = 0x200040;
const GUARDED = 0x200080;
const LOCK = 0x2000c0;
/** Under the lock too: the time-stamp counter as it was read last, and how often it was less than that. */
const TIME = 0x200100;
const BACKWARDS = 0x200140;
/** What an idle processor monitors, and where it says that it has seen it. */
const DOORBELL = 0x210000;
const ANSWERED = 0x220000;
const ROUNDS = 3000;
const CPUS = 3;

/** A guest whose first processor starts the others by INIT and start-up IPIs, and what they then do. */
const guest = (first: string, others: string) => `
  mov esp, 0x7000
  lgdt [gdt_pointer]
  mov esi, trampoline                 ; to 8000h, where start-up vector 8 leads
  mov edi, 0x8000
  mov ecx, trampoline_end - trampoline
  rep movsb
  mov dword [${APIC} + 0xf0], 0x1ff
  mov dword [${APIC} + 0x300], 0xc4500   ; INIT to all others
  mov dword [${APIC} + 0x300], 0xc4608   ; start-up at 8000h
  mov dword [${APIC} + 0x300], 0xc4608
${first}
other:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, [${APIC} + 0x20]
  shr eax, 24
  shl eax, 12
  lea esp, [eax + 0x9000]
${others}
align 8
gdt:
  dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
  dw 23
  dd gdt
bits 16
trampoline:
  lgdt [cs:trampoline_pointer - trampoline]
  mov eax, 0x11
  mov cr0, eax
  db 0x66, 0xea                       ; jmp dword 8:other
  dd other
  dw 8
trampoline_pointer:
  dw 23
  dd gdt
trampoline_end:
bits 32
`;

/** Waits by MWAIT until the doorbell is rung, and answers. */
const ANSWER = `
sleep:
  mov eax, ${DOORBELL}
  mov ecx, 0
  mov edx, 0
  monitor
  cmp dword [${DOORBELL}], 0
  jne rung
  mov eax, 0
  mwait
  jmp sleep
rung:
  lock inc dword [${ANSWERED}]
  cli
  hlt
`;

/** All count, with LOCK and under a lock. Then the others wait until the first one rings. */
const SOURCE = guest(
  `
waiting:
  pause
  cmp dword [${STARTED}], ${CPUS - 1}
  jne waiting
  call work
all:
  pause
  cmp dword [${COUNTER}], ${CPUS * ROUNDS}
  jne all
  mov ecx, 20000
delay:
  loop delay
  mov dword [${DOORBELL}], 1
answers:
  pause
  cmp dword [${ANSWERED}], ${CPUS - 1}
  jne answers
end: jmp end

work:
  mov ecx, ${ROUNDS}
again:
  lock inc dword [${COUNTER}]
acquire:
  mov eax, 1
  xchg [${LOCK}], eax
  test eax, eax
  je acquired
  pause
  jmp acquire
acquired:
  inc dword [${GUARDED}]
  rdtsc
  cmp eax, [${TIME}]
  mov [${TIME}], eax
  jae later
  inc dword [${BACKWARDS}]
later:
  mov dword [${LOCK}], 0
  dec ecx
  jne again
  ret`,
  `
  lock inc dword [${STARTED}]
  call work
${ANSWER}`,
);

const boot = { kernel: multibootKernel(SOURCE), commandLine: '' };
const END = 400_000;

function make(jit?: { hotAfter: number }, given: Parameters<typeof makeTestMachine>[0]['boot'] = boot): PcMachine {
  return makeTestMachine({ boot: given, cpuCount: CPUS, jit }).machine;
}

function word(machine: PcMachine, gpa: number): number {
  return new DataView(machine.ram.forRead(gpa, 4).slice().buffer).getUint32(0, true);
}

test('processors start by IPI, count atomically, and wake by a write to what they monitor', () => {
  const machine = make();
  runTo(machine, END);
  assert.equal(word(machine, STARTED), CPUS - 1);
  assert.equal(word(machine, COUNTER), CPUS * ROUNDS);
  assert.equal(word(machine, GUARDED), CPUS * ROUNDS);
  assert.equal(word(machine, BACKWARDS), 0);
  assert.equal(word(machine, ANSWERED), CPUS - 1);
  const asleep = machine.vcpus.all.map(({ halted }) => halted);
  assert.deepEqual(asleep, [false, true, true]);
});

test('translated and cut into slices, several processors do the same', () => {
  const whole = make();
  runTo(whole, END);
  const cut = make({ hotAfter: 2 });
  for (let at = 0; at < END; at = Math.min(END, at + 977)) runTo(cut, at);
  runTo(cut, END);
  assert.equal(cut.stateHash(), whole.stateHash());
});

test('several processors go on from where they were saved', () => {
  const whole = make();
  runTo(whole, END);
  for (const at of [1000, 60_001, 150_000]) {
    const machine = make();
    runTo(machine, at);
    const other = make();
    other.restore(machine.save());
    runTo(other, END);
    assert.equal(other.stateHash(), whole.stateHash(), `saved at ${at}`);
  }
  assert.throws(() => makeTestMachine({ boot }).machine.restore(whole.save()), /3 processors/);
});

test('who has been woken runs soon, though the one that woke it goes on', () => {
  const first = `
  mov ecx, 300000
alone:
  loop alone
  mov dword [${DOORBELL}], 1
busy: jmp busy`;
  const machine = make(undefined, { kernel: multibootKernel(guest(first, ANSWER)), commandLine: '' });
  const rungAt = advanceUntil(machine, DOORBELL);
  assert.ok(rungAt > 300_000);
  assert.ok(advanceUntil(machine, ANSWERED) - rungAt < 25_000);
});

/** Runs until a word is not 0 any more. @returns the instructions retired since power-on */
function advanceUntil(machine: PcMachine, gpa: number): number {
  while (word(machine, gpa) === 0) runTo(machine, machine.retired + 500);
  return machine.retired;
}

test('PAUSE lets those run that were woken a moment ago, by both engines', () => {
  // PAUSE behind the write lets the other one run at once; how often it has to be waited for is counted.
  const first = `
  mov ecx, 300000
alone:
  loop alone
  mov dword [${DOORBELL}], 1
spins:
  pause
  inc dword [${COUNTER}]
  cmp dword [${ANSWERED}], ${CPUS - 1}
  jne spins
busy: jmp busy`;
  const given = { kernel: multibootKernel(guest(first, ANSWER)), commandLine: '' };
  const [interpreting, translating] = [make(undefined, given), make({ hotAfter: 1 }, given)];
  for (const machine of [interpreting, translating]) {
    runTo(machine, 400_000);
    assert.equal(word(machine, ANSWERED), CPUS - 1);
    assert.ok(word(machine, COUNTER) < 5);
  }
  assert.equal(translating.stateHash(), interpreting.stateHash());
});
