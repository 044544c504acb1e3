import type { Disk } from '../../machine/disk-queue.ts';
import { SENSE, type Sense, senseData } from '../../machine/scsi.ts';
import { ALWAYS, NEEDS_MEDIUM, OP } from './commands.ts';
import {
  CD_SECTOR_BYTES,
  capacity,
  configuration,
  type DriveFacts,
  discInformation,
  inquiry,
  mechanismStatus,
  mediaEvent,
  modeSense,
  subChannel,
  toc,
} from './replies.ts';

/** Media events (MMC-5 table 301). */
const EVENT = { none: 0, ejectRequest: 1, newMedia: 2, removal: 3 } as const;

/** What a command comes to. Sectors are to be read by whoever carries the command. */
export type MmcOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'read'; readonly lba: number; readonly sectors: number; readonly raw: boolean }
  | { readonly kind: 'fail'; readonly sense: Sense };

/** The part of the saved state that does not depend on how commands come. The medium is not part of it. */
export interface MmcState {
  readonly sense: Sense;
  readonly attention: boolean;
  readonly event: number;
  readonly trayOpen: boolean;
  readonly locked: boolean;
}

const DONE: MmcOutcome = { kind: 'done' };

/** What a CD and DVD drive makes of its commands, whatever carries them (MMC-5). Media have one data track. */
export class MmcDrive {
  #medium: Disk | undefined;
  #sense: Sense = SENSE.none;
  /** whether the next command is told that the medium has changed */
  #attention = false;
  #event: number = EVENT.none;
  #trayOpen = false;
  #locked = false;

  constructor(medium: Disk | undefined) {
    this.#medium = medium;
  }

  get medium(): Disk | undefined {
    return this.#medium;
  }

  /** Whether the guest forbids that the medium is taken out. */
  get locked(): boolean {
    return this.#locked;
  }

  get trayOpen(): boolean {
    return this.#trayOpen;
  }

  /** What is wrong where the medium cannot be reached. */
  get notReady(): Sense {
    return this.#trayOpen ? SENSE.trayOpen : SENSE.trayClosedNoMedium;
  }

  /** Puts a medium in and closes the tray, or takes it out. */
  insert(medium: Disk | undefined): void {
    this.#medium = medium;
    this.#trayOpen = medium === undefined;
    this.#attention = medium !== undefined;
    this.#event = medium ? EVENT.newMedia : EVENT.removal;
  }

  /** Tells the guest that someone wants the medium out: as the button does while the guest has locked the tray. */
  requestEject(): void {
    this.#event = EVENT.ejectRequest;
  }

  /** Notes what the last command failed with; {@link SENSE.none} when it has succeeded. */
  ended(sense: Sense): void {
    this.#sense = sense;
  }

  /** @param packet a command of at least 12 bytes */
  execute(packet: Uint8Array): MmcOutcome {
    const [op] = packet;
    if (this.#attention && !ALWAYS.includes(op)) {
      this.#attention = false;
      return failed(SENSE.mediumChanged);
    }
    if (NEEDS_MEDIUM.includes(op) && this.#sectors === undefined) return failed(this.notReady);
    if (op === OP.read10 || op === OP.read12 || op === OP.readCd) return this.#read(packet);
    return this.#control(packet) ?? this.#reply(packet);
  }

  save(): MmcState {
    return {
      sense: this.#sense,
      attention: this.#attention,
      event: this.#event,
      trayOpen: this.#trayOpen,
      locked: this.#locked,
    };
  }

  restore(saved: MmcState): void {
    this.#sense = saved.sense;
    this.#attention = saved.attention;
    this.#event = saved.event;
    this.#trayOpen = saved.trayOpen;
    this.#locked = saved.locked;
  }

  get #facts(): DriveFacts {
    return { sectors: this.#sectors, trayOpen: this.#trayOpen, locked: this.#locked };
  }

  get #sectors(): number | undefined {
    const present = this.#medium !== undefined && !this.#trayOpen;
    return present && this.#medium ? Math.floor(this.#medium.sizeBytes / CD_SECTOR_BYTES) : undefined;
  }

  /** Executes a command that moves no data; undefined for one that does. */
  #control(packet: Uint8Array): MmcOutcome | undefined {
    switch (packet[0]) {
      case OP.testUnitReady:
      case OP.synchronizeCache:
      case OP.setCdSpeed:
        return DONE;
      case OP.seek:
        return be32(packet, 2) < (this.#sectors ?? 0) ? DONE : failed(SENSE.addressOutOfRange);
      case OP.preventRemoval:
        this.#locked = (packet[4] & 1) !== 0;
        return DONE;
      case OP.startStop:
        return this.#startStop((packet[4] & 2) !== 0, (packet[4] & 1) !== 0);
      default:
        return undefined;
    }
  }

