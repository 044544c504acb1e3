import assert from 'node:assert/strict';
import { PcBoard } from '../../src/boards/pc.ts';
import { ClockTsc } from '../../src/boards/tsc.ts';
import { Ahci } from '../../src/devices/ahci/ahci.ts';
import { AtaDisk } from '../../src/devices/ata-disk/ata-disk.ts';
import { AtapiCdrom } from '../../src/devices/atapi-cdrom/atapi-cdrom.ts';
import { CfiFlash } from '../../src/devices/cfi-flash/cfi-flash.ts';
import { IsaDma } from '../../src/devices/dma8237/isa-dma.ts';
import { Fdc82078 } from '../../src/devices/fdc82078/fdc82078.ts';
import { FloppyDrive } from '../../src/devices/fdc82078/floppy-drive.ts';
import { FwCfg } from '../../src/devices/fw-cfg/fw-cfg.ts';
import { FwCfgItems } from '../../src/devices/fw-cfg/items.ts';
import { Hpet } from '../../src/devices/hpet/hpet.ts';
import { I8042 } from '../../src/devices/i8042/i8042.ts';
import { Mc146818 } from '../../src/devices/mc146818/mc146818.ts';
import { IdeChannel, type RegisterBank } from '../../src/devices/piix3-ide/channel.ts';
import { BUS_MASTER_PORTS, Piix3Ide } from '../../src/devices/piix3-ide/piix3-ide.ts';
import { Piix4PmRegisters } from '../../src/devices/piix4-pm/pm-registers.ts';
import { Uart16550 } from '../../src/devices/uart16550/uart16550.ts';
import { DISPI, DISPI_ENABLED, DISPI_NO_CLEAR } from '../../src/devices/vga/dispi.ts';
import { makeEdid } from '../../src/devices/vga/edid.ts';
import { VgaAdapter } from '../../src/devices/vga/vga-adapter.ts';
import type { Scanout } from '../../src/display/interfaces.ts';
import { PIXEL_BYTES } from '../../src/display/linear.ts';
import { Screen } from '../../src/display/screen.ts';
import type { BusWidth } from '../../src/machine/bus.ts';
import { DiskQueue } from '../../src/machine/disk-queue.ts';
import type { Device } from '../../src/machine/interfaces.ts';
import type { PciSlot } from '../../src/machine/pci-slot.ts';
import { TestDisk } from '../../src/machine/test-disk.case.ts';
import { PlainVideoMemory } from '../../src/machine/video-memory.ts';
import { ChipCard } from './chip-card.ts';
import type { HostileSubject } from './hostile-device.ts';

const DISK_BYTES = 1 << 20;
const FLOPPY_BYTES = 1440 << 10;
const FLASH_BYTES = 1 << 16;
const VIDEO_BYTES = 1 << 20;
const EPOCH_MILLIS = Date.UTC(2026, 0, 1);
const NANOS_PER_SECOND = 1_000_000_000;

type Registers = Pick<Device, 'read' | 'write'>;
type Below = (limit: number) => number;

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
const disk = (slot: PciSlot, bytes = DISK_BYTES) => new DiskQueue(new TestDisk(bytes), slot.hostWork);

/** A chip with one bank of registers. */
function chip(
  name: string,
  where: { readonly ports: number } | { readonly bytes: number },
  registers: readonly number[],
  make: (slot: PciSlot) => Device,
): HostileSubject {
  return {
    name,
    registers,
    make: (slot) => {
      const device = make(slot);
      return new ChipCard(slot, [device], [{ ...where, device }]);
    },
  };
}

