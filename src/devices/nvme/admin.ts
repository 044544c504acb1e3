import type { GuestMemory } from '../../machine/interfaces.ts';
import { type Command, STATUS } from './command.ts';
import {
  AERL,
  IDENTIFY_BYTES,
  identifyController,
  identifyDescriptors,
  identifyNamespace,
  identifyNamespaceList,
  type NvmeFacts,
} from './identify.ts';
import { PAGE_BYTES, scatter, segmentsOf } from './prp.ts';
import type { CompletionQueue, SubmissionQueue } from './queues.ts';

/** Admin commands (NVM Express 1.4 section 5). */
const OPCODE = {
  deleteSubmission: 0x00,
  createSubmission: 0x01,
  getLogPage: 0x02,
  deleteCompletion: 0x04,
  createCompletion: 0x05,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEventRequest: 0x0c,
} as const;

/** Features (section 5.21.1), with what they are at first; others are not there. */
const FEATURE = { writeCache: 0x06, queueCount: 0x07 } as const;
const FEATURES: ReadonlyMap<number, number> = new Map([
  [0x01, 0],
  [0x02, 0],
  [0x04, 0x0157],
  [0x05, 0],
  [FEATURE.writeCache, 1],
  [FEATURE.queueCount, 0],
  [0x08, 0],
  [0x09, 0],
  [0x0a, 0],
  [0x0b, 0],
]);
const CNS = { namespace: 0, controller: 1, namespaces: 2, descriptors: 3 } as const;
const LOG = { error: 1, health: 2, firmware: 3 } as const;
const LOG_BYTES = { [LOG.error]: 64, [LOG.health]: 512, [LOG.firmware]: 512 } as const;
const ALL_NAMESPACES = 0xffffffff;
const PHYSICALLY_CONTIGUOUS = 1;
const INTERRUPTS_ENABLED = 2;
const NOT_ABORTED = 1;
const ROOM_KELVIN = 300;

/** The controller, as admin commands change it. */
export interface AdminTarget {
  readonly facts: NvmeFacts;
  readonly memory: GuestMemory;
  readonly submissions: Map<number, SubmissionQueue>;
  readonly completions: Map<number, CompletionQueue>;
  readonly features: Map<number, number>;
  /** Event requests that wait for an event, by their identities. None ever comes. */
  readonly eventRequests: number[];
  /** Pairs of queues besides the admin queues, entries of a queue, and interrupt vectors at most. */
  readonly limits: { readonly pairs: number; readonly entries: number; readonly vectors: number };
  /** A submission queue is gone: its commands are forgotten. */
  forget(queue: number): void;
}

/** How an admin command ended. */
export interface AdminResult {
  readonly status: number;
  readonly result?: number;
}

const OK: AdminResult = { status: STATUS.ok };
const fail = (status: number): AdminResult => ({ status });

/** The features of a controller after a reset. */
export function defaultFeatures(): Map<number, number> {
  return new Map(FEATURES);
}

/** Whether the write cache is on. */
export function hasWriteCache(features: ReadonlyMap<number, number>): boolean {
  return (features.get(FEATURE.writeCache) ?? 0) !== 0;
}

type Admin = (target: AdminTarget, command: Command) => AdminResult | undefined;

const COMMANDS: ReadonlyMap<number, Admin> = new Map<number, Admin>([
  [OPCODE.deleteSubmission, deleteSubmission],
  [OPCODE.createSubmission, createSubmission],
  [OPCODE.getLogPage, getLogPage],
  [OPCODE.deleteCompletion, deleteCompletion],
  [OPCODE.createCompletion, createCompletion],
  [OPCODE.identify, identify],
  [OPCODE.abort, () => ({ status: STATUS.ok, result: NOT_ABORTED })],
  [OPCODE.setFeatures, setFeatures],
  [OPCODE.getFeatures, getFeatures],
  [OPCODE.asyncEventRequest, holdEventRequest],
]);

/** Executes an admin command. @returns undefined where it does not end yet  @throws {PageAbsent} nothing but guest memory has changed */
export function executeAdmin(target: AdminTarget, command: Command): AdminResult | undefined {
  const execute = COMMANDS.get(command.opcode);
  return execute ? execute(target, command) : fail(STATUS.invalidOpcode);
}

function createCompletion({ completions, limits }: AdminTarget, { prp1, dwords }: Command): AdminResult {
  const [id, size] = [dwords[0] & 0xffff, (dwords[0] >>> 16) + 1];
  const vector = dwords[1] >>> 16;
  if (id === 0 || id > limits.pairs || completions.has(id)) return fail(STATUS.invalidQueueId);
  if (size < 2 || size > limits.entries) return fail(STATUS.invalidQueueSize);
  if (!(dwords[1] & PHYSICALLY_CONTIGUOUS) || prp1 % PAGE_BYTES !== 0) return fail(STATUS.invalidField);
  if (vector >= limits.vectors) return fail(STATUS.invalidVector);
  const interrupts = (dwords[1] & INTERRUPTS_ENABLED) !== 0;
  completions.set(id, { id, gpa: prp1, size, interrupts, vector, head: 0, tail: 0, phase: 1 });
  return OK;
}

