import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import {
  MOST_PARAMETER_BYTES,
  type ScsiOutcome,
  type ScsiUnit,
  SENSE,
  type Sense,
  senseData,
} from '../../machine/scsi.ts';
import type { BlockRequest } from './block-request.ts';
import type { Chain } from './chain.ts';
import { DiskRequests, type SavedRequest } from './disk-requests.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Fields of the configuration (virtio 1.2 section 5.6.4). */
const CONFIG = {
  queues: 0,
  segmentMax: 4,
  sectorsMax: 8,
  commandsPerUnit: 12,
  eventInfoSize: 16,
  senseSize: 20,
  cdbSize: 24,
  channelMax: 28,
  targetMax: 30,
  lunMax: 32,
  length: 36,
} as const;

/** Queues (virtio 1.2 section 5.6.2). Nothing happens here that the event queue would tell of. */
const QUEUE = { control: 0, event: 1, request: 2 } as const;
/** So many that 1 MiB of scattered pages is one command. */
const QUEUE_ENTRIES = 512;
const COMMANDS_PER_UNIT = 128;
/** Targets that the controller can have. */
export const SCSI_TARGETS = 16;

const DEFAULT_SENSE_BYTES = 96;
const DEFAULT_CDB_BYTES = 32;
/** What the driver may choose instead. */
const CDB_BYTES = { least: 16, most: 260 } as const;
const SENSE_BYTES = { least: 18, most: 252 } as const;
const MOST_SECTORS = 0xffff;
const EVENT_BYTES = 16;

/** A request before the CDB: LUN, identifier, attributes. Its answer before the sense data: lengths and statuses. */
const REQUEST_BYTES = 19;
const ANSWER_BYTES = 12;
const ANSWER = { senseLength: 0, residual: 4, status: 10, response: 11 } as const;

/** Responses (virtio 1.2 section 5.6.6.1). */
const RESPONSE = { ok: 0, overrun: 1, aborted: 2, badTarget: 3, failure: 9, succeeded: 10, rejected: 11, wrongLun: 12 };
const CHECK_CONDITION = 2;

/** Types of control requests and of task management (virtio 1.2 section 5.6.6.2). */
const CONTROL = { task: 0, queryEvents: 1, subscribe: 2 } as const;
const TASK = {
  abort: 0,
  abortSet: 1,
  clearSet: 3,
  nexusReset: 4,
  unitReset: 5,
  query: 6,
  querySet: 7,
} as const;
const TASK_BYTES = 24;
const EVENTS_ANSWER = 4;

const STATE_VERSION = 1;

/** A request that a disk works on. */
interface Command {
  readonly target: number;
  /** The driver's own identifier. */
  readonly id: bigint;
  readonly outcome: ScsiOutcome;
}

