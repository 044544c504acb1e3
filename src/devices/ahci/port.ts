import { requireVersion } from '../../base/state-version.ts';
import { ATA_REG, ATA_STATUS, type AtaDrive } from '../../machine/ata.ts';
import type { HostWork } from '../../machine/host-work.ts';
import type { DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { addressOf, type CommandHeader, CommandList, type RegionCursor } from './command-list.ts';
import { deviceToHostFis, FIS_TYPE, loadTaskFile, pioSetupFis, RECEIVED, setDeviceBitsFis } from './fis.ts';

/** Registers of a port (AHCI 1.3.1 section 3.3). */
const REG = {
  clb: 0x00,
  clbu: 0x04,
  fb: 0x08,
  fbu: 0x0c,
  is: 0x10,
  ie: 0x14,
  cmd: 0x18,
  tfd: 0x20,
  sig: 0x24,
  ssts: 0x28,
  sctl: 0x2c,
  serr: 0x30,
  sact: 0x34,
  ci: 0x38,
} as const;

/** Registers that only remember, with the bits that the guest may write. */
const PLAIN: ReadonlyMap<number, number> = new Map([
  [REG.clb, 0xfffffc00],
  [REG.clbu, 0xffffffff],
  [REG.fb, 0xffffff00],
  [REG.fbu, 0xffffffff],
  [REG.ie, 0xfdc000ff],
]);

const IS = { dhrs: 0x01, pss: 0x02, sdbs: 0x08, ofs: 1 << 24, tfes: 1 << 30 } as const;
const CMD = { st: 0x01, clo: 0x08, fre: 0x10, fr: 1 << 14, cr: 1 << 15 } as const;
/** ST, SUD, POD, FRE, and what only remembers: ATAPI and LED. */
const CMD_WRITABLE = 0x03000017;
const CMD_POWER_ON = 0x06;
const CURRENT_SLOT_SHIFT = 8;
const SCTL_DET = 0x0f;
const SCTL_WRITABLE = 0xfff;
/** A drive is there, at 1.5 Gb/s, awake. */
const SSTS_PRESENT = 0x113;
const TFD_NO_DRIVE = 0x7f;
const SIG_NONE = 0xffffffff;
const COMMAND_BIT = 0x80;
const SRST = 0x04;
const FPDMA = { read: 0x60, write: 0x61 } as const;
const DMA_EXT = { read: 0x25, write: 0x35, writeFua: 0x3d } as const;
const FUA = 0x80;
const SLOTS = 32;
const PACKET_BYTES = 12;
const STATE_VERSION = 1;

/** A command that runs. */
interface Running {
  readonly slot: number;
  readonly header: CommandHeader;
  readonly queued: boolean;
  readonly cursor: RegionCursor;
  readonly movedBytes: number;
}

/** What a port is connected to. */
export interface PortOptions {
  readonly drive: AtaDrive | undefined;
  readonly memory: GuestMemory;
  readonly hostWork: HostWork;
  /** told when the port wants an interrupt, or no longer does */
  readonly interrupt: () => void;
}

/** A port of the HBA with its drive. Commands are executed one at a time, queued ones in the order of their slots. */
export class AhciPort {
  readonly #drive: AtaDrive | undefined;
  readonly #list: CommandList;
  readonly #hostWork: HostWork;
  readonly #interrupt: () => void;
  readonly #plain = new Map<number, number>();
  #is = 0;
  #cmd = CMD_POWER_ON;
  #sig = SIG_NONE;
  #sctl = 0;
  #serr = 0;
  #sact = 0;
  #ci = 0;
  /** whether a command has failed, until the driver stops the port */
  #stopped = false;
  /** whether the driver holds SRST */
  #resetting = false;
  #running: Running | undefined;

  constructor({ drive, memory, hostWork, interrupt }: PortOptions) {
    this.#drive = drive;
    this.#list = new CommandList(memory);
    this.#hostWork = hostWork;
    this.#interrupt = interrupt;
    drive?.connect({ changed: () => this.#advance() });
    this.#readSignature();
  }

  /** Whether the port has something to tell. */
  get interrupting(): boolean {
    return (this.#is & (this.#plain.get(REG.ie) ?? 0)) !== 0;
  }

  /** @param offset of a dword */
  read(offset: number): number {
    switch (offset) {
      case REG.is:
        return this.#is >>> 0;
      case REG.cmd:
        return this.#readCommand();
      case REG.tfd:
        return this.#drive ? this.#drive.taskFile.error * 0x100 + this.#drive.taskFile.status : TFD_NO_DRIVE;
      case REG.sig:
        return this.#sig;
      case REG.ssts:
        return this.#drive && (this.#sctl & SCTL_DET) === 0 ? SSTS_PRESENT : 0;
      case REG.sctl:
        return this.#sctl;
      case REG.serr:
        return this.#serr;
      case REG.sact:
        return this.#sact >>> 0;
      case REG.ci:
        return this.#ci >>> 0;
      default:
        return this.#plain.get(offset) ?? 0;
    }
  }

  write(offset: number, value: number): void {
    const writable = PLAIN.get(offset);
    if (writable !== undefined) {
      this.#plain.set(offset, (value & writable) >>> 0);
      this.#interrupt();
    } else if (offset === REG.is) {
      this.#is &= ~value;
      this.#interrupt();
    } else if (offset === REG.cmd) this.#writeCommand(value);
    else if (offset === REG.sctl) this.#writeControl(value);
    else if (offset === REG.serr) this.#serr &= ~value;
    else if (offset === REG.sact && this.#cmd & CMD.st) this.#sact |= value;
    else if (offset === REG.ci && this.#cmd & CMD.st) {
      this.#ci |= value;
      this.#advance();
    }
  }

  /** As at power-on. */
  reset(): void {
    this.#plain.clear();
    this.#is = 0;
    this.#cmd = CMD_POWER_ON;
    this.#sctl = 0;
    this.#serr = 0;
    this.#resetting = false;
    this.#stop();
    this.#drive?.reset();
    this.#readSignature();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      plain: [...this.#plain],
      is: this.#is,
      cmd: this.#cmd,
      sig: this.#sig,
      sctl: this.#sctl,
      serr: this.#serr,
      sact: this.#sact,
      ci: this.#ci,
      stopped: this.#stopped,
      resetting: this.#resetting,
      running: this.#running ?? null,
      drive: this.#drive?.save() ?? null,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('AhciPort', state.version, STATE_VERSION);
    this.#running = undefined;
    this.#ci = 0;
    if (this.#drive && state.drive) this.#drive.restore(state.drive as DeviceState);
    this.#plain.clear();
    for (const [offset, value] of state.plain as readonly [number, number][]) this.#plain.set(offset, value);
    this.#is = Number(state.is);
    this.#cmd = Number(state.cmd);
    this.#sig = Number(state.sig);
    this.#sctl = Number(state.sctl);
    this.#serr = Number(state.serr);
    this.#sact = Number(state.sact);
    this.#ci = Number(state.ci);
    this.#stopped = Boolean(state.stopped);
    this.#resetting = Boolean(state.resetting);
    this.#running = (state.running as Running | null) ?? undefined;
    this.#advance();
  }

  get #listGpa(): number {
    return addressOf(this.#plain.get(REG.clb) ?? 0, this.#plain.get(REG.clbu) ?? 0);
  }

  #readCommand(): number {
    const started = this.#cmd & CMD.st ? CMD.cr | ((this.#running?.slot ?? 0) << CURRENT_SLOT_SHIFT) : 0;
    return this.#cmd | started | (this.#cmd & CMD.fre ? CMD.fr : 0);
  }

  #writeCommand(value: number): void {
    const stops = (this.#cmd & ~value & CMD.st) !== 0;
    this.#cmd = value & CMD_WRITABLE;
    if (stops) this.#stop();
    if (value & CMD.clo) this.#clearBusy();
    this.#advance();
  }

  /** The driver stops the port: it forgets its commands. What the drive still does is heard by nobody. */
  #stop(): void {
    this.#ci = 0;
    this.#sact = 0;
    this.#stopped = false;
    this.#running = undefined;
  }

  /** CLO: the driver gives up waiting for the drive. */
  #clearBusy(): void {
    const drive = this.#drive;
    if (drive && drive.taskFile.status & (ATA_STATUS.bsy | ATA_STATUS.drq)) drive.reset();
  }

  #writeControl(value: number): void {
    const starts = (value & SCTL_DET) === 1 && (this.#sctl & SCTL_DET) !== 1;
    const ends = (value & SCTL_DET) === 0 && (this.#sctl & SCTL_DET) === 1;
    this.#sctl = value & SCTL_WRITABLE;
    if (starts) {
      this.#running = undefined;
      this.#drive?.reset();
    }
    if (ends) this.#sendSignature();
  }

  #sendSignature(): void {
    this.#readSignature();
    if (this.#drive) this.#hostWork.access(() => this.#receive(RECEIVED.deviceToHost, () => this.#registersFis()));
  }

  #readSignature(): void {
    const [, , count, low, mid, high] = this.#drive?.taskFile.current ?? [];
    this.#sig = this.#drive ? high * 0x1000000 + mid * 0x10000 + low * 0x100 + count : SIG_NONE;
  }

  #registersFis(): Uint8Array {
    return this.#drive ? deviceToHostFis(this.#drive.taskFile) : new Uint8Array(0);
  }

  /** Puts a frame into memory where the driver wants frames. */
  #receive(offset: number, fis: () => Uint8Array): void {
    if (!(this.#cmd & CMD.fre)) return;
    const base = addressOf(this.#plain.get(REG.fb) ?? 0, this.#plain.get(REG.fbu) ?? 0);
    this.#list.writeFis(base + offset, fis());
  }

  #raise(bits: number): void {
    this.#is |= bits;
    this.#interrupt();
  }

  /** Does the next step when there is one to do. */
  #advance(): void {
    if (this.#ci !== 0 || this.#running) this.#hostWork.access(() => this.#step());
  }

  #step(): void {
    const drive = this.#drive;
    if (!drive || !(this.#cmd & CMD.st) || drive.taskFile.status & ATA_STATUS.bsy) return;
    const running = this.#running;
    if (!running) this.#begin(drive);
    else if (drive.transfer) this.#move(drive, running);
    else this.#complete(drive, running);
  }

  #begin(drive: AtaDrive): void {
    const slot = this.#nextSlot();
    if (slot === undefined) return;
    const header = this.#list.header(this.#listGpa, slot);
    const fis = this.#list.commandFis(header);
    if (fis[0] !== FIS_TYPE.hostToDevice || !(fis[1] & COMMAND_BIT)) {
      this.#control(drive, slot, fis[15]);
      return;
    }
    const queued = fis[2] === FPDMA.read || fis[2] === FPDMA.write;
    loadTaskFile(drive.taskFile, fis);
    if (queued) this.#ci &= ~(1 << slot);
    this.#running = { slot, header, queued, cursor: { region: 0, used: 0 }, movedBytes: 0 };
    drive.execute(queued ? unqueue(drive, fis[2]) : fis[2]);
    this.#advance();
  }

  #nextSlot(): number | undefined {
    if (this.#stopped) return undefined;
    for (let slot = 0; slot < SLOTS; slot++) if ((this.#ci >>> slot) & 1) return slot;
    return undefined;
  }

  /** A frame without a command: it sets and clears SRST. */
  #control(drive: AtaDrive, slot: number, control: number): void {
    const held = (control & SRST) !== 0;
    if (this.#resetting && !held) {
      drive.reset();
      this.#readSignature();
      this.#receive(RECEIVED.deviceToHost, () => this.#registersFis());
    }
    this.#resetting = held;
    this.#ci &= ~(1 << slot);
    this.#advance();
  }

  /** Moves what the drive has or wants. What finds no room is lost. */
  #move(drive: AtaDrive, running: Running): void {
    const { transfer } = drive;
    if (!transfer) return;
    const { direction, dma, data } = transfer;
    const isPacket = running.header.atapi && direction === 'fromHost' && data.length === PACKET_BYTES;
    if (isPacket) {
      data.set(this.#list.atapiCommand(running.header).subarray(0, data.length));
    } else {
      const toHost = direction === 'toHost';
      if (!dma) this.#receive(RECEIVED.pioSetup, () => pioSetupFis(drive.taskFile, toHost, data.length));
      const { moved, cursor } = this.#list.move(running.header, running.cursor, direction, data);
      this.#running = { ...running, cursor, movedBytes: running.movedBytes + moved };
      if (moved < data.length) this.#raise(IS.ofs);
    }
    drive.transferred();
    this.#advance();
  }

  #complete(drive: AtaDrive, { slot, queued, movedBytes }: Running): void {
    const { taskFile } = drive;
    const failed = (taskFile.status & ATA_STATUS.err) !== 0;
    const bit = 1 << slot;
    if (queued) this.#receive(RECEIVED.setDeviceBits, () => setDeviceBitsFis(taskFile, failed ? 0 : bit));
    else {
      this.#list.writeByteCount(this.#listGpa, slot, movedBytes);
      this.#receive(RECEIVED.deviceToHost, () => deviceToHostFis(taskFile));
    }
    this.#running = undefined;
    this.#stopped ||= failed;
    if (!failed) {
      this.#ci &= ~bit;
      if (queued) this.#sact &= ~bit;
    }
    this.#raise((queued ? IS.sdbs : IS.dhrs) | (failed ? IS.tfes : 0));
    this.#advance();
  }
}

/** Gives a queued command the form of one that is not: its count lies in the features register. @returns the code */
function unqueue({ taskFile }: AtaDrive, code: number): number {
  for (const bank of [taskFile.current, taskFile.previous]) bank[ATA_REG.count] = bank[ATA_REG.features];
  const fua = (taskFile.current[ATA_REG.device] & FUA) !== 0;
  return code === FPDMA.read ? DMA_EXT.read : fua ? DMA_EXT.writeFua : DMA_EXT.write;
}
