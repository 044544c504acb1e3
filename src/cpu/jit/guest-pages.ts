import type { Builder, HostPlace } from '../../ir/builder.ts';
import { type Constant, constant, load } from '../../ir/kinds.ts';
import type { Access, Variable } from '../../ir/nodes.ts';
import type { Type } from '../../ir/types.ts';
import type { Operand, Val } from '../../ir/val.ts';
import { entryOffset, PAGE_MASK, TLB } from '../tlb.ts';
import { type Holdings, type Origin, Origins, type OriginsFork } from './origins.ts';
import { type OpenAccess, PageWindow } from './page-window.ts';
import { SLOTS } from './promoted-state.ts';

/** What a region is translated for. */
export interface RegionTarget {
  /** The type of general registers: of the width that the mode has. */
  readonly registers: 'i32' | 'i64';
  /** Host memory has 64-bit addresses. */
  readonly memory64: boolean;
}

/** What is known of addresses at a place of a region. */
export interface KnownAddresses {
  readonly windows: readonly PageWindow[];
  readonly holdings: Holdings;
}

/** What look-ups need of what is around them. */
export interface LookUps {
  /** Address of the TLB that is in use. */
  tlb(): Val;
  /** Makes the TLB allow an access within one page, or leaves the instruction to the interpreter. @param tag what was found */
  refillOrBail(address: Val, bytes: Operand, forWrite: boolean, tag: Val): void;
}

/** Where bytes at a linear address lie in host memory. */
interface Place {
  readonly address: Val;
  readonly host: Val;
  readonly bytes: number;
  readonly forWrite: boolean;
}

/** What was known where statements begin that may not be reached. */
export interface PagesMark {
  readonly places: readonly Place[];
  readonly windows: readonly PageWindow[];
  readonly forgotten: number;
}

const NO_PLACES: readonly Place[] = [];
const NO_WINDOWS: readonly PageWindow[] = [];

/** How a region reaches guest memory: through the TLB in line, looked up once for what surely lies in one page. */
export class GuestPages {
  readonly #b: Builder;
  readonly #target: RegionTarget;
  readonly #lookUps: LookUps;
  readonly #origins: Origins;
  /** Whether accesses share look-ups. */
  #sharing = true;
  #windows = NO_WINDOWS;
  /** How often pages were forgotten. */
  #forgotten = 0;
  /** Host addresses that the current instruction has found, of what is in no window. */
  #places = NO_PLACES;

  constructor(b: Builder, region: RegionTarget, lookUps: LookUps) {
    this.#b = b;
    this.#target = region;
    this.#lookUps = lookUps;
    this.#origins = new Origins(region.registers === 'i32', SLOTS);
  }

  /** To be called before each instruction. */
  startInstruction(): void {
    this.#places = NO_PLACES;
  }

