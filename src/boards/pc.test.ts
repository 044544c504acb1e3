import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RamMemory } from '../machine/guest-memory.ts';
import { HostWork } from '../machine/host-work.ts';
import type { DeviceState } from '../machine/interfaces.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { PciConfigSpace } from '../machine/pci.ts';
import { buildAcpi } from './acpi.ts';
import { cmosMemorySize, configureFirmware } from './configuration.ts';
import { directBoot } from './direct-boot.ts';
import { buildSmbios } from './firmware/smbios.ts';
import { PcBoard } from './pc.ts';
import { setUpPci } from './pci-setup.ts';
import { ClockTsc } from './tsc.ts';

const RAM_BYTES = 2 * 2 ** 20;

/** A board with a processor that only listens. */
function setUp(options: { debugExitPort?: number } = {}) {
  const clock = new ManualClock();
  const ram = new Uint8Array(RAM_BYTES);
  const host = { bytes: ram, pageFlags: new Uint8Array(RAM_BYTES / 4096), ramOffset: 0 };
  const hooks = { codeWrite: () => {}, firstWrite: () => {} };
  const memory = new RamMemory(host, [{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], hooks);
  const seen = { a20: undefined as boolean | undefined, events: 0, ended: [] as string[], sent: '', debug: '' };
  let toGuest = (_byte: number) => {};
  const com1 = {
    send: (byte: number) => {
      seen.sent += String.fromCharCode(byte);
    },
    onByte: (receive: (byte: number) => void) => {
      toGuest = receive;
    },
  };
  const board = new PcBoard({
    clock,
    memory,
    hostWork: new HostWork(clock, 'arrival'),
    cpu: {
      requestEvent: () => seen.events++,
      setA20: (open) => (seen.a20 = open),
      setPageAccess: () => {},
      init: () => {},
      startUp: () => {},
    },
    tsc: () => new ClockTsc(clock, 1_000_000_000, () => 0n),
    apicTimerHz: 1_000_000_000,
    startEpochMs: Date.UTC(2024, 1, 29, 12, 34, 56),
    serial: [com1],
    debugOutput: (byte) => (seen.debug += String.fromCharCode(byte)),
    ended: ({ reason, code }) => seen.ended.push(`${reason} ${code}`),
    ...options,
  });
  const cpu = board.processors[0];
  return { board, cpu, clock, ram, memory, seen, type: (byte: number) => toGuest(byte) };
}

type Machine = ReturnType<typeof setUp>;

function out(cpu: Machine['cpu'], ...writes: readonly (readonly [port: number, value: number])[]): void {
  for (const [port, value] of writes) cpu.portWrite(port, 1, value);
}

/** Programs both PICs for vectors 30h and 38h with these interrupts unmasked. */
function programPics(cpu: Machine['cpu'], irqs: readonly number[]): void {
  const mask = ~irqs.reduce((bits, irq) => bits | (1 << irq), 1 << 2);
  out(cpu, [0x20, 0x11], [0x21, 0x30], [0x21, 4], [0x21, 1], [0x21, mask & 0xff]);
  out(cpu, [0xa0, 0x11], [0xa1, 0x38], [0xa1, 2], [0xa1, 1], [0xa1, (mask >> 8) & 0xff]);
}

/** Writes a redirection entry of the I/O APIC and enables the local APIC. */
function programIoApic(cpu: Machine['cpu'], pin: number, low: number): void {
  cpu.mmioWrite(0xfee000f0, 4, 0x1ff);
  cpu.mmioWrite(0xfec00000, 4, 0x10 + pin * 2);
  cpu.mmioWrite(0xfec00010, 4, low);
}

test('a byte written to COM1 goes out, and one from outside raises IRQ 4', () => {
  const { cpu, seen, type } = setUp();
  programPics(cpu, [4]);
  out(cpu, [0x3f8, 0x41], [0x3f9, 1], [0x3fc, 0x0b]);
  assert.equal(seen.sent, 'A');
  type(0x42);
  assert.equal(cpu.interruptPending(), true);
  assert.equal(cpu.acknowledgeInterrupt(), 0x34);
  assert.equal(cpu.portRead(0x3f8, 1), 0x42);
});

test('the timer interrupts through the PIC in virtual wire mode', () => {
  const { cpu, clock, seen } = setUp();
  out(cpu, [0x43, 0x34], [0x40, 0xa9], [0x40, 0x04]);
  programPics(cpu, [0]);
  assert.equal(cpu.interruptPending(), false);
  clock.advanceTo(2_000_000n);
  assert.equal(cpu.interruptPending(), true);
  assert.ok(seen.events > 0);
  assert.equal(cpu.acknowledgeInterrupt(), 0x30);
  assert.equal(cpu.interruptPending(), false);
  assert.equal(cpu.acknowledgeInterrupt(), -1);
});

test('the timer interrupts through pin 2 of the I/O APIC', () => {
  const { cpu, clock } = setUp();
  programIoApic(cpu, 2, 0x51);
  out(cpu, [0x43, 0x34], [0x40, 0xa9], [0x40, 0x04]);
  clock.advanceTo(2_000_000n);
  assert.equal(cpu.acknowledgeInterrupt(), 0x51);
});

test('PCI interrupts arrive where the routing table says, level-triggered', () => {
  const { board, cpu } = setUp();
  setUpPci(board.pci);
  programIoApic(cpu, 11, 0xa061);
  const [own, other] = [board.pciInterrupt(3, 0), board.pciInterrupt(7, 0)];
  own.set(true);
  assert.equal(cpu.acknowledgeInterrupt(), 0x61);
  other.set(true);
  own.set(false);
  cpu.mmioWrite(0xfee000b0, 4, 0);
  assert.equal(cpu.acknowledgeInterrupt(), 0x61);
  other.set(false);
  cpu.mmioWrite(0xfee000b0, 4, 0);
  assert.equal(cpu.interruptPending(), false);
});

test('a device message reaches the local APIC', () => {
  const { board, cpu } = setUp();
  cpu.mmioWrite(0xfee000f0, 4, 0x1ff);
  board.messages.message(0xfee00000, 0x77);
  assert.equal(cpu.acknowledgeInterrupt(), 0x77);
});

test('the local APIC moves with IA32_APIC_BASE and CR8 is its task priority', () => {
  const { cpu } = setUp();
  assert.equal(cpu.mmioRead(0xfee00030, 4) & 0xff, 0x14);
  assert.equal(cpu.apicWrite(0x1b, 0xd0000900n), true);
  assert.equal(cpu.mmioRead(0xfee00030, 4), 0xffffffff);
  assert.equal(cpu.mmioRead(0xd0000030, 4) & 0xff, 0x14);
  cpu.apicWrite(2 ** 32 + 8, 5n);
  assert.equal(cpu.mmioRead(0xd0000080, 4), 0x50);
  assert.equal(cpu.apicRead(2 ** 32 + 8), 5n);
  assert.equal(cpu.apicRead(0x1234), undefined);
});

test('an NMI is taken once', () => {
  const { cpu } = setUp();
  cpu.apicProcessor.nmi();
  assert.deepEqual([cpu.takeNmi(), cpu.takeNmi()], [true, false]);
});

test('every way to end a run is told with its reason', () => {
  const { board, cpu, seen } = setUp({ debugExitPort: 0xf4 });
  setUpPci(board.pci);
  cpu.portWrite(0xcf9, 1, 6);
  cpu.portWrite(0x92, 1, 1);
  cpu.portWrite(0x64, 1, 0xfe);
  cpu.portWrite(0x604, 2, 0x2000);
  cpu.portWrite(0x505, 1, 1);
  cpu.portWrite(0x505, 1, 2);
  cpu.portWrite(0xf4, 4, 0x12345678);
  assert.deepEqual(seen.ended, ['reset 0', 'reset 0', 'reset 0', 'powerOff 0', 'panic 0', `debugExit ${0x12345678}`]);
});

test('there is no debug exit unless asked for', () => {
  const { cpu, seen } = setUp();
  for (let port = 0xf0; port < 0x100; port++) cpu.portWrite(port, 1, 1);
  assert.deepEqual(seen.ended, []);
});

test('the A20 gate is open while either controller opens it', () => {
  const { cpu, seen } = setUp();
  assert.equal(seen.a20, true);
  out(cpu, [0x64, 0xd1], [0x60, 0xdd]);
  assert.equal(seen.a20, false);
  out(cpu, [0x92, 2]);
  assert.equal(seen.a20, true);
  out(cpu, [0x92, 0]);
  assert.equal(seen.a20, false);
});

test('port 61h is not the keyboard controller, and port 0xCF9 not PCI', () => {
  const { cpu } = setUp();
  cpu.portWrite(0x61, 1, 3);
  assert.equal(cpu.portRead(0x61, 1) & 3, 3);
  assert.equal(cpu.portRead(0x64, 1) & 8, 0);
  cpu.portWrite(0xcf8, 4, 0x80000000);
  assert.equal(cpu.portRead(0xcfc, 4), 0x12378086);
  assert.equal(cpu.portRead(0xcf9, 1), 0);
});

test('the debug port speaks and the power button raises the SCI', () => {
  const { board, cpu, seen } = setUp();
  setUpPci(board.pci);
  programPics(cpu, [9]);
  out(cpu, [0xe9, 0x68], [0xe9, 0x69]);
  assert.equal(seen.debug, 'hi');
  cpu.portWrite(0x602, 2, 0x100);
  board.powerButton.set(true);
  assert.equal(cpu.acknowledgeInterrupt(), 0x39);
});

test('firmware learns of processors, memory and tables', () => {
  const { board, cpu } = setUp();
  configureFirmware(board.configuration, RAM_BYTES, 2, {
    acpi: buildAcpi({ cpuCount: 2 }),
    smbios: new Uint8Array(6),
  });
  const read = (key: number, count: number) => {
    cpu.portWrite(0x510, 2, key);
    return Buffer.from(Array.from({ length: count }, () => cpu.portRead(0x511, 1)));
  };
  assert.equal(read(5, 2).readUInt16LE(), 2);
  assert.equal(read(3, 8).readBigUInt64LE(), BigInt(RAM_BYTES));
  const names = read(0x19, 4 + 4 * 64).toString('latin1');
  for (const name of ['etc/e820', 'etc/acpi/tables', 'etc/acpi/rsdp', 'etc/table-loader'])
    assert.ok(names.includes(name));
});

test('the CMOS memory says how much RAM there is', () => {
  const cmos = new Map(cmosMemorySize(6 * 2 ** 30));
  assert.deepEqual(
    [0x15, 0x16, 0x17, 0x18].map((index) => cmos.get(index)),
    [0x80, 0x02, 0xff, 0xff],
  );
  assert.equal((cmos.get(0x34) ?? 0) + (cmos.get(0x35) ?? 0) * 256, (3 * 2 ** 30 - 2 ** 24) / 65536);
  assert.equal((cmos.get(0x5b) ?? 0) + (cmos.get(0x5c) ?? 0) * 256, (3 * 2 ** 30) / 65536);
  assert.equal(new Map(cmosMemorySize(2 ** 23)).get(0x34), 0);
});

test('PCI set-up gives every range a place of its own and nothing else changes', () => {
  const { board, cpu } = setUp();
  const places: (number | undefined)[] = [];
  const bars = [
    { index: 0, kind: 'io', length: 0x20 },
    { index: 1, kind: 'memory32', length: 0x1000 },
    { index: 2, kind: 'memory64', length: 0x100000 },
  ] as const;
  const header = { vendor: 1, device: 2, revision: 0, classCode: 0x020000, interruptPin: 1 };
  const window = (index: number) => ({ place: (base: number | undefined) => (places[index] = base) });
  const config = new PciConfigSpace({ ...header, bars: bars.map((bar) => ({ ...bar, window: window(bar.index) })) });
  board.pci.attach(3, 0, config);
  setUpPci(board.pci);
  assert.deepEqual(places, [0xc000, 0xc0100000, 0xc0000000]);
  assert.equal(config.readConfig(0x3c, 1), 11);
  assert.equal(cpu.portRead(0x604, 2), 1);
});

test('direct boot leaves ACPI tables, A20 and interrupt modes as firmware would', () => {
  const { board, cpu, memory, ram, seen } = setUp();
  const kernel = multibootKernel();
  const smbios = buildSmbios({ ramBytes: RAM_BYTES, cpuCount: 1, uuid: new Uint8Array(16).fill(0x5a) });
  const tables = { acpi: buildAcpi({ cpuCount: 1 }), smbios };
  const start = directBoot(board, memory, tables, {
    name: 'k',
    kernel,
    commandLine: '',
    ramBytes: RAM_BYTES,
  });
  assert.equal(start.rip, 0x100020n);
  assert.equal(ram[0x100020], 0xf4);
  const rsdp = Buffer.from(ram.subarray(0xe0000, 0x100000)).indexOf('RSD PTR ');
  assert.equal(rsdp % 16, 0);
  const rsdt = new DataView(ram.buffer).getUint32(0xe0000 + rsdp + 16, true);
  assert.equal(Buffer.from(ram.subarray(rsdt, rsdt + 4)).toString(), 'RSDT');
  const entry = 0xf0000 + Buffer.from(ram.subarray(0xf0000, 0x100000)).indexOf('_SM_');
  const structures = new DataView(ram.buffer).getUint32(entry + 24, true);
  assert.deepEqual(ram.subarray(structures, structures + smbios.length), smbios);
  assert.equal(entry % 16, 0);
  assert.equal(Buffer.from(ram.subarray(0xf0000, 0xf0004)).toString(), '_MP_', 'where a search begins');
  const mp = new DataView(ram.buffer).getUint32(0xf0004, true);
  assert.equal(Buffer.from(ram.subarray(mp, mp + 4)).toString(), 'PCMP');
  assert.equal(seen.a20, true);
  const low = new DataView(ram.buffer);
  assert.deepEqual([low.getUint16(0x40e, true), low.getUint16(0x413, true)], [0x9f00, 636]);
  assert.deepEqual([cpu.portRead(0x4d0, 1), cpu.portRead(0x4d1, 1)], [0, 0x0e]);
  out(cpu, [0x70, 0x17]);
  assert.equal(cpu.portRead(0x71, 1), 0x00);
  out(cpu, [0x70, 0x18]);
  assert.equal(cpu.portRead(0x71, 1), 0x04);
  cpu.portWrite(0x510, 2, 5);
  assert.equal(cpu.portRead(0x511, 1), 1);
});

/** A multiboot kernel of one HLT at 0x100020, loaded by the addresses in its header. */
function multibootKernel(): Uint8Array {
  const kernel = new Uint8Array(64);
  const view = new DataView(kernel.buffer);
  const words = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), 0x100000, 0x100000, 0, 0, 0x100020];
  words.forEach((word, i) => {
    view.setUint32(i * 4, word, true);
  });
  kernel[32] = 0xf4;
  return kernel;
}