/** The SCSI host (virtio 1.2 section 5.6): each target has one unit, LUN 0. */
export class VirtioScsi implements VirtioDevice {
  readonly type = VIRTIO_TYPE.scsi;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_ENTRIES, QUEUE_ENTRIES, QUEUE_ENTRIES];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #units: readonly ScsiUnit[];
  readonly #requests: DiskRequests<Command>;
  #port: VirtioPort | undefined;

  /** @param units of targets 0, 1 and so on: at most {@link SCSI_TARGETS} */
  constructor(units: readonly ScsiUnit[]) {
    this.#units = units;
    this.#resetConfig();
    const sourceStart = () => this.#headerBytes;
    const targetStart = () => this.#answerBytes;
    this.#requests = new DiskRequests(
      {
        get sourceStart() {
          return sourceStart();
        },
        get targetStart() {
          return targetStart();
        },
        writeThrough: ({ outcome }) => outcome.kind === 'write' && outcome.durable,
        ended: (chain, command, ok) => this.#ended(chain, command, ok),
      },
      () => this.#port?.notify(QUEUE.request),
    );
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(queue: number): void {
    if (queue === QUEUE.control) this.#serve(QUEUE.control, (chain) => this.#control(chain));
    if (queue === QUEUE.request) this.#serve(QUEUE.request, (chain) => this.#begin(chain));
  }

  /** The driver chooses how much room commands and sense data have (virtio 1.2 section 5.6.4). */
  configWritten(offset: number, size: number, value: number): void {
    const limits = { [CONFIG.senseSize]: SENSE_BYTES, [CONFIG.cdbSize]: CDB_BYTES }[offset];
    if (size !== 4 || !limits || value < limits.least || value > limits.most) return;
    this.#view.setUint32(offset, value, true);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      senseSize: this.#senseSize,
      cdbSize: this.#cdbSize,
      requests: this.#requests.save(),
      units: this.#units.map((unit) => unit.save()),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioScsi', state.version, STATE_VERSION);
    this.#view.setUint32(CONFIG.senseSize, Number(state.senseSize), true);
    this.#view.setUint32(CONFIG.cdbSize, Number(state.cdbSize), true);
    for (const [index, saved] of (state.units as DeviceState[]).entries()) this.#units[index]?.restore(saved);
    this.#requests.restore(state.requests as SavedRequest[]);
  }

  get #view(): DataView {
    return new DataView(this.config.buffer);
  }

  get #senseSize(): number {
    return this.#view.getUint32(CONFIG.senseSize, true);
  }

  get #cdbSize(): number {
    return this.#view.getUint32(CONFIG.cdbSize, true);
  }

  get #headerBytes(): number {
    return REQUEST_BYTES + this.#cdbSize;
  }

  get #answerBytes(): number {
    return ANSWER_BYTES + this.#senseSize;
  }

  #resetConfig(): void {
    const view = this.#view;
    view.setUint32(CONFIG.queues, 1, true);
    view.setUint32(CONFIG.segmentMax, QUEUE_ENTRIES - 2, true);
    view.setUint32(CONFIG.sectorsMax, MOST_SECTORS, true);
    view.setUint32(CONFIG.commandsPerUnit, COMMANDS_PER_UNIT, true);
    view.setUint32(CONFIG.eventInfoSize, EVENT_BYTES, true);
    view.setUint32(CONFIG.senseSize, DEFAULT_SENSE_BYTES, true);
    view.setUint32(CONFIG.cdbSize, DEFAULT_CDB_BYTES, true);
    view.setUint16(CONFIG.targetMax, SCSI_TARGETS - 1, true);
  }

  #serve(index: number, serve: (chain: Chain) => void): void {
    const queue = this.#port?.queues[index];
    while (index === QUEUE.control || this.#requests.hasRoom) {
      const chain = queue?.pop();
      if (!chain) return;
      serve(chain);
    }
  }

  #begin(chain: Chain): void {
    const header = chain.readBytes(0, this.#headerBytes);
    const target = targetOf(header);
    const unit = target === undefined ? undefined : this.#units[target];
    if (header.length < this.#headerBytes) this.#answer(chain, { response: RESPONSE.failure });
    else if (!unit || target === undefined) this.#answer(chain, { response: RESPONSE.badTarget });
    else {
      const parameters = chain.readBytes(this.#headerBytes, MOST_PARAMETER_BYTES);
      const outcome = unit.execute(header.subarray(REQUEST_BYTES), parameters);
      const id = new DataView(header.buffer).getBigUint64(8, true);
      this.#carryOut(chain, { target, id, outcome }, unit);
    }
  }

  #carryOut(chain: Chain, command: Command, unit: ScsiUnit): void {
    const request = diskRequest(command.outcome);
    if (!request) this.#ended(chain, command, true);
    else if (!this.#hasRoomFor(chain, request)) this.#answer(chain, { response: RESPONSE.overrun });
    else if (!unit.disk) this.#answer(chain, { response: RESPONSE.failure });
    else this.#requests.begin(chain, unit.disk, request, command);
  }

  #hasRoomFor(chain: Chain, request: BlockRequest): boolean {
    if (request.kind === 'read') return chain.writableBytes >= this.#answerBytes + request.length;
    return request.kind !== 'write' || chain.readableBytes >= this.#headerBytes + request.length;
  }

  #ended(chain: Chain, { outcome }: Command, ok: boolean): void {
    if (!ok) this.#answer(chain, { sense: outcome.kind === 'read' ? SENSE.readError : SENSE.writeError });
    else if (outcome.kind === 'fail') this.#answer(chain, { sense: outcome.sense });
    else if (outcome.kind === 'data') this.#answer(chain, { moved: chain.write(this.#answerBytes, outcome.bytes) });
    else if (outcome.kind === 'read') this.#answer(chain, { moved: outcome.length });
    else this.#answer(chain, { moved: chain.readableBytes - this.#headerBytes });
  }

  /** Gives a request back. @param moved bytes of data that were moved */
  #answer(
    chain: Chain,
    { response = RESPONSE.ok, sense, moved = 0 }: { response?: number; sense?: Sense; moved?: number },
  ) {
    const answer = new Uint8Array(this.#answerBytes);
    const view = new DataView(answer.buffer);
    const room = Math.max(chain.readableBytes - this.#headerBytes, chain.writableBytes - this.#answerBytes, 0);
    view.setUint32(ANSWER.residual, Math.max(0, room - moved), true);
    view.setUint8(ANSWER.response, response);
    if (sense) {
      const data = senseData(sense);
      view.setUint8(ANSWER.status, CHECK_CONDITION);
      view.setUint32(ANSWER.senseLength, data.length, true);
      answer.set(data, ANSWER_BYTES);
    }
    chain.write(0, answer);
    this.#port?.queues[QUEUE.request].complete(chain, Math.min(chain.writableBytes, this.#answerBytes + moved));
  }

  #control(chain: Chain): void {
    const request = chain.readBytes(0, TASK_BYTES);
    const view = new DataView(request.buffer);
    const type = request.length < 4 ? -1 : view.getUint32(0, true);
    if (type === CONTROL.task && request.length === TASK_BYTES) {
      chain.write(
        0,
        Uint8Array.of(this.#manage(view.getUint32(4, true), request.subarray(8), view.getBigUint64(16, true))),
      );
    } else if (type === CONTROL.queryEvents || type === CONTROL.subscribe) {
      chain.write(0, new Uint8Array(EVENTS_ANSWER + 1)); // no asynchronous events
    } else chain.write(chain.writableBytes - 1, Uint8Array.of(RESPONSE.failure));
    this.#port?.queues[QUEUE.control].complete(chain, chain.writableBytes);
  }

  /** Task management (SAM-5 section 7). @returns the response */
  #manage(task: number, lun: Uint8Array, id: bigint): number {
    const target = targetOf(lun);
    if (target === undefined || !this.#units[target]) return RESPONSE.badTarget;
    const ofTarget = (command: Command) => command.target === target;
    const isTask = (command: Command) => ofTarget(command) && command.id === id;
    switch (task) {
      case TASK.query:
        return this.#requests.some(isTask) ? RESPONSE.succeeded : RESPONSE.ok;
      case TASK.querySet:
        return this.#requests.some(ofTarget) ? RESPONSE.succeeded : RESPONSE.ok;
      case TASK.abort:
        return this.#abort(isTask);
      case TASK.abortSet:
      case TASK.clearSet:
      case TASK.nexusReset:
      case TASK.unitReset:
        return this.#abort(ofTarget);
      default:
        return RESPONSE.rejected;
    }
  }

  #abort(matches: (command: Command) => boolean): number {
    for (const chain of this.#requests.cancel(matches)) this.#answer(chain, { response: RESPONSE.aborted });
    return RESPONSE.ok;
  }
}

/** The target that eight bytes name (virtio 1.2 section 5.6.6.1); undefined for another unit than LUN 0. */
function targetOf(lun: Uint8Array): number | undefined {
  const [one, target, high, low] = lun;
  return one === 1 && (high & 0x3f) === 0 && low === 0 ? target : undefined;
}

/** What is asked of the disk; undefined for nothing. */
function diskRequest(outcome: ScsiOutcome): BlockRequest | undefined {
  const { kind } = outcome;
  return kind === 'done' || kind === 'data' || kind === 'fail' ? undefined : outcome;
}
