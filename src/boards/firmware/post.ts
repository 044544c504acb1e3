import { setLevelTriggered } from '../direct-boot.ts';
import type { PcBoard } from '../pc.ts';
import { PC_IRQ, PC_MEMORY, PC_PIRQ, PC_SLOT } from '../pc-map.ts';
import { setUpPci } from '../pci-setup.ts';
import { BDA, EBDA, EBDA_BYTES, EBDA_GPA, EBDA_SEGMENT } from './bda.ts';
import type { Caller } from './caller.ts';
import { readCmos } from './clock.ts';
import { addDrive, DRIVE } from './disk/drives.ts';
import { addPrinter } from './printer.ts';
import type { BiosRom } from './rom.ts';

const BIOS_SEGMENT = 0xf000;
const BDA_START = 0x400;
const BDA_END = 0x500;
const DUMMY = 0xff53;
const VECTORS_WITH_HANDLER = 0x78;
const TICKS_PER_SECOND = 1_193_182 / 65_536;
const COM_PORTS = [0x3f8, 0x2f8];
const KEY_BUFFER = 0x1e;
const KEY_BUFFER_END = 0x3e;
const KEYBOARD_101 = 0x10;
/** Coprocessor, mouse, 80 columns in colour. */
const EQUIPMENT = 0x0026;
const DISKETTE_PARAMETERS = 0xefc7;
const CMOS_FLOPPIES = 0x10;

/** Vectors and the labels or offsets of their handlers. */
const VECTORS: readonly (readonly [vector: number, handler: string | number])[] = [
  [0x02, 0xe2c3],
  [0x05, 0xff54],
  [0x08, 0xfea5],
  [0x09, 0xe987],
  ...[0x0a, 0x0b, 0x0c, 0x0d, 0x0f].map((vector) => [vector, 'irq_master'] as const),
  [0x0e, 0xef57],
  [0x10, 0xf065],
  [0x11, 0xf84d],
  [0x12, 0xf841],
  [0x13, 0xe3fe],
  [0x14, 0xe739],
  [0x15, 0xf859],
  [0x16, 0xe82e],
  [0x17, 0xefd2],
  [0x18, 'int18'],
  [0x19, 0xe6f2],
  [0x1a, 0xfe6e],
  [0x1e, DISKETTE_PARAMETERS],
  [0x40, 0xec59],
  [0x70, 'int70'],
  [0x71, 'int71'],
  [0x72, 'irq_slave'],
  [0x73, 'irq_slave'],
  [0x74, 'int74'],
  [0x75, 'int75'],
  [0x76, 'int76'],
  [0x77, 'int77'],
];

/** What chips get from firmware: port and value. */
const CHIP_SETTINGS: readonly (readonly [port: number, value: number])[] = [
  // PICs: vectors 08h and 70h; timer, keyboard, floppy, mouse, coprocessor and disks are let through.
  ...([
    [0x20, 0x11],
    [0x21, 0x08],
    [0x21, 0x04],
    [0x21, 0x01],
    [0x21, 0xb8],
  ] as const),
  ...([
    [0xa0, 0x11],
    [0xa1, 0x70],
    [0xa1, 0x02],
    [0xa1, 0x01],
    [0xa1, 0x0f],
  ] as const),
  // Timer: 18.2 Hz; refresh.
  ...([
    [0x43, 0x34],
    [0x40, 0x00],
    [0x40, 0x00],
    [0x43, 0x54],
    [0x41, 0x12],
  ] as const),
  // Keyboard controller: both interrupts, translation to scan code set 1.
  ...([
    [0x64, 0x60],
    [0x60, 0x47],
    [0x64, 0xa8],
  ] as const),
  // DMA: cascade on channel 4.
  ...([
    [0xd6, 0xc0],
    [0xd4, 0x00],
  ] as const),
  // A20 open; real-time clock: 24 hours, BCD.
  [0x92, 0x02],
];

/** Sets up the machine, but for what has to be waited for. The caller is the BIOS itself in real mode. */
export function postBegin(c: Caller, board: PcBoard, rom: BiosRom): void {
  for (const [port, value] of CHIP_SETTINGS) c.out(port, value);
  setUpPci(board.pci);
  setLevelTriggered(board, [PC_IRQ.sci, ...PC_PIRQ]);
  const flag = c.load(BDA.resetFlag, 2);
  for (let at = BDA_START; at < BDA_END; at += 4) c.store(at, 4, 0);
  for (let at = EBDA_GPA; at < EBDA_GPA + EBDA_BYTES; at += 4) c.store(at, 4, 0);
  c.store(BDA.resetFlag, 2, flag);
  setVectors(c, rom);
  describeMachine(c);
  addFloppies(c);
}