/** Repeatable numbers. */
function randomizer(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Random accesses to every port and to the APICs' pages, with time passing. */
function storm({ cpu, clock, type }: Machine, accesses: number, seed: number): void {
  const random = randomizer(seed);
  for (let i = 0; i < accesses; i++) {
    const size = ([1, 2, 4] as const)[random(3)];
    const port = [random(0x100), 0x2f8 + random(0x110), 0x4d0 + random(2), 0x500 + random(0x150), 0xcf8 + random(8)][
      random(5)
    ];
    const gpa = (random(2) ? 0xfec00000 : 0xfee00000) + random(0x400);
    const value = random(2 ** 32);
    if (random(2)) cpu.portWrite(port, size, value);
    else cpu.portRead(port, size);
    if (random(2)) cpu.mmioWrite(gpa, size, value);
    else cpu.mmioRead(gpa, size);
    if (random(8) === 0) type(value & 0xff);
    if (random(8) === 0 && cpu.interruptPending()) cpu.acknowledgeInterrupt();
    if (random(4) === 0) clock.advanceTo(clock.nowNanos() + BigInt(random(300_000)));
  }
}

test('a storm of accesses harms nothing', () => {
  for (let seed = 1; seed <= 4; seed++) storm(setUp({ debugExitPort: 0x501 }), 5000, seed);
});

test('a restored board saves the same state and goes on alike', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const [a, b] = [setUp(), setUp()];
    storm(a, 1000, seed);
    b.clock.advanceTo(a.clock.nowNanos());
    b.board.restore(structuredClone(a.board.save()));
    assert.deepEqual(b.board.save(), a.board.save());
    assert.equal(b.cpu.interruptPending(), a.cpu.interruptPending());
    storm(a, 1000, seed + 100);
    storm(b, 1000, seed + 100);
    assert.deepEqual(b.board.save(), a.board.save());
  }
});

