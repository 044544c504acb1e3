import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { type ScsiOutcome, type ScsiUnit, SENSE } from '../../machine/scsi.ts';
import { OP } from './commands.ts';
import { MmcDrive, type MmcOutcome, type MmcState } from './mmc-drive.ts';
import { CD_SECTOR_BYTES } from './replies.ts';

const VERSION_SPC3 = 5;
const STATE_VERSION = 1;

/** A CD and DVD drive on a SCSI controller (MMC-5). */
export class ScsiCdrom implements ScsiUnit {
  readonly #drive: MmcDrive;

  /** @param medium the one at power-on */
  constructor(medium: Disk | undefined) {
    this.#drive = new MmcDrive(medium);
  }

  get disk(): Disk | undefined {
    return this.#drive.medium;
  }

  /** Whether the guest forbids that the medium is taken out. */
  get locked(): boolean {
    return this.#drive.locked;
  }

  get trayOpen(): boolean {
    return this.#drive.trayOpen;
  }

  /** Puts a medium in and closes the tray, or takes it out. */
  insert(medium: Disk | undefined): void {
    this.#drive.insert(medium);
  }

  /** As the button does while the guest has locked the tray. */
  requestEject(): void {
    this.#drive.requestEject();
  }

  execute(cdb: Uint8Array): ScsiOutcome {
    const outcome = this.#drive.execute(cdb);
    this.#drive.ended(outcome.kind === 'fail' ? outcome.sense : SENSE.none);
    if (cdb[0] === OP.inquiry && outcome.kind === 'data') return { kind: 'data', bytes: asScsi(outcome.bytes) };
    return outcome.kind === 'read' ? readOf(outcome) : outcome;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, ...this.#drive.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('ScsiCdrom', state.version, STATE_VERSION);
    this.#drive.restore(state as DeviceState & MmcState);
  }
}

/** Raw sectors exist for players of old discs; what is read here is data. */
function readOf({ lba, sectors, raw }: Extract<MmcOutcome, { kind: 'read' }>): ScsiOutcome {
  if (raw) return { kind: 'fail', sense: SENSE.invalidField };
  return { kind: 'read', offset: lba * CD_SECTOR_BYTES, length: sectors * CD_SECTOR_BYTES };
}

/** The drive's INQUIRY data say that it is on ATAPI: here it is of SPC-3. */
function asScsi(inquiry: Uint8Array): Uint8Array {
  const bytes = inquiry.slice();
  if (bytes.length > 3) bytes.set([VERSION_SPC3, 2], 2);
  return bytes;
}
