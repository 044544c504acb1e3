import { BDA, EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { DISK_ERROR, type StepResult, TIMEOUT_TICKS } from './ata.ts';
import type { Drive } from './drives.ts';
import { ACTION, type DiskRequest, OPERATION } from './request.ts';

/** What a controller moves at once. */
export interface DmaPiece {
  /** One of {@link OPERATION}. */
  readonly operation: number;
  readonly lba: number;
  readonly blocks: number;
  /** Guest-physical, below 1 MiB. */
  readonly gpa: number;
}

/** A controller that moves blocks to and from memory by itself, one piece at a time. */
export interface DmaController {
  begin(c: Caller, drive: Drive, piece: DmaPiece): void;
  /** @returns how the piece ended, undefined while it has not */
  poll(c: Caller, drive: Drive): 'done' | 'failed' | undefined;
}

const STEP = { issue: 0, data: 1 } as const;
const BLOCK_BYTES = 512;
const MOST_BLOCKS = 128;
/** Blocks that find room in the BIOS's own memory. */
const BOUNCE_BLOCKS = 4;
const BOUNCE_GPA = EBDA_GPA + EBDA.sector;
const LOW_RAM_END = EBDA_GPA;
const POLL: StepResult = { action: ACTION.poll };

/** A piece of a request and the caller's memory for it. */
interface Plan extends DmaPiece {
  readonly linear: number;
  /** Whether data goes by way of the BIOS's own memory. */
  readonly bounces: boolean;
}

/**
 * Takes the next step of a request to a disk whose controller reaches memory itself. Callers with paging, and memory
 * that is not plain RAM, get their data copied.
 */
export function stepDma(c: Caller, request: DiskRequest, drive: Drive, controller: DmaController): StepResult {
  if (request.get('left') === 0) return { end: DISK_ERROR.none };
  const plan = planOf(c, request);
  if (request.get('step') === STEP.issue) {
    if (plan.bounces && plan.operation === OPERATION.write) {
      c.storeBytes(BOUNCE_GPA, c.loadBytes(plan.linear, plan.blocks * BLOCK_BYTES));
    }
    controller.begin(c, drive, plan);
    request.set('step', STEP.data);
    request.set('deadline', c.load(BDA.ticks, 4) + TIMEOUT_TICKS);
  }
  const end = controller.poll(c, drive);
  if (end === 'failed') return { end: DISK_ERROR.uncorrectable };
  if (end === undefined) return c.load(BDA.ticks, 4) > request.get('deadline') ? { end: DISK_ERROR.timeout } : POLL;
  if (plan.bounces && plan.operation === OPERATION.read) {
    c.storeBytes(plan.linear, c.loadBytes(BOUNCE_GPA, plan.blocks * BLOCK_BYTES));
  }
  request.advance(plan.blocks, BLOCK_BYTES);
  request.set('step', STEP.issue);
  return stepDma(c, request, drive, controller);
}

/** The same for every step of a piece: what it depends on changes only when the piece has ended. */
function planOf(c: Caller, request: DiskRequest): Plan {
  const { lba } = request;
  const operation = request.get('operation');
  const [segment, offset] = [request.get('segment'), request.get('offset')];
  const linear = c.hasParagraphSegments ? segment * 16 + offset : c.address('es', offset, BLOCK_BYTES);
  const blocks = Math.min(request.get('left'), MOST_BLOCKS);
  const isPlain = c.addressesArePhysical && linear + blocks * BLOCK_BYTES <= LOW_RAM_END;
  if (isPlain && operation !== OPERATION.verify) return { operation, lba, blocks, gpa: linear, linear, bounces: false };
  return { operation, lba, blocks: Math.min(blocks, BOUNCE_BLOCKS), gpa: BOUNCE_GPA, linear, bounces: true };
}
