import { DurationHistogram } from '../../base/duration-histogram.ts';
import { type Block, type CodeCache, type Derived, withoutDerived } from '../code-cache.ts';
import type { CodeFunctions } from '../decoded-code.ts';
import type { Bound } from '../emit.ts';
import { helperTarget } from '../interpreter-lift.ts';
import type { Linker, TableFunction } from '../linker.ts';
import type { JitOptions } from '../machine-code.ts';
import type { MemoryLayout } from '../memory-layout.ts';
import { modeOf } from '../mode.ts';
import { BLOCK } from '../records.ts';
import { describeRegion } from './describe.ts';
import { HelperEffects } from './helper-effects.ts';
import { probeOf, type RegionProbe } from './probe.ts';
import { findRegion, type Region } from './region.ts';
import { compileRegion } from './region-compiler.ts';
import { labelOf } from './region-exits.ts';
import { VectorPool } from './vector-pool.ts';

/** First slot of the function table that regions take; handlers lie below. */
const FIRST_SLOT = 1 << 15;
const SLOT_STEP = 4096;
/** Helpers through which guest memory and devices are reached. */
const OUTWARD = ['slowLoad', 'slowStore', 'probeStore', 'physicalLoad', 'physicalStore', 'translate', 'dispatch'];

/** Bytes of WebAssembly that regions take at most. V8's own code becomes some twenty times larger. */
const CACHE_BYTES = 16 << 20;

/** Guest instructions after which a batch takes no more regions: some 2 ms of work. */
const BATCH_INSTRUCTIONS = 250;
/** Exits of a region, to other code, after which it is joined with what it is left to: fewer do not earn what that costs. */
const JOIN_AFTER = 1_000_000;
/** Most instructions in a joined region. */
const MOST_JOINED = 600;
/** Regions that become one, by the blocks that they were begun from: each time all of it is compiled anew, and runs slowly until it is optimised. */
const MOST_ROOTS = 3;

/** A region that is left often, by the header of its first block, and the header of a block that it was left to. */
export interface Meeting {
  readonly region: number;
  readonly block: number;
}

/** What the translator has done. */
export interface TranslatorStats {
  regions: number;
  instructions: number;
  bytes: number;
  /** How long each batch took. */
  readonly batches: DurationHistogram;
  /** Regions that two others were made into. */
  joined: number;
  /** Modules that were dropped to make room. */
  evicted: number;
}

/** A translated region, in the place of the blocks at which it is entered: what has to be known of it later. */
class InstalledRegion implements Derived {
  readonly slot: number;
  readonly blocks: readonly Block[];
  readonly entries: readonly (readonly [block: Block, label: number])[];
  /** The blocks that the others were found from. */
  readonly roots: readonly Block[];
  readonly instructionCount: number;
  readonly #modeKey: number;
  readonly #remove: (region: InstalledRegion) => void;

  constructor(slot: number, region: Region, remove: (region: InstalledRegion) => void) {
    this.slot = slot;
    this.blocks = region.blocks.map(({ block }) => block);
    this.entries = region.entries.map((place) => [this.blocks[place], labelOf(place)]);
    this.roots = region.roots;
    this.instructionCount = region.instructionCount;
    this.#modeKey = region.mode.key;
    this.#remove = remove;
  }

  /** Whether it and another may become one region. */
  fits(other: InstalledRegion): boolean {
    const isSmall = this.instructionCount + other.instructionCount <= MOST_JOINED;
    return this.#modeKey === other.#modeKey && isSmall && this.roots.length + other.roots.length <= MOST_ROOTS;
  }

  drop(): void {
    this.#remove(this);
  }
}

/** A region whose function is recorded, before it is compiled. */
interface RecordedRegion {
  readonly made: InstalledRegion;
  readonly function: TableFunction;
}

/** Regions that were compiled together: V8 frees their code when none of them can be reached. */
interface TranslatedModule {
  readonly regions: Set<InstalledRegion>;
  readonly bytes: number;
}

