import { MAX_LENGTH, tryDecode } from '../isa/decode.ts';
import type { Decoded } from '../isa/operands.ts';
import { SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE, VECTOR_OF } from '../isa/registers.ts';
import { PAGE_BYTES } from '../machine/guest-memory.ts';
import type { BlockLinks, CodeCache } from './code-cache.ts';
import type { DebugPoints } from './debug-points.ts';
import type { DecodedCode } from './decoded-code.ts';
import { jumpCacheEntry } from './dispatch.ts';
import { type Handler, type HandlerFactory, writeOperands } from './handlers.ts';
import type { MachineCode } from './machine-code.ts';
import type { KeyedMode } from './mode.ts';
import { BLOCK, JUMP_CACHE, MAX_BLOCK, RECORD, RECORD_BYTES } from './records.ts';
import type { CpuState } from './state.ts';
import { GuestFault } from './system/port.ts';
import type { UsualHandlers } from './usual-handlers.ts';

/** How the decoder reads code. */
export interface CodeReader {
  /** Guest-physical address of the code byte at a linear address. @throws {GuestFault} #PF */
  translate(linear: bigint): number;
  /** The byte at a guest-physical address. @throws {GuestPageIn} */
  fetch(gpa: number): number;
}

/** Thrown when an instruction goes on in the next page and is not the first of its block. */
const NEXT_PAGE = new Error('the instruction continues in the next page');

/** Thrown where a block would start at which a debugger may want to stop. */
export const BREAKPOINT = new Error('there may be a breakpoint');

/** Where a block starts. */
interface Start {
  readonly rip: bigint;
  readonly linear: bigint;
  readonly gpa: number;
  readonly mode: KeyedMode;
}

/** An instruction placed in its block. */
interface Placed {
  readonly handler: Handler;
  readonly decoded: Decoded | undefined;
  readonly length: number;
}

/** More bytes than a block and the longest instruction have. */
const FAR = 2 * PAGE_BYTES;

/** Makes blocks of records from guest code. */
export class BlockDecoder {
  readonly #state: CpuState;
  /** The whole memory. */
  readonly #view: DataView;
  readonly #cache: CodeCache;
  readonly #code: DecodedCode;
  readonly #handlers: HandlerFactory;
  readonly #usual: UsualHandlers;
  readonly #reader: CodeReader;
  readonly #debug: DebugPoints;
  #tailGpa: number | undefined;

  constructor(
    state: CpuState,
    { cache, decoded, handlers, usual, debug }: Pick<MachineCode, 'cache' | 'decoded' | 'handlers' | 'usual' | 'debug'>,
    reader: CodeReader,
  ) {
    this.#debug = debug;
    this.#state = state;
    this.#view = new DataView(state.view.buffer);
    this.#cache = cache;
    this.#code = decoded;
    this.#handlers = handlers;
    this.#usual = usual;
    this.#reader = reader;
  }

  /**
   * Sees to it that the jump cache knows the block at `rip`.
   * @returns the address of its header  @throws {GuestFault} when the code cannot be fetched  @throws {@link BREAKPOINT}
   */
  provide(rip: bigint, mode: KeyedMode): number {
    const state = this.#state;
    if (rip > state.u64(STATE.codeLimit)) throw new GuestFault(VECTOR_OF.GP);
    const base = state.view.getBigUint64(SEGMENTS + SEG.CS * SEGMENT_BYTES + SEGMENT.base, true);
    const linear = BigInt.asUintN(64, rip + base) & state.u64(STATE.linearMask);
    const gpa = this.#reader.translate(linear);
    if (!mode.single && this.#debug.mayStopAt(gpa % PAGE_BYTES)) throw BREAKPOINT;
    const start = { rip, linear, gpa, mode };
    const block = this.#known(start) ?? this.#decode(start);
    this.#remember(rip, linear, block);
    return block;
  }

  /** The block at `start` that is decoded already, unless its end is outside the segment now or in another page than it was. */
  #known({ rip, linear, gpa, mode }: Start): number | undefined {
    const place = this.#cache.placeOf(gpa, mode.key);
    if (place === undefined) return undefined;
    const { address, bytesInPage, tail } = place;
    if (rip + BigInt(bytesInPage + (tail?.bytes ?? 0) - 1) > this.#state.u64(STATE.codeLimit)) return undefined;
    if (tail === undefined) return address;
    return this.#reader.translate(this.#linear(linear, bytesInPage)) === tail.gpa ? address : undefined;
  }

  /** Linear address `offset` bytes behind `linear`. */
  #linear(linear: bigint, offset: number): bigint {
    return BigInt.asUintN(64, linear + BigInt(offset)) & this.#state.u64(STATE.linearMask);
  }

