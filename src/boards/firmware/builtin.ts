import { linearRip } from '../../cpu/breakpoints.ts';
import type { Vcpu } from '../../cpu/vcpu.ts';
import { STATE } from '../../isa/registers.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import type { BootMedium } from '../firmware-boot.ts';
import { lowRamEnd, memoryMap } from '../memory-map.ts';
import type { PcBoard } from '../pc.ts';
import type { SystemTables } from '../system-tables.ts';
import { apmCall } from './apm.ts';
import { BDA, EBDA, EBDA_GPA } from './bda.ts';
import { bootBegin, bootChoice, bootGo, bootNext, bootRead, bootReturned, noBoot } from './boot.ts';
import { Caller } from './caller.ts';
import { clock, clockInterrupt } from './clock.ts';
import { driveFind } from './disk/find.ts';
import { DISK_PUSHED_BYTES, diskBegin, diskStep } from './disk/int13.ts';
import { keyboard, keyPressed, keyRead } from './keyboard.ts';
import { mouseInterrupt } from './mouse.ts';
import { optionRom, placeOptionRoms } from './option-roms.ts';
import { bios32, pci32 } from './pci-bios.ts';
import { postBegin, protectMemory } from './post.ts';
import { printer } from './printer.ts';
import { assembleBios, type BiosRom } from './rom.ts';
import { serial, serialReady } from './serial.ts';
import { delayBegin, type SystemFacts, system } from './system.ts';
import { placeTables } from './tables.ts';
import { TRAP_BYTES, TrapRecognizer } from './trap.ts';
import { video } from './video/video.ts';

/** What the built-in BIOS belongs to. */
export interface BiosMachine {
  readonly memory: GuestMemory;
  readonly ramBytes: number;
  readonly tables: SystemTables;
  readonly bootOrder: readonly BootMedium[];
  readonly bootMenuMillis?: number;
  /** ROMs that the BIOS starts beside those it finds. */
  readonly optionRoms: readonly Uint8Array[];
  /** Whether messages go to COM1 too. */
  readonly serialConsole: boolean;
  /** Board and processor, once they are there. */
  board(): PcBoard;
  vcpu(): Vcpu;
}

type Service = (c: Caller, bios: BuiltinBios) => void;

/** What traps of the BIOS's code call. The order gives their numbers. */
const SERVICES: Readonly<Record<string, Service>> = {
  postBegin: (c, bios) => bios.post(c),
  driveFind: (c) => driveFind(c),
  optionRom: (c) => optionRom(c),
  postEnd: (c, { machine }) => protectMemory(machine.board(), c.load(EBDA_GPA + EBDA.optionRom, 2) * 16),
  keyPressed: (c) => keyPressed(c),
  clockInterrupt: (c) => clockInterrupt(c),
  mouseInterrupt: (c) => mouseInterrupt(c),
  video: (c) => video(c),
  equipment: (c) => {
    c.ax = c.load(BDA.equipment, 2);
  },
  memorySize: (c) => {
    c.ax = c.load(BDA.memoryK, 2);
  },
  serial: (c) => serial(c),
  serialReady: (c) => serialReady(c),
  system: (c, { facts }) => system(c, facts),
  delayBegin: (c) => delayBegin(c),
  keyboard: (c) => keyboard(c),
  keyRead: (c) => keyRead(c),
  printer: (c) => printer(c),
  clock: (c) => clock(c),
  diskBegin: (c) => diskBegin(c),
  diskStep: (c) => diskStep(c),
  noBoot: (c) => noBoot(c),
  bootBegin: (c, { machine }) => bootBegin(c, { order: machine.bootOrder, menuMillis: machine.bootMenuMillis }),
  bootNext: (c) => bootNext(c),
  bootRead: (c) => bootRead(c),
  bootChoice: (c) => bootChoice(c),
  bootGo: (c) => bootGo(c),
  bootReturned: (c) => bootReturned(c),
  apmCall: (c, { facts }) => apmCall(c, facts),
  pci32: (c) => pci32(c),
  bios32: (c, { rom }) => bios32(c, rom.label('pci32')),
};
const NAMES = Object.keys(SERVICES);
/** Services whose caller has pushed registers since its interrupt. */
const PUSHED: Readonly<Record<string, number>> = { diskBegin: DISK_PUSHED_BYTES, diskStep: DISK_PUSHED_BYTES };
/** Services that set up the machine itself: for the BIOS in real mode alone. */
const PRIVILEGED: readonly string[] = ['postBegin', 'postEnd'];

let assembled: BiosRom | undefined;

/** The BIOS that every machine without other firmware has. It keeps nothing outside of guest memory. */
export class BuiltinBios {
  readonly rom: BiosRom;
  readonly facts: SystemFacts;
  readonly machine: BiosMachine;
  readonly #traps: TrapRecognizer;

  constructor(machine: BiosMachine) {
    assembled ??= assembleBios(NAMES);
    this.rom = assembled;
    this.machine = machine;
    this.#traps = new TrapRecognizer(this.rom.bytes, machine.memory);
    const { ramBytes } = machine;
    this.facts = {
      memoryMap: memoryMap(ramBytes, EBDA_GPA),
      lowRamEnd: lowRamEnd(ramBytes),
      apm16: this.rom.label('apm16'),
      apm32: this.rom.label('apm32'),
    };
  }

  /**
   * An undefined opcode is about to be executed: does the service that it calls, if it is a trap of this BIOS.
   * @throws {GuestFault} @throws {GuestPageIn}
   */
  call(): boolean {
    const vcpu = this.machine.vcpu();
    const { state, system, engine } = vcpu;
    const rip = state.u64(STATE.rip);
    const number = this.#traps.serviceAt(engine.code.translate(linearRip(state)));
    const name = number === undefined ? undefined : NAMES[number];
    if (name === undefined) return false;
    const caller = new Caller(system.context, PUSHED[name]);
    if (PRIVILEGED.includes(name) && !caller.isPrivileged) return false;
    SERVICES[name](caller, this);
    state.setU64(STATE.rip, rip + BigInt(TRAP_BYTES));
    return true;
  }

  /** Sets up the machine and puts its tables where systems look for them. */
  post(c: Caller): void {
    const { memory, tables } = this.machine;
    const board = this.machine.board();
    postBegin(c, board, this.rom);
    c.store(EBDA_GPA + EBDA.serialConsole, 1, Number(this.machine.serialConsole));
    placeOptionRoms(c, this.machine.optionRoms);
    const [bios32, pnp] = [this.rom.label('bios32'), this.rom.label('pnp')];
    placeTables(c, { memory, tables, cpuCount: board.cpuCount, bios32, pnp });
  }
}
