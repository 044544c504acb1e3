import type { Disk, DiskRequest } from '../../machine/disk-queue.ts';
import type { HostTicket } from '../../machine/host-work.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import { type Command, STATUS } from './command.ts';
import { BLOCK_BYTES, MDTS } from './identify.ts';
import { gather, PAGE_BYTES, type Segment, scatter, segmentsOf, viewsForWrite } from './prp.ts';

/** Commands of the NVM command set (NVM Express 1.4 section 6). */
const OPCODE = { flush: 0x00, write: 0x01, read: 0x02, datasetManagement: 0x09 } as const;
const ALL_NAMESPACES = 0xffffffff;
const FORCE_UNIT_ACCESS = 0x40000000;
const DEALLOCATE = 0x04;
const RANGE_BYTES = 16;
const MOST_BLOCKS = (PAGE_BYTES << MDTS) / BLOCK_BYTES;

type Extent = { readonly offset: number; readonly length: number };

/** What a command asks of the disk: its steps, one after the other. */
type Step =
  | ({ readonly kind: 'read'; readonly segments: readonly Segment[] } & Extent)
  | ({ readonly kind: 'write'; readonly segments: readonly Segment[] } & Extent)
  | ({ readonly kind: 'discard' } & Extent)
  | { readonly kind: 'flush' };

interface Running {
  readonly command: Command;
  readonly steps: readonly Step[];
  at: number;
  ticket?: HostTicket;
}

/** A command under way as a saved state has it. */
export interface SavedRequest {
  readonly command: Command;
  readonly at: number;
  readonly deadlineNanos: bigint;
}

/** What requests are made for. */
export interface RequestWiring {
  readonly disk: Disk;
  readonly memory: GuestMemory;
  /** Whether writes are to be on stable storage when they end. */
  writeThrough(): boolean;
  /** A command has ended. */
  ended(command: Command, status: number): void;
}

/** The commands that the host works on. */
export class NvmeRequests {
  readonly #wiring: RequestWiring;
  readonly #running = new Set<Running>();

  constructor(wiring: RequestWiring) {
    this.#wiring = wiring;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Begins a command. @throws {PageAbsent} nothing has happened */
  begin(command: Command): void {
    const steps = this.#stepsOf(command);
    if (typeof steps === 'number') this.#wiring.ended(command, steps);
    else if (this.#readNow(steps)) this.#wiring.ended(command, STATUS.ok);
    else this.#start({ command, steps, at: 0 });
  }

  /** Forgets the commands of a submission queue; absent: all. What the host still does is seen by nobody. */
  cancel(queue?: number): void {
    for (const running of this.#running) {
      if (queue !== undefined && running.command.queue !== queue) continue;
      running.ticket?.cancel();
      this.#running.delete(running);
    }
  }

  save(): SavedRequest[] {
    return [...this.#running].map(({ command, at, ticket }) => ({
      command,
      at,
      deadlineNanos: ticket?.deadlineNanos ?? 0n,
    }));
  }

  /** Goes on with a command that was saved. @throws {PageAbsent} nothing has happened */
  resume({ command, at, deadlineNanos }: SavedRequest): void {
    const steps = this.#stepsOf(command);
    if (typeof steps === 'number') this.#wiring.ended(command, steps);
    else this.#start({ command, steps, at }, deadlineNanos);
  }