  #remember(rip: bigint, linear: bigint, block: number): void {
    const state = this.#state;
    const view = this.#view;
    const entry = jumpCacheEntry(state.u32(STATE.jumpCache), rip);
    view.setBigUint64(entry + JUMP_CACHE.rip, rip, true);
    view.setUint32(entry + JUMP_CACHE.key, state.u32(STATE.codeKey), true);
    view.setUint32(entry + JUMP_CACHE.block, block, true);
    view.setBigUint64(entry + JUMP_CACHE.ripBase, BigInt.asUintN(64, rip - (linear & 0xfffn)), true);
    view.setUint32(entry + JUMP_CACHE.entry, view.getUint32(block + BLOCK.entry, true), true);
    view.setUint16(entry + JUMP_CACHE.count, view.getUint32(block + BLOCK.count, true), true);
    view.setUint16(entry + JUMP_CACHE.label, view.getUint16(block + BLOCK.label, true), true);
  }

  #decode(start: Start): number {
    if (this.#handlers.isFull) {
      this.#cache.flush();
      this.#handlers.startOver();
    }
    const special = this.#handlers.special(start.mode.bits);
    const placed = this.#placeAll(start);
    const count = placed.length;
    this.#usual.flush(start.mode);
    const address = this.#cache.allocate(count + 1);
    const view = this.#view;
    let offset = start.gpa % PAGE_BYTES;
    placed.forEach((instruction, i) => {
      offset += instruction.length;
      this.#write(view, address + (i + 1) * RECORD_BYTES, instruction, offset, i + 1);
    });
    const end = address + (count + 1) * RECORD_BYTES;
    this.#write(view, end, { handler: special.fallThrough, decoded: undefined, length: 0 }, offset, count + 1);
    this.#cache.insert(address, {
      gpa: start.gpa,
      bytes: offset - (start.gpa % PAGE_BYTES),
      modeKey: start.mode.key,
      tailGpa: this.#tailGpa,
      staleHandler: special.stale.slot,
      translatable: this.#canBeTranslated(start.mode),
      count,
      links: start.mode.flatCode ? this.#linksOf(placed[count - 1], offset, start.mode) : undefined,
    });
    return address;
  }

  /** Whether the block that was placed last could be translated. */
  #canBeTranslated(mode: KeyedMode): boolean {
    return this.#cache.hotAfter > 0 && mode.flatCode && !mode.single && this.#tailGpa === undefined;
  }

  /** Decodes until a branch, the end of the page, the end of the segment, or enough. */
  #placeAll(start: Start): Placed[] {
    const placed: Placed[] = [];
    const behind = this.#state.u64(STATE.codeLimit) - start.rip;
    const end = behind < FAR ? Number(behind) + 1 : FAR;
    const offset = start.gpa % PAGE_BYTES;
    const most = start.mode.single ? 1 : MAX_BLOCK;
    let bytes = 0;
    this.#tailGpa = undefined;
    while (placed.length < most && offset + bytes < PAGE_BYTES) {
      let next: Placed;
      try {
        next = this.#place(start, bytes, placed.length === 0, end);
      } catch (error) {
        if (placed.length > 0 && (error === NEXT_PAGE || error instanceof GuestFault)) break;
        throw error;
      }
      placed.push(next);
      bytes += next.length;
      if (next.handler.ends || this.#debug.mayStopAt((offset + bytes) % PAGE_BYTES)) break;
    }
    return placed;
  }

  /** @param bytes of the block that are before  @param end how many there may be, by the segment's limit */
  #place(start: Start, bytes: number, first: boolean, end: number): Placed {
    const result = tryDecode((at) => {
      if (bytes + at >= end) throw new GuestFault(VECTOR_OF.GP);
      return this.#fetch(start, bytes + at, first);
    }, start.mode);
    const special = this.#handlers.special(start.mode.bits);
    if (result.kind === 'undefined') {
      return { handler: special.undefined, decoded: undefined, length: Math.max(1, result.length) };
    }
    if (result.kind === 'tooLong') return { handler: special.tooLong, decoded: undefined, length: MAX_LENGTH };
    const { decoded } = result;
    return { handler: this.#handlers.handlerFor(decoded, start.mode), decoded, length: decoded.length };
  }

  #fetch(start: Start, offset: number, first: boolean): number {
    const inPage = (start.gpa % PAGE_BYTES) + offset;
    if (inPage < PAGE_BYTES) return this.#reader.fetch(start.gpa + offset);
    if (!first) throw NEXT_PAGE;
    if (this.#tailGpa === undefined) {
      this.#tailGpa = this.#reader.translate(this.#linear(start.linear, offset - (inPage - PAGE_BYTES)));
    }
    return this.#reader.fetch(this.#tailGpa + (inPage - PAGE_BYTES));
  }

  #write(view: DataView, at: number, placed: Placed, nextOffset: number, position: number): void {
    for (let i = 0; i < RECORD_BYTES; i += 8) view.setBigUint64(at + i, 0n, true);
    this.#code.setHandler(at, placed.handler.slot);
    view.setUint16(at + RECORD.nextOffset, nextOffset, true);
    view.setUint8(at + RECORD.length, placed.length);
    view.setUint8(at + RECORD.position, position);
    if (placed.decoded !== undefined) writeOperands(view, at, placed.decoded);
  }

  /** What blocks of its page a block may be linked to. */
  #linksOf(last: Placed, nextOffset: number, { bits }: KeyedMode): BlockLinks | undefined {
    if (this.#tailGpa !== undefined) return undefined;
    const target = last.decoded?.operands[0];
    const branches = target?.kind === 'rel';
    const narrow = bits !== 64 && last.decoded?.operandSize === 16;
    const offset = branches && !narrow ? nextOffset + target.disp : -1;
    return { branches, taken: offset >= 0 && offset < PAGE_BYTES ? offset : undefined };
  }
}
