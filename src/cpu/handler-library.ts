import { ByteReader, ByteWriter, concatenate } from '../base/bytes.ts';
import type { IrHelper } from '../ir/define.ts';
import type { MemoryImport } from '../wasm/module.ts';
import { addToLoops, fitsLoop, type LoopMember, loopFunction } from './handler-loop.ts';
import { type HandlerFactory, keptHandler, recordHandler } from './handlers.ts';
import { type Linker, ModuleInMaking, type TableFunction } from './linker.ts';

/** Where compiled handlers are kept from one run of this very program to the next. */
export interface HandlerStore {
  /** What was saved for a kind of memory; undefined: nothing. */
  load(kind: string): Uint8Array | undefined;
  save(kind: string, library: Uint8Array): void;
}

/** What a handler is found by, and what is to be known of it: row, key, 1 where it ends blocks, code of its addressing. */
export type KeptHandler = readonly [row: number, key: number, ends: number, addressing: number];

/** Handlers that were compiled together: they are in slots that follow each other. */
interface LibraryPart {
  readonly handlers: readonly KeptHandler[];
  readonly wasm: Uint8Array;
}

/** A library grows by parts; more handlers or parts than these are not kept, nor few new ones. */
const MOST_KEPT_HANDLERS = 6000;
const MOST_PARTS = 8;
const FEWEST_NEW = 50;
/** Functions that are recorded or written before others get a turn. */
const AT_ONCE = 8;
const KEPT_HANDLER_BYTES = 16;
const PART_HEADER_BYTES = 8;
/** Pages that memories of any machine have at most, since a kept module serves them all. */
const MOST_PAGES = { 32: 65536, 64: 262144 } as const;

/** The memory that kept modules import, and the word for its kind. */
function keptMemory({ shared, memory64 }: MemoryImport): MemoryImport & { readonly kind: string } {
  const bits = memory64 ? 64 : 32;
  return { shared, memory64, maximumPages: MOST_PAGES[bits], kind: `${bits}${shared ? '-shared' : ''}` };
}

/**
 * The handlers of a machine that are kept from run to run. To take over a thousand of them takes a few milliseconds; to make
 * them, as many instructions come up for the first time, a good part of a second.
 */
export class HandlerLibrary {
  readonly #linker: Linker;
  readonly #handlers: HandlerFactory;
  readonly #store: HandlerStore;
  readonly #memory: ReturnType<typeof keptMemory>;
  #bytes: Uint8Array = new Uint8Array(0);
  #parts = 0;
  #count = 0;
  readonly #helpers = new Set<string>();

  /** Takes over what is kept. Nothing has been compiled before. */
  constructor(linker: Linker, handlers: HandlerFactory, memory: MemoryImport, store: HandlerStore) {
    this.#linker = linker;
    this.#handlers = handlers;
    this.#store = store;
    this.#memory = keptMemory(memory);
    const kept = memory.maximumPages > this.#memory.maximumPages ? undefined : store.load(this.#memory.kind);
    try {
      if (kept) for (const part of partsOf(kept)) this.#adopt(part, kept);
    } catch {
      // Damaged: from there on it is made anew.
    }
    for (const name of linker.helperNames) this.#helpers.add(name);
  }

  /**
   * Keeps what has been made since, unless it is little.
   * @param helpers what is to be there in any case  @param turn lets others do what they have to do
   */
  async keep(helpers: readonly IrHelper[], turn: () => Promise<void>): Promise<void> {
    const made = this.#handlers.made.slice(0, MOST_KEPT_HANDLERS - this.#count);
    if (made.length < FEWEST_NEW || this.#parts >= MOST_PARTS) return;
    const [functions, handlers] = [[] as TableFunction[], [] as KeptHandler[]];
    const loops: LoopMember[][] = [];
    for (const { source } of made) {
      const { fn, ends } = recordHandler(source);
      const slot = 1 + this.#count + handlers.length;
      if (fitsLoop(fn)) addToLoops(loops, { slot, source });
      else functions.push({ slots: [slot], fn });
      handlers.push(keptHandler(source, ends));
      if (handlers.length % AT_ONCE === 0) await turn();
    }
    for (const members of loops) {
      functions.push(loopFunction(members));
      await turn();
    }
    const fresh = this.#linker.record(functions, helpers, this.#helpers);
    const module = new ModuleInMaking(functions, fresh, this.#memory);
    let written = 0;
    for (const _ of module.write()) if (++written % AT_ONCE === 0) await turn();
    this.#bytes = appendPart(this.#bytes, { handlers, wasm: module.finish(this.#memory) });
    this.#store.save(this.#memory.kind, this.#bytes);
    this.#handlers.forgetMade(made.length);
    this.#parts++;
    this.#count += made.length;
    for (const name of fresh.keys()) this.#helpers.add(name);
  }

  #adopt({ handlers, wasm, end }: ReturnType<typeof partsOf>[number], kept: Uint8Array): void {
    this.#handlers.reserve(handlers.length);
    this.#linker.adopt(wasm);
    this.#handlers.adopt(handlers);
    this.#bytes = kept.subarray(0, end);
    this.#parts++;
    this.#count += handlers.length;
  }
}

/** A library of these parts, behind what is there already. Integers are little-endian: u32 handlers, u32 bytes, handlers, module. */
export function appendPart(library: Uint8Array, { handlers, wasm }: LibraryPart): Uint8Array {
  const writer = new ByteWriter().u32(handlers.length).u32(wasm.length);
  for (const handler of handlers) for (const field of handler) writer.u32(field);
  return concatenate([library, writer.finish(), wasm]);
}

/** The parts of a library, and where each ends. @throws {OutOfData} it is cut off */
export function partsOf(library: Uint8Array): (LibraryPart & { readonly end: number })[] {
  const reader = new ByteReader(library);
  const parts: ReturnType<typeof partsOf> = [];
  for (let at = 0; at < library.length; ) {
    const [count, bytes] = [reader.u32(at), reader.u32(at + 4)];
    const wasmAt = at + PART_HEADER_BYTES + count * KEPT_HANDLER_BYTES;
    const wasm = reader.slice(wasmAt, bytes);
    const handlers = handlersIn(library, at + PART_HEADER_BYTES, count);
    at = wasmAt + bytes;
    parts.push({ handlers, wasm, end: at });
  }
  return parts;
}

function handlersIn(library: Uint8Array, from: number, count: number): KeptHandler[] {
  const view = new DataView(library.buffer, library.byteOffset + from, count * KEPT_HANDLER_BYTES);
  const field = (n: number, i: number) => view.getInt32(n * KEPT_HANDLER_BYTES + 4 * i, true);
  return Array.from({ length: count }, (_, n) => [field(n, 0), field(n, 1), field(n, 2), field(n, 3)]);
}