  /** START STOP UNIT (MMC-5 section 6.46): with LoEj it opens or closes the tray. */
  #startStop(loadEject: boolean, start: boolean): MmcOutcome {
    if (loadEject && !start && this.#locked) return failed(SENSE.removalPrevented);
    if (loadEject && this.#trayOpen === start) {
      this.#trayOpen = !start;
      this.#event = start && this.#medium ? EVENT.newMedia : EVENT.removal;
      this.#attention = start && this.#medium !== undefined;
    }
    return DONE;
  }

  #reply(packet: Uint8Array): MmcOutcome {
    const { bytes, lengthBytes } = this.#answer(packet);
    if (bytes instanceof Uint8Array) return { kind: 'data', bytes: bytes.subarray(0, lengthBytes) };
    return failed(bytes ?? SENSE.invalidField);
  }

  /** What a packet is answered with: bytes, of which the allocation length says how many at most, or what is wrong. */
  #answer(packet: Uint8Array): { bytes: Uint8Array | Sense | undefined; lengthBytes: number } {
    const facts = this.#facts;
    const [short, long, atEight] = [packet[4], be16(packet, 7), be16(packet, 8)];
    const sectors = facts.sectors ?? 0;
    switch (packet[0]) {
      case OP.requestSense:
        return { bytes: this.#takeSense(), lengthBytes: short };
      case OP.inquiry:
        return { bytes: packet[1] & 1 ? undefined : inquiry(), lengthBytes: be16(packet, 3) };
      case OP.modeSense6:
        return {
          bytes: packet[2] >= 0xc0 ? SENSE.savingNotSupported : modeSense(packet, facts, false),
          lengthBytes: short,
        };
      case OP.modeSense10:
        return {
          bytes: packet[2] >= 0xc0 ? SENSE.savingNotSupported : modeSense(packet, facts, true),
          lengthBytes: long,
        };
      case OP.readCapacity:
        return { bytes: capacity(sectors), lengthBytes: 8 };
      case OP.readToc:
        return { bytes: toc(packet, sectors), lengthBytes: long };
      case OP.readSubChannel:
        return { bytes: subChannel(packet), lengthBytes: long };
      case OP.getConfiguration:
        return { bytes: configuration(packet, facts), lengthBytes: long };
      case OP.getEventStatus:
        return { bytes: packet[1] & 1 ? this.#takeEvent(packet) : undefined, lengthBytes: long };
      case OP.readDiscInformation:
        return { bytes: discInformation(), lengthBytes: long };
      case OP.mechanismStatus:
        return { bytes: mechanismStatus(facts), lengthBytes: atEight };
      default:
        return { bytes: SENSE.invalidCommand, lengthBytes: 0 };
    }
  }

  #takeSense(): Uint8Array {
    const sense = this.#attention ? SENSE.mediumChanged : this.#sense;
    this.#attention = false;
    this.#sense = SENSE.none;
    return senseData(sense);
  }

  #takeEvent(packet: Uint8Array): Uint8Array {
    const event = this.#event;
    if (packet[4] & 0x10) this.#event = EVENT.none;
    return mediaEvent(packet, event, this.#facts);
  }

  #read(packet: Uint8Array): MmcOutcome {
    const isCd = packet[0] === OP.readCd;
    const lba = be32(packet, 2);
    const sectors = isCd ? be32(packet, 5) & 0xffffff : packet[0] === OP.read10 ? be16(packet, 7) : be32(packet, 6);
    const fields = isCd ? packet[9] & 0xf8 : 0x10;
    const type = isCd ? (packet[1] >> 2) & 7 : 0;
    if (type !== 0 && type !== 2) return failed(SENSE.wrongMode);
    if (lba + sectors > (this.#sectors ?? 0)) return failed(SENSE.addressOutOfRange);
    if (sectors === 0 || fields === 0) return DONE;
    if (fields !== 0x10 && fields !== 0xf8) return failed(SENSE.invalidField);
    return { kind: 'read', lba, sectors, raw: fields === 0xf8 };
  }
}

function failed(sense: Sense): MmcOutcome {
  return { kind: 'fail', sense };
}

function be16(bytes: Uint8Array, offset: number): number {
  return bytes[offset] * 0x100 + bytes[offset + 1];
}

function be32(bytes: Uint8Array, offset: number): number {
  return be16(bytes, offset) * 0x10000 + be16(bytes, offset + 2);
}