/** An IDE controller with a disk and a CD drive on the first channel, and another disk on the second. */
function makeIde(slot: PciSlot) {
  const wiring = { irq: slot.interrupt, memory: slot.memory, hostWork: slot.hostWork };
  const hardDisk = () => new AtaDisk({ disk: disk(slot), serial: 'fuzz', sata: false });
  const cdrom = new AtapiCdrom({ medium: disk(slot), serial: 'fuzz' });
  const channels = [
    new IdeChannel({ ...wiring, drives: [hardDisk(), cdrom] }),
    new IdeChannel({ ...wiring, drives: [hardDisk(), undefined] }),
  ];
  let busMaster: RegisterBank = { read: () => 0, write: () => {} };
  const ide = new Piix3Ide(channels, (registers) => {
    busMaster = registers;
    return { place: () => {} };
  });
  const banks = channels.flatMap(({ commandBlock, controlBlock }) => [
    { ports: 8, device: commandBlock },
    { ports: 4, device: controlBlock },
  ]);
  return new ChipCard(slot, [ide], [...banks, { ports: BUS_MASTER_PORTS, device: busMaster }]);
}

/** A floppy controller with a drive, and the DMA controllers behind it. */
function makeFloppy(slot: PciSlot) {
  const dma = new IsaDma(slot.memory);
  const fdc = new Fdc82078({
    drives: [new FloppyDrive(disk(slot, FLOPPY_BYTES)), new FloppyDrive(undefined)],
    irq: slot.interrupt,
    dma: dma.channel(2),
    hostWork: slot.hostWork,
  });
  return new ChipCard(
    slot,
    [fdc, dma],
    [
      { ports: 8, device: fdc },
      { ports: 16, device: dma.bytes },
      { ports: 16, device: dma.pages },
    ],
  );
}

/** A VGA with Bochs' modes, all of its memory within reach, and a screen that looks at it. */
function vgaSubject(): HostileSubject {
  let shown: { vga: VgaAdapter; screen: Screen } | undefined;
  const make = (slot: PciSlot) => {
    const windows: Record<string, Registers> = {};
    const vga = new VgaAdapter({
      clock: slot.clock,
      memory: new PlainVideoMemory(VIDEO_BYTES),
      edid: makeEdid(),
      window: (_kind, _length, device, name) => {
        windows[name] = device;
        return { place: () => {} };
      },
    });
    shown = { vga, screen: new Screen(vga) };
    return new ChipCard(
      slot,
      [vga],
      [
        { ports: 64, device: within(vga.ports, 48) },
        { ports: 4, device: within(vga.dispiIndex, 1) },
        { ports: 4, device: within(vga.dispiData, 1) },
        { bytes: 0x20000, device: vga.window },
        { bytes: VIDEO_BYTES, device: windows['video memory'] },
        { bytes: 0x1000, device: windows['display registers'] },
      ],
    );
  };
  const registers = [...upTo(48), ...upTo(11).map((n) => 0x500 + n * 2), 0, 0, 0, 0, 0x604];
  const poke = (below: Below) => {
    if (!shown) return;
    if (below(200) === 0) setBochsMode(shown.vga, below);
    if (below(50) > 0) return;
    expectInMemory(shown.vga.scanout());
    shown.screen.refresh();
    shown.screen.text();
  };
  return { name: 'vga', make, registers, poke };
}

/** Switches a mode on, for which random numbers seldom are right. */
function setBochsMode({ dispiIndex, dispiData, ports }: VgaAdapter, below: Below): void {
  const bits = [4, 8, 15, 16, 24, 32][below(6)];
  for (const [index, value] of [
    [DISPI.enable, 0],
    [DISPI.width, 8 * (1 + below(64))],
    [DISPI.height, 1 + below(300)],
    [DISPI.bitsPerPixel, bits],
    [DISPI.enable, DISPI_ENABLED | DISPI_NO_CLEAR],
  ]) {
    dispiIndex.write(0, 2, index);
    dispiData.write(0, 2, value);
  }
  ports.read(0x2a, 1); // 3DAh: what follows is an index of the attribute controller, and shows the picture
  ports.write(0x10, 1, 0x20);
}

/** @throws {AssertionError} the picture lies outside of the memory */
function expectInMemory(scanout: Scanout): void {
  if (scanout.kind !== 'linear') return;
  const { offset, pitch, width, height, format, memory } = scanout;
  const end = offset + pitch * (height - 1) + width * PIXEL_BYTES[format];
  assert.ok(end <= memory.length, `the picture ends at ${end} of ${memory.length} bytes`);
}