  #start(running: Running, deadlineNanos?: bigint): void {
    this.#submit(running, running.at, deadlineNanos);
    this.#running.add(running);
  }

  /** Asks the disk for a step. @throws {PageAbsent} nothing has happened */
  #submit(running: Running, at: number, deadlineNanos?: bigint): void {
    const step = running.steps[at];
    const request = this.#requestOf(step);
    const finished = (ok: boolean) => {
      if (ok && request.kind === 'read' && step.kind === 'read') {
        scatter(this.#wiring.memory, step.segments, request.target);
      }
      if (ok && at + 1 < running.steps.length) this.#submit(running, at + 1);
      else this.#end(running, ok ? STATUS.ok : failureOf(step));
    };
    running.ticket = this.#wiring.disk.submit(request, finished, deadlineNanos);
    running.at = at;
  }

  #requestOf(step: Step): DiskRequest {
    if (step.kind === 'read') {
      return { kind: 'read', offset: step.offset, target: new Uint8Array(step.length) };
    }
    if (step.kind === 'write') {
      return { kind: 'write', offset: step.offset, source: gather(this.#wiring.memory, step.segments) };
    }
    return step;
  }

  #end(running: Running, status: number): void {
    this.#running.delete(running);
    this.#wiring.ended(running.command, status);
  }

  /** Has the disk fill guest memory itself, where it can do so without waiting. */
  #readNow([step, ...more]: readonly Step[]): boolean {
    if (step.kind !== 'read' || more.length > 0) return false;
    const views = viewsForWrite(this.#wiring.memory, step.segments);
    return views !== undefined && this.#wiring.disk.readNow(step.offset, views);
  }

  /** @returns the steps of a command, of which there is one at least, or the status with which it ends at once */
  #stepsOf(command: Command): readonly Step[] | number {
    const { opcode, namespace } = command;
    const isFlush = opcode === OPCODE.flush;
    if (!Object.values<number>(OPCODE).includes(opcode)) return STATUS.invalidOpcode;
    if (namespace !== 1 && !(isFlush && namespace === ALL_NAMESPACES)) return STATUS.invalidNamespace;
    if (isFlush) return [{ kind: 'flush' }];
    if (!command.plain) return STATUS.invalidField;
    if (opcode !== OPCODE.read && this.#wiring.disk.readOnly) return STATUS.writeProtected;
    return opcode === OPCODE.datasetManagement ? this.#discards(command) : this.#transfer(command);
  }

  #transfer({ opcode, prp1, prp2, dwords }: Command): readonly Step[] | number {
    const blocks = (dwords[2] & 0xffff) + 1;
    const extent = this.#extent(dwords[0] + dwords[1] * 2 ** 32, blocks);
    if (blocks > MOST_BLOCKS) return STATUS.invalidField;
    if (!extent) return STATUS.outOfRange;
    const segments = segmentsOf(this.#wiring.memory, prp1, prp2, extent.length);
    if (!segments) return STATUS.invalidField;
    if (opcode === OPCODE.read) return [{ kind: 'read', segments, ...extent }];
    const isThrough = (dwords[2] & FORCE_UNIT_ACCESS) !== 0 || this.#wiring.writeThrough();
    const write: Step = { kind: 'write', segments, ...extent };
    return isThrough ? [write, { kind: 'flush' }] : [write];
  }

  /** Other hints than that blocks are not needed any more do nothing. */
  #discards({ prp1, prp2, dwords }: Command): readonly Step[] | number {
    if (!(dwords[1] & DEALLOCATE)) return STATUS.ok;
    const length = ((dwords[0] & 0xff) + 1) * RANGE_BYTES;
    const segments = segmentsOf(this.#wiring.memory, prp1, prp2, length);
    if (!segments) return STATUS.invalidField;
    const view = new DataView(gather(this.#wiring.memory, segments).buffer);
    const steps: Step[] = [];
    for (let at = 0; at < length; at += RANGE_BYTES) {
      const blocks = view.getUint32(at + 4, true);
      const extent = this.#extent(Number(view.getBigUint64(at + 8, true)), blocks);
      if (!extent) return STATUS.outOfRange;
      if (blocks > 0) steps.push({ kind: 'discard', ...extent });
    }
    return steps.length > 0 ? steps : STATUS.ok;
  }

  #extent(lba: number, blocks: number): Extent | undefined {
    if (lba + blocks > Math.floor(this.#wiring.disk.sizeBytes / BLOCK_BYTES)) return undefined;
    return { offset: lba * BLOCK_BYTES, length: blocks * BLOCK_BYTES };
  }
}

function failureOf({ kind }: Step): number {
  return kind === 'read' ? STATUS.unrecoveredRead : STATUS.writeFault;
}
