import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import { restartable } from '../../machine/dma.ts';
import type { DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { type AdminTarget, defaultFeatures, executeAdmin, hasWriteCache } from './admin.ts';
import type { Command, Completion } from './command.ts';
import { NVME_VERSION, type NvmeFacts } from './identify.ts';
import { PAGE_BYTES } from './prp.ts';
import { type CompletionQueue, commandAt, complete, isFull, type SubmissionQueue } from './queues.ts';
import { NvmeRequests, type SavedRequest } from './requests.ts';

/** Registers (NVM Express 1.4 section 3.1). */
const REG = {
  capLow: 0x00,
  capHigh: 0x04,
  vs: 0x08,
  intms: 0x0c,
  intmc: 0x10,
  cc: 0x14,
  csts: 0x1c,
  aqa: 0x24,
  asqLow: 0x28,
  asqHigh: 0x2c,
  acqLow: 0x30,
  acqHigh: 0x34,
} as const;
const FIRST_DOORBELL = 0x1000;
/** Bytes that the registers take. */
export const NVME_REGISTER_BYTES = 0x4000;

/** Pairs of queues besides the admin queues, and interrupt vectors: one for each. */
const PAIRS = 8;
export const NVME_VECTORS = PAIRS + 1;
const ENTRIES = 1024;
/** Queues of 1,024 contiguous entries, ten seconds to become ready; the NVM command set. */
const CAP_LOW = (20 << 24) | 0x10000 | (ENTRIES - 1);
const CAP_HIGH = 0x20;
const CC_ENABLE = 0x01;
const CC_WRITABLE = 0x00fffff1;
/** CSS, MPS and AMS: other command sets, pages and arbitrations than the one there is of each. */
const CC_CHOICES = 0x3ff0;
/** SHN: the driver announces the end. */
const CC_SHUTDOWN = 0xc000;
const CSTS_READY = 0x01;
const CSTS_FATAL = 0x02;
const CSTS_SHUTDOWN_COMPLETE = 0x08;
const AQA_WRITABLE = 0x0fff0fff;
const ADMIN_QUEUE = 0;
/** Commands that the host works on at once. */
const MOST_RUNNING = 64;
const STATE_VERSION = 1;

/** What the controller is connected to. */
export interface ControllerWiring {
  readonly disk: Disk;
  readonly memory: GuestMemory;
  readonly facts: Pick<NvmeFacts, 'serial' | 'number'>;
  pageIn(gpa: number): Promise<void>;
  /** A completion queue has a new entry, and interrupts for it. */
  signal(vector: number): void;
  /** Whether pin-based interrupts wait may have changed. */
  interruptChanged(): void;
}

/** The registers of the configuration, and what the guest sees of their state. */
interface Registers {
  cc: number;
  csts: number;
  aqa: number;
  asqLow: number;
  asqHigh: number;
  acqLow: number;
  acqHigh: number;
  /** INTMS: vectors whose pin-based interrupts are masked. */
  mask: number;
}

/** An NVMe controller with one namespace: registers, queues and admin commands. */
export class NvmeController implements AdminTarget {
  readonly facts: NvmeFacts;
  readonly memory: GuestMemory;
  readonly limits = { pairs: PAIRS, entries: ENTRIES, vectors: NVME_VECTORS };
  readonly submissions = new Map<number, SubmissionQueue>();
  readonly completions = new Map<number, CompletionQueue>();
  readonly features = defaultFeatures();
  readonly eventRequests: number[] = [];
  readonly #wiring: ControllerWiring;
  readonly #requests: NvmeRequests;
  readonly #work: () => void;
  #r: Registers = { cc: 0, csts: 0, aqa: 0, asqLow: 0, asqHigh: 0, acqLow: 0, acqHigh: 0, mask: 0 };
  /** Commands that ended and are not in a completion queue yet. */
  #ended: Completion[] = [];
  /** Whether {@link #advance} is at work. */
  #advancing = false;
  /** Requests of a restored state that are to be made again. */
  #saved: SavedRequest[] = [];

  constructor(wiring: ControllerWiring) {
    const { disk, memory } = wiring;
    this.#wiring = wiring;
    this.memory = memory;
    this.facts = { ...wiring.facts, sizeBytes: disk.sizeBytes, readOnly: disk.readOnly };
    this.#requests = new NvmeRequests({
      disk,
      memory,
      writeThrough: () => !hasWriteCache(this.features),
      ended: (command, status) => this.#end(command, status),
    });
    this.#work = restartable(
      (gpa) => wiring.pageIn(gpa),
      () => this.#advance(),
    );
  }

  /** Whether a completion queue with interrupts has entries that the driver has not taken, and its vector is not masked. */
  get interrupting(): boolean {
    return [...this.completions.values()].some(
      ({ interrupts, head, tail, vector }) => interrupts && head !== tail && !((this.#r.mask >>> vector) & 1),
    );
  }

  forget(queue: number): void {
    this.#requests.cancel(queue);
    this.#ended = this.#ended.filter((ended) => ended.queue !== queue);
  }

  /** @param offset of a dword */
  read(offset: number): number {
    switch (offset) {
      case REG.capLow:
        return CAP_LOW;
      case REG.capHigh:
        return CAP_HIGH;
      case REG.vs:
        return NVME_VERSION;
      case REG.intms:
      case REG.intmc:
        return this.#r.mask >>> 0;
      case REG.cc:
        return this.#r.cc;
      case REG.csts:
        return this.#r.csts;
      default:
        return this.#readAdminQueues(offset);
    }
  }

  /** @param offset of a dword */
  write(offset: number, value: number): void {
    if (offset >= FIRST_DOORBELL) this.#ring((offset - FIRST_DOORBELL) / 4, value & 0xffff);
    else if (offset === REG.intms) this.#r.mask |= value;
    else if (offset === REG.intmc) this.#r.mask &= ~value;
    else if (offset === REG.cc) this.#configure(value & CC_WRITABLE);
    else this.#writeAdminQueues(offset, value);
    this.#wiring.interruptChanged();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      registers: { ...this.#r },
      submissions: [...this.submissions.values()].map((queue) => ({ ...queue })),
      completions: [...this.completions.values()].map((queue) => ({ ...queue })),
      features: [...this.features],
      eventRequests: [...this.eventRequests],
      ended: [...this.#ended],
      requests: [...this.#requests.save(), ...this.#saved],
    };
  }

  restore(state: DeviceState): void {
    requireVersion('NvmeController', state.version, STATE_VERSION);
    this.#forgetAll();
    this.#r = { ...(state.registers as Registers) };
    for (const queue of state.submissions as readonly SubmissionQueue[]) this.submissions.set(queue.id, { ...queue });
    for (const queue of state.completions as readonly CompletionQueue[]) this.completions.set(queue.id, { ...queue });
    for (const [feature, value] of state.features as readonly [number, number][]) this.features.set(feature, value);
    this.eventRequests.push(...(state.eventRequests as readonly number[]));
    this.#ended = [...(state.ended as readonly Completion[])];
    this.#saved = [...(state.requests as readonly SavedRequest[])];
    if (this.#r.cc & CC_SHUTDOWN && !(this.#r.csts & CSTS_SHUTDOWN_COMPLETE)) this.#shutDown();
    this.#work();
  }

  #readAdminQueues(offset: number): number {
    if (offset === REG.aqa) return this.#r.aqa;
    if (offset === REG.asqLow) return this.#r.asqLow;
    if (offset === REG.asqHigh) return this.#r.asqHigh;
    if (offset === REG.acqLow) return this.#r.acqLow;
    return offset === REG.acqHigh ? this.#r.acqHigh : 0;
  }

  #writeAdminQueues(offset: number, value: number): void {
    const page = (value - (value % PAGE_BYTES)) >>> 0;
    if (offset === REG.aqa) this.#r.aqa = value & AQA_WRITABLE;
    else if (offset === REG.asqLow) this.#r.asqLow = page;
    else if (offset === REG.asqHigh) this.#r.asqHigh = value;
    else if (offset === REG.acqLow) this.#r.acqLow = page;
    else if (offset === REG.acqHigh) this.#r.acqHigh = value;
  }

  #configure(value: number): void {
    const before = this.#r.cc;
    this.#r.cc = value;
    if (value & ~before & CC_ENABLE) this.#enable();
    else if (before & ~value & CC_ENABLE) this.#disable();
    if (value & CC_SHUTDOWN && !(before & CC_SHUTDOWN)) this.#shutDown();
  }

  #enable(): void {
    const { aqa, asqLow, asqHigh, acqLow, acqHigh, cc } = this.#r;
    const [submissions, completions] = [(aqa & 0xfff) + 1, (aqa >>> 16) + 1];
    if (cc & CC_CHOICES || submissions < 2 || completions < 2) {
      this.#r.csts = CSTS_FATAL;
      return;
    }
    const id = ADMIN_QUEUE;
    const at = (low: number, high: number) => (high & 0xfffff) * 2 ** 32 + low;
    const queue = { id, head: 0, tail: 0 };
    this.submissions.set(id, { ...queue, gpa: at(asqLow, asqHigh), size: submissions, completionQueue: id });
    const completion = { gpa: at(acqLow, acqHigh), size: completions, interrupts: true, vector: 0, phase: 1 } as const;
    this.completions.set(id, { ...queue, ...completion });
    this.#r.csts = CSTS_READY;
  }

  /** A controller reset: all but the admin queues' registers is as at power-on. */
  #disable(): void {
    this.#forgetAll();
    this.#r.csts = 0;
    this.#r.mask = 0;
  }

  /** What was written becomes durable, as the driver asks of the last thing before power goes. */
  #shutDown(): void {
    const done = () => {
      if (this.#r.cc & CC_SHUTDOWN) this.#r.csts |= CSTS_SHUTDOWN_COMPLETE;
    };
    this.#wiring.disk.submit({ kind: 'flush' }, done);
  }

  #forgetAll(): void {
    this.#requests.cancel();
    this.#saved = [];
    this.#ended = [];
    this.submissions.clear();
    this.completions.clear();
    this.eventRequests.length = 0;
    for (const [feature, value] of defaultFeatures()) this.features.set(feature, value);
  }

  /** A doorbell: even ones are tails of submission queues, odd ones heads of completion queues. */
  #ring(doorbell: number, value: number): void {
    const id = doorbell >> 1;
    const submissions = this.submissions.get(id);
    const completions = this.completions.get(id);
    if (doorbell & 1) {
      if (completions && value < completions.size) completions.head = value;
    } else if (submissions && value < submissions.size) submissions.tail = value;
    this.#work();
  }

  /** Does all there is to do. @throws {PageAbsent} nothing is lost when it is called again */
  #advance(): void {
    this.#advancing = true;
    try {
      this.#doAll();
    } finally {
      this.#advancing = false;
      this.#wiring.interruptChanged();
    }
  }

  #doAll(): void {
    for (let saved = this.#saved[0]; saved; saved = this.#saved[0]) {
      this.#requests.resume(saved);
      this.#saved.shift();
    }
    this.#tellEnded();
    for (const queue of this.submissions.values()) this.#takeCommands(queue);
  }

  #takeCommands(queue: SubmissionQueue): void {
    while (this.#requests.count + this.#ended.length < MOST_RUNNING) {
      const command = commandAt(this.memory, queue);
      if (!command) return;
      const admin = queue.id === ADMIN_QUEUE ? executeAdmin(this, command) : undefined;
      if (queue.id !== ADMIN_QUEUE) this.#requests.begin(command);
      queue.head = (queue.head + 1) % queue.size;
      if (admin) this.#ended.push({ queue: queue.id, id: command.id, status: admin.status, result: admin.result ?? 0 });
      this.#tellEnded();
    }
  }

  /** A command has ended: within {@link #advance}, which tells of it once the command has left its queue, or later. */
  #end({ queue, id }: Command, status: number): void {
    this.#ended.push({ queue, id, status, result: 0 });
    if (!this.#advancing) this.#work();
  }

  /** Puts completions into their queues, where there is room. @throws {PageAbsent} those before it are there */
  #tellEnded(): void {
    for (let at = 0; at < this.#ended.length; ) {
      const completion = this.#ended[at];
      const submissions = this.submissions.get(completion.queue);
      const queue = submissions && this.completions.get(submissions.completionQueue);
      if (queue && isFull(queue)) {
        at++;
        continue;
      }
      if (submissions && queue) complete(this.memory, queue, completion, submissions.head);
      this.#ended.splice(at, 1);
      if (queue?.interrupts) this.#wiring.signal(queue.vector);
    }
  }
}