/** Registers of a chip that has fewer than the power of two that a base address register decodes. */
function within(device: Registers, count: number): Registers {
  return {
    read: (offset, size) => device.read(offset % count, size),
    write: (offset, size, value) => device.write(offset % count, size, value),
  };
}

/** Ports of the board's own chips, each where a PC has it. */
const BOARD_PORTS = [
  ...[0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x72, 0x73, 0x92],
  ...[0x00, 0x04, 0x08, 0x0a, 0x0b, 0x0c, 0x81, 0x83, 0xc0, 0xd0, 0xd4, 0xd6, 0xf0],
  ...[0x3f2, 0x3f4, 0x3f5, 0x3f7, 0x1f0, 0x1f1, 0x1f2, 0x1f6, 0x1f7, 0x3f6, 0x170, 0x176, 0x177, 0x376],
  ...[0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x2f8, 0x2f9, 0x378, 0x37a, 0x402, 0x505, 0x510, 0x511, 0x514, 0x518],
  ...[0x600, 0x602, 0x604, 0x608, 0xcf8, 0xcf8, 0xcf8, 0xcf9, 0xcfc, 0xcfc, 0xcfc, 0x5658, 0x501],
];
/** Registers of the chips in memory: local APIC, I/O APIC, HPET. */
const BOARD_MEMORY = [
  ...upTo(0x40).map((n) => 0xfee00000 + n * 16),
  ...[0xfec00000, 0xfec00010, 0xfec00000, 0xfec00010, 0xfec00040],
  ...[0, 4, 0x10, 0x14, 0x20, 0xf0, 0xf4, 0x100, 0x104, 0x108, 0x10c, 0x120, 0x128].map((n) => 0xfed00000 + n),
];

/** A whole board with drives, whose processor does what it likes: ports and memory are reached by their number in a table. */
function boardSubject(): HostileSubject {
  let input: ((byte: number) => void) | undefined;
  let board: PcBoard | undefined;
  const make = (slot: PciSlot) => {
    const drive = (kind: 'disk' | 'cdrom' | 'floppy', bytes: number) => {
      return { kind, bus: 'ide', name: kind, medium: new TestDisk(bytes) } as const;
    };
    const made = new PcBoard({
      clock: slot.clock,
      memory: slot.memory,
      pageIn: slot.pageIn,
      hostWork: slot.hostWork,
      cpu: { requestEvent() {}, setA20() {}, setPageAccess() {}, init() {}, startUp() {} },
      cpuCount: 2,
      tsc: () => new ClockTsc(slot.clock, NANOS_PER_SECOND, () => 0n),
      apicTimerHz: NANOS_PER_SECOND,
      startEpochMs: EPOCH_MILLIS,
      serial: [{ send() {}, onByte: (receive) => (input = receive) }],
      debugOutput() {},
      debugExitPort: 0x501,
      parallel() {},
      drives: [drive('disk', DISK_BYTES), drive('cdrom', DISK_BYTES), drive('floppy', FLOPPY_BYTES)],
      ended() {},
    });
    board = made;
    const cpu = made.processors[0];
    const ports: Registers = {
      read: (offset, size) => cpu.portRead(BOARD_PORTS[offset % BOARD_PORTS.length], size as BusWidth),
      write: (offset, size, value) => cpu.portWrite(BOARD_PORTS[offset % BOARD_PORTS.length], size as BusWidth, value),
    };
    const memory: Registers = {
      read: (offset, size) => cpu.mmioRead(BOARD_MEMORY[(offset >> 2) % BOARD_MEMORY.length], size as BusWidth),
      write: (offset, size, value) =>
        cpu.mmioWrite(BOARD_MEMORY[(offset >> 2) % BOARD_MEMORY.length], size as BusWidth, value),
    };
    const banks = [
      { ports: 256, device: ports },
      { bytes: 0x1000, device: memory },
    ];
    return new ChipCard(slot, [made], banks);
  };
  const poke = (below: Below) => {
    const kind = below(4);
    if (kind < 2) input?.(below(256));
    else if (kind === 2) board?.keyboard.keyboard.key(below(256), below(2) === 1);
    else board?.keyboard.mouse.move(below(100) - 50, below(100) - 50, below(3) - 1, below(8));
    while (below(4) === 0 && board?.processors[0].interruptPending()) board.processors[0].acknowledgeInterrupt();
  };
  return { name: 'board', make, registers: upTo(256), poke };
}