function createSubmission({ submissions, completions, limits }: AdminTarget, { prp1, dwords }: Command): AdminResult {
  const [id, size] = [dwords[0] & 0xffff, (dwords[0] >>> 16) + 1];
  const completionQueue = dwords[1] >>> 16;
  if (completionQueue === 0 || !completions.has(completionQueue)) return fail(STATUS.invalidCompletionQueue);
  if (id === 0 || id > limits.pairs || submissions.has(id)) return fail(STATUS.invalidQueueId);
  if (size < 2 || size > limits.entries) return fail(STATUS.invalidQueueSize);
  if (!(dwords[1] & PHYSICALLY_CONTIGUOUS) || prp1 % PAGE_BYTES !== 0) return fail(STATUS.invalidField);
  submissions.set(id, { id, gpa: prp1, size, completionQueue, head: 0, tail: 0 });
  return OK;
}

function deleteSubmission(target: AdminTarget, { dwords }: Command): AdminResult {
  const id = dwords[0] & 0xffff;
  if (id === 0 || !target.submissions.delete(id)) return fail(STATUS.invalidQueueId);
  target.forget(id);
  return OK;
}

function deleteCompletion({ submissions, completions }: AdminTarget, { dwords }: Command): AdminResult {
  const id = dwords[0] & 0xffff;
  if (id === 0 || !completions.has(id)) return fail(STATUS.invalidQueueId);
  if ([...submissions.values()].some(({ completionQueue }) => completionQueue === id)) {
    return fail(STATUS.invalidQueueDeletion);
  }
  completions.delete(id);
  return OK;
}

function identify({ facts, memory }: AdminTarget, command: Command): AdminResult {
  const { namespace, dwords } = command;
  switch (dwords[0] & 0xff) {
    case CNS.namespace:
      if (namespace !== 1 && namespace !== ALL_NAMESPACES) return fail(STATUS.invalidNamespace);
      return give(memory, command, identifyNamespace(facts));
    case CNS.controller:
      return give(memory, command, identifyController(facts));
    case CNS.namespaces:
      return give(memory, command, identifyNamespaceList(namespace));
    case CNS.descriptors:
      if (namespace !== 1) return fail(STATUS.invalidNamespace);
      return give(memory, command, identifyDescriptors(facts));
    default:
      return fail(STATUS.invalidField);
  }
}

function getLogPage({ memory }: AdminTarget, command: Command): AdminResult {
  const { dwords } = command;
  const page = dwords[0] & 0xff;
  const offset = dwords[2];
  const length = ((dwords[0] >>> 16) + (dwords[1] & 0xffff) * 0x10000 + 1) * 4;
  if (!(page in LOG_BYTES)) return fail(STATUS.invalidLogPage);
  if (length > IDENTIFY_BYTES || offset > LOG_BYTES[page as keyof typeof LOG_BYTES]) return fail(STATUS.invalidField);
  const bytes = new Uint8Array(length + offset);
  if (page === LOG.health) bytes.set([0, ROOM_KELVIN & 0xff, ROOM_KELVIN >> 8, 100, 10].slice(0, bytes.length));
  if (page === LOG.firmware) bytes[0] = 1;
  return give(memory, command, bytes.subarray(offset));
}

function setFeatures({ features, limits }: AdminTarget, { dwords }: Command): AdminResult {
  const feature = dwords[0] & 0xff;
  if (!features.has(feature)) return fail(STATUS.invalidField);
  if (feature === FEATURE.queueCount) return { status: STATUS.ok, result: queueCounts(limits.pairs) };
  features.set(feature, dwords[1]);
  return OK;
}

function getFeatures({ features, limits }: AdminTarget, { dwords }: Command): AdminResult {
  const feature = dwords[0] & 0xff;
  const value = features.get(feature);
  if (value === undefined) return fail(STATUS.invalidField);
  return { status: STATUS.ok, result: feature === FEATURE.queueCount ? queueCounts(limits.pairs) : value };
}

/** How many queues of both kinds there are, less one. */
function queueCounts(pairs: number): number {
  return ((pairs - 1) << 16) | (pairs - 1);
}

function holdEventRequest({ eventRequests }: AdminTarget, { id }: Command): AdminResult | undefined {
  if (eventRequests.length > AERL) return fail(STATUS.tooManyEventRequests);
  eventRequests.push(id);
  return undefined;
}

/** Puts what a command asks for into guest memory. */
function give(memory: GuestMemory, { plain, prp1, prp2 }: Command, bytes: Uint8Array): AdminResult {
  const segments = plain ? segmentsOf(memory, prp1, prp2, bytes.length) : undefined;
  if (!segments) return fail(STATUS.invalidField);
  scatter(memory, segments, bytes);
  return OK;
}
