import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { type ScsiExtent, type ScsiOutcome, type ScsiUnit, SENSE, type Sense, senseData } from '../../machine/scsi.ts';
import { BLOCK_BYTES, forcesUnitAccess, OP, READ_CAPACITY_16, rangeOf, transferOf } from './commands.ts';
import {
  capacity10,
  capacity16,
  type DiskFacts,
  inquiry,
  MOST_UNMAP_BLOCKS,
  MOST_UNMAP_RANGES,
  modeSense,
  reportLuns,
  vitalProductData,
} from './replies.ts';

const STATE_VERSION = 1;
const UNMAP_HEADER_BYTES = 8;
const UNMAP_RANGE_BYTES = 16;
const WRITE_SAME_UNMAP = 0x08;
const WRITE_SAME_NO_DATA = 0x01;
const DONE: ScsiOutcome = { kind: 'done' };

/** A disk that takes SCSI commands (SPC-4, SBC-3): thinly provisioned, with a write cache. */
export class ScsiDisk implements ScsiUnit {
  readonly disk: Disk;
  readonly #serial: string;

  /** @param serial ASCII */
  constructor(disk: Disk, serial: string) {
    this.disk = disk;
    this.#serial = serial;
  }

  execute(cdb: Uint8Array, parameters: Uint8Array): ScsiOutcome {
    const [op] = cdb;
    const transfer = transferOf(op);
    if (transfer) return this.#transfer(transfer, cdb);
    switch (op) {
      case OP.testUnitReady:
      case OP.startStop:
      case OP.preventRemoval:
        return DONE;
      case OP.verify10:
      case OP.verify16:
        return this.#fits(rangeOf(cdb)) ? DONE : failed(SENSE.addressOutOfRange);
      case OP.synchronizeCache10:
      case OP.synchronizeCache16:
        return { kind: 'flush' };
      case OP.unmap:
        return this.#unmap(parameters);
      case OP.writeSame10:
      case OP.writeSame16:
        return this.#writeSame(cdb, parameters);
      default:
        return this.#reply(cdb);
    }
  }

  /** The unit keeps nothing between commands. */
  save(): DeviceState {
    return { version: STATE_VERSION };
  }

  restore(state: DeviceState): void {
    requireVersion('ScsiDisk', state.version, STATE_VERSION);
  }

  get #facts(): DiskFacts {
    const { sizeBytes, readOnly } = this.disk;
    return { blocks: Math.floor(sizeBytes / BLOCK_BYTES), readOnly, serial: this.#serial };
  }

  #fits({ offset, length }: ScsiExtent): boolean {
    return offset + length <= this.#facts.blocks * BLOCK_BYTES;
  }

  #transfer(kind: 'read' | 'write', cdb: Uint8Array): ScsiOutcome {
    const range = rangeOf(cdb);
    if (kind === 'write' && this.disk.readOnly) return failed(SENSE.writeProtected);
    if (!this.#fits(range)) return failed(SENSE.addressOutOfRange);
    if (range.length === 0) return DONE;
    return kind === 'read' ? { kind, ...range } : { kind, ...range, durable: forcesUnitAccess(cdb) };
  }

  /** UNMAP (SBC-3 section 5.28). */
  #unmap(parameters: Uint8Array): ScsiOutcome {
    if (this.disk.readOnly) return failed(SENSE.writeProtected);
    if (parameters.length < UNMAP_HEADER_BYTES)
      return parameters.length === 0 ? DONE : failed(SENSE.parameterListLength);
    const view = new DataView(parameters.buffer, parameters.byteOffset, parameters.byteLength);
    const room = Math.floor((parameters.length - UNMAP_HEADER_BYTES) / UNMAP_RANGE_BYTES);
    const count = Math.min(Math.floor(view.getUint16(2) / UNMAP_RANGE_BYTES), room);
    if (count > MOST_UNMAP_RANGES) return failed(SENSE.invalidParameters);
    const extents = Array.from({ length: count }, (_, n) => {
      const at = UNMAP_HEADER_BYTES + n * UNMAP_RANGE_BYTES;
      return { offset: Number(view.getBigUint64(at)) * BLOCK_BYTES, length: view.getUint32(at + 8) * BLOCK_BYTES };
    });
    if (extents.some(({ length }) => length > MOST_UNMAP_BLOCKS * BLOCK_BYTES)) return failed(SENSE.invalidParameters);
    if (!extents.every((extent) => this.#fits(extent))) return failed(SENSE.addressOutOfRange);
    return { kind: 'discard', extents };
  }

  /** WRITE SAME (SBC-3 sections 5.40 and 5.41), of zeros alone: the disk says that unmapping it may do no more. */
  #writeSame(cdb: Uint8Array, parameters: Uint8Array): ScsiOutcome {
    const extent = rangeOf(cdb);
    const withoutData = cdb[0] === OP.writeSame16 && (cdb[1] & WRITE_SAME_NO_DATA) !== 0;
    const block = withoutData ? new Uint8Array(BLOCK_BYTES) : parameters.subarray(0, BLOCK_BYTES);
    if (this.disk.readOnly) return failed(SENSE.writeProtected);
    if (extent.length === 0 || extent.length > MOST_UNMAP_BLOCKS * BLOCK_BYTES) return failed(SENSE.invalidField);
    if (!this.#fits(extent)) return failed(SENSE.addressOutOfRange);
    if (block.length < BLOCK_BYTES || block.some((byte) => byte !== 0)) return failed(SENSE.invalidField);
    const unmaps = withoutData && (cdb[1] & WRITE_SAME_UNMAP) !== 0;
    return { kind: unmaps ? 'discard' : 'writeZeroes', extents: [extent] };
  }

  #reply(cdb: Uint8Array): ScsiOutcome {
    const { bytes, lengthBytes } = this.#answer(cdb, new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength));
    if (bytes instanceof Uint8Array) return { kind: 'data', bytes: bytes.subarray(0, lengthBytes) };
    return failed(bytes ?? SENSE.invalidField);
  }

  /** What a command is answered with, of which the allocation length says how many bytes at most, or what is wrong. */
  #answer(cdb: Uint8Array, view: DataView): { bytes: Uint8Array | Sense | undefined; lengthBytes: number } {
    const facts = this.#facts;
    switch (cdb[0]) {
      case OP.requestSense:
        return { bytes: senseData(SENSE.none), lengthBytes: cdb[4] };
      case OP.inquiry: {
        const vital = (cdb[1] & 1) !== 0;
        const standard = cdb[2] === 0 ? inquiry() : undefined;
        return { bytes: vital ? vitalProductData(cdb[2], facts) : standard, lengthBytes: view.getUint16(3) };
      }
      case OP.modeSense6:
        return { bytes: modeSense(cdb[2] & 0x3f, facts, false), lengthBytes: cdb[4] };
      case OP.modeSense10:
        return { bytes: modeSense(cdb[2] & 0x3f, facts, true), lengthBytes: view.getUint16(7) };
      case OP.readCapacity10:
        return { bytes: capacity10(facts), lengthBytes: 8 };
      case OP.reportLuns:
        return { bytes: reportLuns(), lengthBytes: view.getUint32(6) };
      case OP.serviceActionIn16:
        if ((cdb[1] & 0x1f) === READ_CAPACITY_16) return { bytes: capacity16(facts), lengthBytes: view.getUint32(10) };
        break;
    }
    return { bytes: SENSE.invalidCommand, lengthBytes: 0 };
  }
}

function failed(sense: Sense): ScsiOutcome {
  return { kind: 'fail', sense };
}