function setVectors(c: Caller, rom: BiosRom): void {
  for (let vector = 0; vector < 0x100; vector++) {
    c.store(vector * 4, 4, vector < VECTORS_WITH_HANDLER ? ((BIOS_SEGMENT << 16) | DUMMY) >>> 0 : 0);
  }
  for (const [vector, handler] of VECTORS) {
    const offset = typeof handler === 'number' ? handler : rom.label(handler);
    c.store(vector * 4, 4, ((BIOS_SEGMENT << 16) | offset) >>> 0);
  }
}

function describeMachine(c: Caller): void {
  c.store(BDA.ebdaSegment, 2, EBDA_SEGMENT);
  c.store(EBDA_GPA + EBDA.sizeK, 1, EBDA_BYTES >> 10);
  c.store(BDA.memoryK, 2, EBDA_GPA >> 10);
  c.store(BDA.equipment, 2, EQUIPMENT | (COM_PORTS.length << 9));
  COM_PORTS.forEach((port, i) => {
    c.store(BDA.com + i * 2, 2, port);
    c.store(BDA.comTimeout + i, 1, 1);
  });
  addPrinter(c);
  for (const at of [BDA.keyHead, BDA.keyTail, BDA.keyBufferStart]) c.store(at, 2, KEY_BUFFER);
  c.store(BDA.keyBufferEnd, 2, KEY_BUFFER_END);
  c.store(BDA.keyFlags3, 1, KEYBOARD_101);
  const digits = (index: number) => ((value) => (value >> 4) * 10 + (value & 0x0f))(readCmos(c, index));
  const seconds = digits(4) * 3600 + digits(2) * 60 + digits(0);
  c.store(BDA.ticks, 4, Math.floor(seconds * TICKS_PER_SECOND));
}

/** Sectors a track by type of drive as CMOS memory has it: 360K, 1.2M, 720K, 1.44M, 2.88M. */
const FLOPPY_TRACKS = [0, 9, 15, 9, 18, 36, 36];

function addFloppies(c: Caller): void {
  const types = readCmos(c, CMOS_FLOPPIES);
  const drives = [types >> 4, types & 0x0f].map((type) => FLOPPY_TRACKS[type] ?? 0);
  drives.forEach((sectorsPerTrack, unit) => {
    if (sectorsPerTrack === 0) return;
    const [cylinders, heads] = [types === 1 ? 40 : 80, 2];
    const geometry = { cylinders, heads, sectorsPerTrack, sectors: cylinders * heads * sectorsPerTrack };
    addDrive(c, {
      number: unit,
      kind: DRIVE.floppy,
      unit,
      place: 0,
      sectorBytes: 512,
      hasLba48: false,
      imageStart: 0,
      ...geometry,
    });
  });
  const count = drives.filter((track) => track > 0).length;
  if (count > 0) c.store(BDA.equipment, 2, c.load(BDA.equipment, 2) | 1 | ((count - 1) << 6));
}

/** Host bridge registers: the BIOS and its tables are read alone, and what holds no option ROM is not RAM. */
const PROTECTED = [
  [0x59, 1, 0x10],
  [0x5e, 2, 0x1111],
] as const;
const PAM_OF_ROMS = 0x5a;
const ROM_AREA_BYTES = 0x4000;
const ROM_AREAS = 8;
const READ_ONLY = 1;

/** Ends the set-up: memory is protected. @param romsEnd where option ROMs end */
export function protectMemory(board: PcBoard, romsEnd: number): void {
  const bridge = board.pci.at(PC_SLOT.hostBridge[0] * 8 + PC_SLOT.hostBridge[1]);
  for (const [offset, size, value] of PROTECTED) bridge?.writeConfig(offset, size, value);
  for (let pair = 0; pair < ROM_AREAS / 2; pair++) {
    const used = (area: number) => (0xc0000 + (pair * 2 + area) * ROM_AREA_BYTES < romsEnd ? READ_ONLY : 0);
    bridge?.writeConfig(PAM_OF_ROMS + pair, 1, used(0) | (used(1) << 4));
  }
}

/** Where option ROMs may begin. */
export const FIRST_OPTION_ROM = PC_MEMORY.vgaEnd;