  /** What is known here. */
  get known(): KnownAddresses {
    return { windows: this.#windows, holdings: this.#origins.holdings };
  }

  /** Goes on where ways meet; where there are none, nothing is known. @param sharing whether accesses share look-ups from here on */
  meet(ways: readonly KnownAddresses[], sharing: boolean): void {
    this.#sharing = sharing;
    this.forget();
    if (ways.length === 0) return;
    this.#windows = ways[0].windows.filter((window) => ways.every(({ windows }) => windows.includes(window)));
    this.#origins.meet(ways.map(({ holdings }) => holdings));
  }

  /** Forgets everything: variables may have been changed in ways that were not recorded here. */
  forget(): void {
    this.forgetPages();
    this.#origins.forget();
  }

  /** Forgets what was looked up: the TLB may be another one, or pages may have been mapped anew. */
  forgetPages(): void {
    this.#windows = NO_WINDOWS;
    this.#forgotten++;
  }

  /** A variable is read. */
  read(value: Val, variable: Variable): void {
    this.#origins.read(value, variable);
  }

  /** A variable is set. */
  write(variable: Variable, value: Val): void {
    this.#origins.write(variable, value);
  }

  /** Statements begin that may not be reached: what they find holds for them alone. They end with {@link endNested}. */
  startNested(): PagesMark {
    return { places: this.#places, windows: this.#windows, forgotten: this.#forgotten };
  }

  endNested({ places, windows, forgotten }: PagesMark): void {
    this.#places = places;
    this.#windows = this.#forgotten === forgotten ? windows : NO_WINDOWS;
  }

  /** Ways part, of which one is gone. Each ends with {@link endWay}. */
  fork(): OriginsFork {
    return this.#origins.fork();
  }
  endWay(fork: OriginsFork): void {
    this.#origins.endWay(fork);
  }
  merge(fork: OriginsFork): void {
    this.#origins.merge(fork);
  }

  load(type: Type, bytes: Access['bytes'], forWrite: boolean, address: Val): Val {
    const access = load(bytes, false, 0);
    const host = this.#reach(access, address, bytes, forWrite);
    return this.#b.pin(type, access, [host]);
  }

  store(bytes: Access['bytes'], address: Val, value: Val): void {
    const access = { kind: 'store' as const, bytes, offset: 0, value };
    const host = this.#reach(access, address, bytes, true);
    this.#b.add(Object.assign(access, { address: host }));
  }

  hostOf(address: Val, forWrite: boolean): HostPlace {
    const entry = this.#entryOf(address);
    const tag = this.#wordAt('i64', entry, forWrite ? TLB.writeTag : TLB.readTag);
    const hit = tag.eq(address.and(PAGE_MASK));
    return { hit, host: address.add(this.#wordAt('i64', entry, TLB.addend)) };
  }

  /** Where it is not known, and cannot be, the interpreter takes over. */
  hostToRead(address: Val): HostPlace {
    return { hit: this.#b.i32(1), host: this.#lookUp(this.#linear(address), 0, 1, false).extU() };
  }

  /** The host address from which an access has its offset. */
  #reach(access: OpenAccess, address: Val, bytes: Access['bytes'], forWrite: boolean): Val {
    const origin = this.#sharing ? this.#origins.of(address) : undefined;
    if (origin === undefined) return this.#place(address, bytes, forWrite);
    let window = this.#windows.find((one) => one.takes(origin, bytes, forWrite));
    if (window === undefined) {
      window = this.#openWindow(origin, address, forWrite);
      this.#windows = [...this.#windows, window];
    }
    window.add(access, origin, bytes);
    return window.host;
  }

  #openWindow(anchor: Origin, address: Val, forWrite: boolean): PageWindow {
    const { registers } = this.#target;
    const bounds = { toFirst: constant(0n), toLast: constant(0n), length: constant(0n) };
    const open = (what: Constant, type: Type) => this.#b.openConst(type, what);
    const first = this.#linear(address).add(open(bounds.toFirst, registers));
    const toLast = open(bounds.toLast, registers);
    const host = this.#lookUp(first, toLast, open(bounds.length, 'i32'), forWrite);
    return new PageWindow(anchor, forWrite, host, bounds, registers === 'i32' ? 32 : 64);
  }

  /** Where `bytes` at a linear address lie in host memory. */
  #place(address: Val, bytes: Access['bytes'], forWrite: boolean): Val {
    const known = this.#places.findLast((place) => place.address === address);
    if (known !== undefined && known.bytes >= bytes && (known.forWrite || !forWrite)) return known.host;
    const host = this.#lookUp(this.#linear(address), bytes - 1, bytes, forWrite);
    this.#places = [...this.#places, { address, host, bytes, forWrite }];
    return host;
  }

  /** Linear addresses of 32-bit code are told by their low halves. */
  #linear(address: Val): Val {
    return this.#target.registers === 'i32' ? unextended(address) : address;
  }

  /** Host address of the byte at `linear`; the interpreter takes over where the bytes up to the last cannot be reached. */
  #lookUp(linear: Val, toLast: Operand, bytes: Operand, forWrite: boolean): Val {
    const { registers, memory64 } = this.#target;
    const address = linear.extU();
    const entry = this.#entryOf(address);
    const last = toLast === 0 ? linear : linear.add(toLast);
    const tag = this.#wordAt(registers, entry, forWrite ? TLB.writeTag : TLB.readTag);
    this.#b.ifRarely(tag.ne(last.and(PAGE_MASK)), () => this.#lookUps.refillOrBail(address, bytes, forWrite, tag));
    const from = memory64 ? address : unextended(address);
    return from.add(this.#wordAt(from.type, entry, TLB.addend));
  }

  /** A field of a TLB entry, or the low half of it. */
  #wordAt(type: Type, entry: Val, field: number): Val {
    return this.#b.load(type, type === 'i64' ? 8 : 4, entry, field);
  }

  #entryOf(address: Val): Val {
    return this.#lookUps.tlb().add(entryOffset(address));
  }
}

/** The low 32 bits of a value, without a detour where they were extended. */
export function unextended(value: Val): Val {
  const { what, args } = value;
  if (what.kind === 'op' && what.name === 'i64.extend_i32_u') return args[0];
  return value.wrap();
}