test('a reset is as power-on, but for the real-time clock', () => {
  const machine = setUp();
  const { board, cpu, clock } = machine;
  const fresh = board.save();
  const rtc = (index: number) => {
    cpu.portWrite(0x70, 1, index);
    return cpu.portRead(0x71, 1);
  };
  out(cpu, [0x70, 0x32], [0x71, 0x19], [0x70, 0x0b], [0x71, 0x72]);
  storm(machine, 2000, 9);
  clock.advanceTo(3_600_000_000_000n);
  const before = [rtc(0x32), rtc(9), rtc(4)];
  board.reset();
  const timeless = (state: DeviceState) => {
    const { rtc, powerManagement, ...parts } = state.parts as Record<string, DeviceState>;
    assert.ok(rtc);
    return { ...parts, powerManagementEnable: powerManagement.enable };
  };
  assert.deepEqual(timeless(board.save()), timeless(fresh));
  assert.deepEqual([rtc(0x32), rtc(9), rtc(4)], before);
  assert.equal(rtc(0x0b) & 0x78, 0);
});

test('a state of another version is refused', () => {
  const { board } = setUp();
  assert.throws(() => board.restore({ ...board.save(), version: 7 }), /version 7/);
});

test('a part that an older state does not know starts as at power-on', () => {
  const { board, cpu } = setUp();
  const fresh = board.save();
  out(cpu, [0x70, 0x32], [0x71, 0x19]);
  board.restore({ ...fresh, parts: {} });
  assert.deepEqual(board.save(), fresh);
});
