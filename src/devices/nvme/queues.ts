import { readGuest, writeGuest } from '../../machine/dma.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import { COMMAND_BYTES, COMPLETION_BYTES, type Command, type Completion, parseCommand } from './command.ts';

/** A submission queue in guest memory; its fields are what a saved state has of it. */
export interface SubmissionQueue {
  readonly id: number;
  readonly gpa: number;
  /** Entries, 2 at least. */
  readonly size: number;
  /** The queue that its completions go to. */
  readonly completionQueue: number;
  head: number;
  tail: number;
}

/** A completion queue in guest memory; its fields are what a saved state has of it. */
export interface CompletionQueue {
  readonly id: number;
  readonly gpa: number;
  readonly size: number;
  readonly interrupts: boolean;
  readonly vector: number;
  head: number;
  tail: number;
  /** What the phase bit is in entries that are written now. */
  phase: 0 | 1;
}

/** The command at a queue's head, which stays there, if there is one. @throws {PageAbsent} */
export function commandAt(memory: GuestMemory, { id, gpa, head, tail }: SubmissionQueue): Command | undefined {
  if (head === tail) return undefined;
  const bytes = new Uint8Array(COMMAND_BYTES);
  readGuest(memory, gpa + head * COMMAND_BYTES, bytes);
  return parseCommand(id, bytes);
}

export function isFull({ head, tail, size }: CompletionQueue): boolean {
  return (tail + 1) % size === head;
}

/** Writes an entry at a queue's tail. There must be room. @throws {PageAbsent} nothing has changed */
export function complete(memory: GuestMemory, queue: CompletionQueue, completion: Completion, sqHead: number): void {
  const bytes = new Uint8Array(COMPLETION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, completion.result, true);
  view.setUint16(8, sqHead, true);
  view.setUint16(10, completion.queue, true);
  view.setUint16(12, completion.id, true);
  view.setUint16(14, (completion.status << 1) | queue.phase, true);
  writeGuest(memory, queue.gpa + queue.tail * COMPLETION_BYTES, bytes);
  queue.tail = (queue.tail + 1) % queue.size;
  if (queue.tail === 0) queue.phase = queue.phase === 1 ? 0 : 1;
}