function uartSubject(): HostileSubject {
  let input: ((byte: number) => unknown) | undefined;
  const port = { send() {}, onByte: (receive: (byte: number) => unknown) => (input = receive) };
  const subject = chip('uart', { ports: 8 }, upTo(8), ({ clock, interrupt }) => new Uart16550(clock, interrupt, port));
  return { ...subject, poke: (below) => input?.(below(256)) };
}

function keyboardSubject(): HostileSubject {
  let controller: I8042 | undefined;
  const make = ({ clock, interrupt }: PciSlot) => {
    const reset = () => {};
    controller = new I8042({ clock, keyboardIrq: interrupt, auxIrq: interrupt, a20: { set: reset }, reset });
    return controller;
  };
  const poke = (below: Below) => {
    if (below(2)) controller?.keyboard.key(below(256), below(2) === 1);
    else controller?.mouse.move(below(1000) - 500, below(1000) - 500, below(9) - 4, below(32));
  };
  return { ...chip('keyboard controller', { ports: 8 }, [0, 0, 4, 4], make), poke };
}

function firmwareItems(): FwCfgItems {
  const items = new FwCfgItems();
  for (const n of upTo(8)) items.addFile(`etc/file${n}`, new Uint8Array(n * 1000));
  return items;
}

/** The chips of the board and what is connected to them. */
export const BOARD_SUBJECTS: readonly HostileSubject[] = [
  boardSubject(),
  vgaSubject(),
  { name: 'ide', make: makeIde, registers: [...upTo(8), 7, 7, 7, 6] },
  {
    name: 'ahci',
    make: (slot) => {
      const hardDisk = new AtaDisk({ disk: disk(slot), serial: 'fuzz', sata: true });
      return new Ahci([hardDisk, new AtapiCdrom({ medium: disk(slot), serial: 'fuzz' })], slot);
    },
    registers: [4, 8, ...[0x100, 0x180].flatMap((port) => upTo(16).map((n) => port + n * 4)), 0x138, 0x138, 0x118],
  },
  { name: 'floppy', make: makeFloppy, registers: [...upTo(8), 5, 5, 5, 5, 10, 11, 12] },
  uartSubject(),
  keyboardSubject(),
  chip('rtc', { ports: 4 }, [0, 1, 1, 2, 3], ({ clock, interrupt }) => new Mc146818(clock, interrupt, EPOCH_MILLIS)),
  chip('hpet', { bytes: 0x400 }, [0, 4, 0x10, 0x20, 0xf0, 0xf4, ...upTo(24).map((n) => 0x100 + n * 4)], (slot) => {
    const line = () => slot.interrupt;
    return new Hpet({ clock: slot.clock, routes: 0x00f00000, route: line, isa: line });
  }),
  chip('power management', { ports: 64 }, [0, 2, 4, 8, 0x20, 0x28], ({ clock, interrupt }) => {
    return new Piix4PmRegisters(clock, interrupt, () => {});
  }),
  chip('fw_cfg', { ports: 16 }, [0, 1, 4, 8], ({ memory }) => new FwCfg(firmwareItems(), memory)),
  chip('flash', { bytes: FLASH_BYTES }, upTo(64), () => {
    return new CfiFlash({ content: new Uint8Array(FLASH_BYTES), written() {} }, 0x1000);
  }),
];