/** Translates hot blocks, with what belongs to them, into WebAssembly functions that take their place. */
export class Translator {
  readonly stats: TranslatorStats = {
    regions: 0,
    instructions: 0,
    bytes: 0,
    batches: new DurationHistogram(),
    joined: 0,
    evicted: 0,
  };
  readonly #linker: Linker;
  readonly #cache: CodeCache;
  readonly #code: CodeFunctions;
  readonly #layout: MemoryLayout;
  readonly #view: DataView;
  readonly #regionsGone: () => void;
  readonly #effects = new HelperEffects(helperTarget, OUTWARD);
  readonly #probe: RegionProbe | undefined;
  readonly #bound: Bound;
  readonly #onTranslated: JitOptions['onTranslated'];
  readonly #freeSlots: number[] = [];
  /** What is installed, by slot. */
  readonly #installed = new Map<number, InstalledRegion>();
  /** Blocks in regions that were translated since all that was hot was done: they need none of their own. */
  readonly #covered = new Set<Block>();
  readonly #cacheBytes: number;
  readonly #joinAfter: number;
  readonly #batchMillis: number;
  /** What was compiled together, oldest first. */
  #modules: TranslatedModule[] = [];
  #bytes = 0;
  #nextSlot = FIRST_SLOT;

  /**
   * @param regionsGone told when regions have gone: jump caches must forget them
   */
  constructor(
    linker: Linker,
    cache: CodeCache,
    code: CodeFunctions,
    layout: MemoryLayout,
    view: DataView,
    regionsGone: () => void,
    options: JitOptions,
  ) {
    this.#linker = linker;
    this.#cache = cache;
    this.#code = code;
    this.#layout = layout;
    this.#view = view;
    this.#regionsGone = regionsGone;
    const vectors = new VectorPool(view, layout);
    this.#bound = {
      vectorAddress: (value) => vectors.addressOf(value),
      state: layout.cpus.length === 1 ? layout.cpus[0].state : undefined,
    };
    this.#cacheBytes = options.cacheBytes ?? CACHE_BYTES;
    this.#joinAfter = options.joinAfter ?? JOIN_AFTER;
    this.#batchMillis = options.batchMillis ?? Number.POSITIVE_INFINITY;
    this.#probe = probeOf(options);
    this.#onTranslated = options.onTranslated;
  }

  /**
   * Translates regions of blocks, by the addresses of their headers, first come first: as many as a batch may have, for the guest
   * waits. No guest code may be running. @returns how many of the blocks are done; the next call begins with the others
   */
  translate(headers: readonly number[]): number {
    const from = performance.now();
    const covered = this.#covered;
    const recorded: RecordedRegion[] = [];
    let [done, instructions] = [0, 0];
    const isFull = () => instructions >= BATCH_INSTRUCTIONS || performance.now() - from >= this.#batchMillis;
    for (; done < headers.length && !isFull(); done++) {
      const header = headers[done];
      const root = this.#cache.at(header);
      if (root === undefined || !this.#isRam(root.start) || this.#regionEnteredAt(header)) continue;
      if (covered.has(root)) {
        this.#cache.count(root.address);
        continue;
      }
      const region = this.#find([root]);
      for (const { block } of region.blocks) covered.add(block);
      recorded.push(this.#record(region));
      instructions += region.instructionCount;
    }
    if (done === headers.length) covered.clear();
    this.#compile(recorded, from);
    return done;
  }

  /** Translates regions anew that lead to one another, as one. No guest code may be running. */
  join(meetings: readonly Meeting[]): void {
    const from = performance.now();
    const gone = new Set<InstalledRegion>();
    const joined: Region[] = [];
    for (const { region, block } of meetings) {
      const [one, other] = [this.#regionEnteredAt(region), this.#regionEnteredAt(block)];
      if (one === undefined || gone.has(one)) continue;
      this.#view.setUint32(region + BLOCK.exits, this.#joinAfter, true);
      if (other === undefined || other === one || gone.has(other) || !one.fits(other)) continue;
      joined.push(this.#find([...one.roots, ...other.roots]));
      gone.add(one).add(other);
    }
    this.stats.joined += joined.length;
    for (const region of gone) this.#uninstall(region);
    this.#compile(
      joined.map((region) => this.#record(region)),
      from,
    );
  }

  /** Drops the regions of blocks, by the addresses of their headers, whose accesses are to be looked up each on its own. No guest code may be running. */
  separate(headers: readonly number[]): void {
    for (const header of headers) {
      const block = this.#cache.at(header);
      if (block === undefined) continue;
      block.scattered = true;
      for (const region of block.derived) region.drop();
    }
  }

  #find(roots: readonly Block[]): Region {
    return findRegion(roots, this.#modeOf(roots[0]), this.#cache, this.#view, (gpa) => this.#codeByte(gpa));
  }

  #regionEnteredAt(header: number): InstalledRegion | undefined {
    const slot = this.#view.getUint32(header + BLOCK.entry, true);
    return this.#installed.get(slot);
  }

  #record(region: Region): RecordedRegion {
    const slot = this.#takeSlot();
    const fn = compileRegion(region, slot, this.#linker.memory64, this.#effects, this.#probe);
    this.#onTranslated?.(
      fn.name,
      describeRegion(region, fn, (gpa) => this.#codeByte(gpa)),
    );
    this.stats.regions++;
    this.stats.instructions += region.instructionCount;
    return {
      made: new InstalledRegion(slot, region, (gone) => this.#uninstall(gone)),
      function: { slots: [slot], fn },
    };
  }

  /** @param from when work on this batch began, by `performance.now` */
  #compile(recorded: readonly RecordedRegion[], from: number): void {
    if (recorded.length === 0) return;
    const functions = recorded.map((region) => region.function);
    const installed = recorded.map(({ made }) => made);
    this.#makeRoom();
    this.#linker.prepare(functions);
    const bytes = this.#linker.compile(functions, [], this.#bound);
    this.stats.bytes += bytes;
    for (const region of installed) this.#install(region);
    this.#keep({ regions: new Set(installed), bytes });
    this.stats.batches.add(performance.now() - from);
  }

  /** Remembers a module, and lets the oldest ones go where there are too many. */
  #keep(module: TranslatedModule): void {
    this.#modules.push(module);
    this.#bytes += module.bytes;
    while (this.#bytes > this.#cacheBytes && this.#modules.length > 1) {
      const oldest = this.#modules[0];
      for (const region of oldest.regions) this.#uninstall(region);
      this.stats.evicted++;
    }
  }

  #modeOf(block: Block) {
    return modeOf(this.#view.getUint32(block.address + BLOCK.modeKey, true));
  }

  /** Code can be executed from device memory too; it is interpreted. */
  #isRam(gpa: number): boolean {
    return this.#regionAt(gpa) !== undefined;
  }

  #regionAt(gpa: number) {
    return this.#layout.regions.find((r) => gpa >= r.gpa && gpa < r.gpa + r.length);
  }

  #codeByte(gpa: number): number {
    const region = this.#regionAt(gpa);
    if (region === undefined) throw new Error(`code at 0x${gpa.toString(16)} is not in RAM`);
    return this.#view.getUint8(this.#layout.ram + region.hostOffset + (gpa - region.gpa));
  }

  #install(region: InstalledRegion): void {
    this.#installed.set(region.slot, region);
    this.#view.setUint32(region.blocks[0].address + BLOCK.exits, this.#joinAfter, true);
    for (const block of region.blocks) block.derived = [...block.derived, region];
    let entered = false;
    for (const [block, label] of region.entries) {
      entered ||= this.#view.getUint16(block.address + BLOCK.label, true) !== 0;
      this.#code.setEntry(block.address, region.slot);
      this.#view.setUint16(block.address + BLOCK.label, label, true);
    }
    // Jump caches find out where there was no region; another region would look for a label that is its own in the header.
    if (entered) this.#regionsGone();
  }

  #uninstall(region: InstalledRegion): void {
    for (const block of region.blocks) block.derived = withoutDerived(block.derived, region);
    for (const [block] of region.entries) {
      if (this.#view.getUint32(block.address + BLOCK.entry, true) === region.slot) this.#cache.count(block.address);
    }
    this.#installed.delete(region.slot);
    this.#linker.table.set(region.slot, null);
    this.#freeSlots.push(region.slot);
    this.#regionsGone();
    this.#forget(region);
  }

  /** A module is gone when all of its regions are: nothing in it can be reached any more. */
  #forget(region: InstalledRegion): void {
    const module = this.#modules.find(({ regions }) => regions.has(region));
    if (module === undefined) return;
    module.regions.delete(region);
    if (module.regions.size > 0) return;
    this.#modules = this.#modules.filter((other) => other !== module);
    this.#bytes -= module.bytes;
  }

  #takeSlot(): number {
    return this.#freeSlots.pop() ?? this.#nextSlot++;
  }

  #makeRoom(): void {
    const { table } = this.#linker;
    if (this.#nextSlot > table.length) {
      table.grow(Math.ceil((this.#nextSlot - table.length) / SLOT_STEP) * SLOT_STEP);
    }
  }
}
